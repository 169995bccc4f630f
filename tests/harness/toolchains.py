"""Where tests find the toolchains and runtimes that set-up put outside of the checkout, and what they build once.

``tools/setup toolchains`` makes the directory and ``.ci/run`` names it in BUILD_CACHE; without it the machine's own have
to do, and everything is built anew.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from midge.runtimes.places import Places


def build_cache() -> Path | None:
    """A directory for what is expensive to build, kept from one run to the next; None where nobody made one."""
    named = os.environ.get("BUILD_CACHE")
    return Path(named) if named else None


def places() -> Places:
    """Where the runtimes are that tests may use."""
    cache = build_cache()
    if cache is None:
        return Places(added=Path("nothing-was-added"))
    return Places(added=cache / "toolchains", search=(cache / "dotnet",))


def variables() -> dict[str, str]:
    """The same, as variables for a server; none where nothing was set up."""
    found = places()
    if build_cache() is None:
        return {}
    return {
        "MIDGE_TOOLCHAINS_DIRECTORY": str(found.added.absolute()),
        "MIDGE_TOOLCHAINS_SEARCH": ",".join(str(path) for path in found.search),
    }


def run_directory(factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share, and no other run."""
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def digest_of(*contents: str | Path) -> str:
    """What tells one set of sources from another; of a directory all files count."""
    hashed = hashlib.sha256()
    for content in contents:
        files = [] if isinstance(content, str) else sorted(path for path in content.rglob("*") if path.is_file())
        for data in [content.encode()] if isinstance(content, str) else [path.read_bytes() for path in files]:
            hashed.update(hashlib.sha256(data).digest())
    return hashed.hexdigest()[:16]


def built_once(root: Path, name: str, build: Callable[[Path], None]) -> Path:
    """The directory ``name`` in ``root``, filled by ``build`` unless it is there; one worker builds, the others wait."""
    root.mkdir(parents=True, exist_ok=True)
    place = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            unfinished = root / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            unfinished.rename(place)
    return place
