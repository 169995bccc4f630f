"""Programs of other people that tests need, built by cargo once and kept in a cache of the user's."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

BUILD_SECONDS = 900
_SMALL = {"CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_STRIP": "symbols"}


def _cache() -> Path:
    """``BUILD_CACHE``, or where the machine's user keeps such things."""
    named = os.environ.get("BUILD_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(named) if named else home / "midge") / "crates"


def _cargo(*arguments: str, directory: Path | None = None) -> None:
    environment = {**os.environ, **_SMALL, "CARGO_TARGET_DIR": str(_cache() / "target")}
    argv = ["cargo", *arguments]
    done = subprocess.run(
        argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stderr[-4000:]}"


@functools.cache
def installed(crate: str, version: str, program: str) -> bytes:
    """A program that a published crate installs."""
    root = _cache() / f"{crate}-{version}"
    path = root / "bin" / program
    if not path.exists():
        _cargo("install", "--quiet", "--locked", "--debug", "--root", str(root), crate, "--version", version)
    return path.read_bytes()


@functools.cache
def built(directory: Path, program: str) -> bytes:
    """The program of a crate of the tests' own, built beside the cache: cargo writes its lock file where it builds."""
    place = _cache() / "sources" / directory.name
    shutil.copytree(directory, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("Cargo.lock"))
    _cargo("build", "--quiet", directory=place)
    return (_cache() / "target" / "debug" / program).read_bytes()
