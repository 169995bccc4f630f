"""A .NET SDK for tests, and a NuGet source of stand-ins for AWS's packages (``dotnet/README.md``)."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.environments import FOUND
from harness.toolchains import built_once, digest_of

from midge.runtimes.dotnet import program as dotnet

_STAND_INS = Path(__file__).parent / "dotnet"
_PROJECTS = ("Core", "Serialization", "RuntimeSupport")
QUIET = ("-v", "quiet", "-nologo", "-nodeReuse:false", "-p:UseSharedCompilation=false")


class Sdk:
    """``dotnet`` with a package source and a package cache of the tests' own, so that no stand-in reaches the user's."""

    def __init__(self, program: Path, feed: Path, scratch: Path) -> None:
        self.program = program
        self.variables: Mapping[str, str] = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "DOTNET_ROOT": str(program.parent),
            "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
            "DOTNET_NOLOGO": "1",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
            "DOTNET_CLI_HOME": str(scratch / "home"),
            "NUGET_PACKAGES": str(scratch / "packages"),
            "RestoreSources": str(feed),
        }

    def run(self, *arguments: str, at: Path) -> None:
        """Raises AssertionError with what it said, if it fails."""
        command = [str(self.program), *arguments, *QUIET]
        done = subprocess.run(
            command, cwd=at, env={**os.environ, **self.variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def find_sdk(root: Path, scratch: Path) -> Sdk | None:
    """The SDK with its package source, which is kept in ``root``; None where there is no SDK."""
    program = dotnet.host(FOUND)
    if program is None:
        return None

    def pack(feed: Path) -> None:
        for project in _PROJECTS:
            shutil.copytree(_STAND_INS / project, feed / "source" / project)
            Sdk(program, feed, scratch).run("pack", "-c", "Release", "-o", str(feed), at=feed / "source" / project)
        shutil.rmtree(feed / "source")

    return Sdk(program, built_once(root, f"dotnet-feed-{digest_of(_STAND_INS)}", pack), scratch)
