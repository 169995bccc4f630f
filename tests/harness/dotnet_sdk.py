"""A .NET SDK for tests, and a NuGet source of stand-ins for AWS's packages (``dotnet/README.md``)."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.environments import FOUND
from harness.toolchains import build_cache

from midge.runtimes.dotnet import program as dotnet

_STAND_INS = Path(__file__).parent / "dotnet"
_PROJECTS = ("Core", "Serialization", "RuntimeSupport")
QUIET = ("-v", "quiet", "-nologo", "-nodeReuse:false", "-p:UseSharedCompilation=false")


class Sdk:
    """``dotnet`` with a package source and a package cache of the tests' own, so that no stand-in reaches the user's."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self._feed = directory / "feed"
        self.variables: Mapping[str, str] = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "DOTNET_ROOT": str(program.parent),
            "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
            "DOTNET_NOLOGO": "1",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
            "DOTNET_CLI_HOME": str(directory / "home"),
            "NUGET_PACKAGES": str(directory / "packages"),
            "RestoreSources": str(self._feed),
        }

    def run(self, *arguments: str, at: Path) -> None:
        """Raises AssertionError with what it said, if it fails."""
        command = [str(self.program), *arguments, *QUIET]
        done = subprocess.run(
            command, cwd=at, env={**os.environ, **self.variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def pack_stand_ins(self, scratch: Path) -> None:
        """Fill the package source, unless an earlier run has."""
        if self._feed.is_dir():
            return
        made = scratch / "feed"
        made.mkdir()
        self._feed.parent.mkdir(parents=True, exist_ok=True)
        before = self.variables
        self.variables = {**before, "RestoreSources": str(made), "NUGET_PACKAGES": str(scratch / "packages")}
        for project in _PROJECTS:
            shutil.copytree(_STAND_INS / project, scratch / project)
            self.run("pack", "-c", "Release", "-o", str(made), at=scratch / project)
        self.variables = before
        try:
            made.rename(self._feed)
        except OSError:  # another worker was first, or it is another file system
            if not self._feed.is_dir():
                shutil.copytree(made, self._feed)


def _digest() -> str:
    files = sorted(path for path in _STAND_INS.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def find_sdk(scratch: Path) -> Sdk | None:
    """The SDK with its source filled; None where there is none."""
    program = dotnet.host(FOUND)
    if program is None:
        return None
    cache = build_cache()
    sdk = Sdk(program, (cache or scratch) / f"dotnet-{_digest()}")
    sdk.pack_stand_ins(scratch)
    return sdk
