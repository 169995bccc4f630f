"""Finds .NET and says how environments of it come to life.

The machine's .NET appears at /var/lang/dotnet, AWS's Amazon.Lambda.RuntimeSupport in /var/runtime. What is to run, and
with which files, is decided inside, by ``start.sh``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.places import Places, ask
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

RUNTIMES = {"dotnet8": "8", "dotnet10": "10"}
CLIENT = "Amazon.Lambda.RuntimeSupport.dll"
_FILES = Path(__file__).parent
_ROOT = "/var/lang/dotnet"
_SHARED = "Microsoft.NETCore.App"
_USUAL = (Path("/usr/lib/dotnet"), Path("/usr/share/dotnet"), Path("/usr/lib64/dotnet"), Path.home() / ".dotnet")


def _roots(runtime: str, places: Places) -> Iterator[Path]:
    for program in places.programs("dotnet", runtime):
        yield Path(os.path.realpath(program)).parent
    if root := os.environ.get("DOTNET_ROOT"):
        yield Path(root)
    yield from _USUAL


def find(runtime: str, places: Places) -> tuple[Path, str] | None:
    """A .NET that has the framework of ``runtime``'s version and answers for itself: its directory and the version."""
    wanted = re.compile(rf"{_SHARED} ({RUNTIMES[runtime]}\.\d+\.\d+\S*)")
    for root in _roots(runtime, places):
        lines = ask(root / "dotnet", "--list-runtimes")
        versions = [found[1] for line in lines if (found := wanted.match(line)) is not None]
        if versions:
            return root, versions[-1]
    return None


def host(places: Places) -> Path | None:
    """Any ``dotnet`` that has an SDK, to build with."""
    for root in _roots("", places):
        if ask(root / "dotnet", "--list-sdks"):
            return root / "dotnet"
    return None


def _has_icu() -> bool:
    places = (Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"))
    return any(next(place.glob(pattern), None) for place in places for pattern in ("libicuuc.so.*", "*/libicuuc.so.*"))


def program(root: Path, client: Path) -> Program:
    """How environments with the .NET in ``root`` start; ``client`` has AWS's client, as it was published."""
    binds = [*base.userland_binds(), *base.shell_binds(), (root, _ROOT)]
    binds += [(path, f"{RUNTIME_DIRECTORY}/{path.name}") for path in sorted(client.glob("*.dll"))]
    binds += [(_FILES, f"{INSIDE}/dotnet")]
    environment = {
        "PATH": PATH,
        "LD_LIBRARY_PATH": LIBRARY_PATH,
        "LANG": "en_US.UTF-8",
        "DOTNET_ROOT": _ROOT,
        "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
        "DOTNET_NOLOGO": "1",
    }
    if not _has_icu():
        environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"
    return Program(
        layout=Layout(binds=tuple(binds), files=base.FILES, links=base.userland_links(), directories=base.DIRECTORIES),
        command=("/bin/sh", f"{INSIDE}/dotnet/start.sh", f"{_ROOT}/dotnet", f"{RUNTIME_DIRECTORY}/{CLIENT}"),
        environment=environment,
    )


def runtime(name: str, places: Places) -> Runtime:
    """AWS's runtime of one version of .NET, with its program or with what is missing for it.

    Without AWS's client it runs nothing: executable assemblies bring their own copy, but nobody knows beforehand.
    """
    found, client = find(name, places), places.client(name)
    if found is None:
        missing = (
            f"no .NET {RUNTIMES[name]} was found on PATH, in DOTNET_ROOT, the usual directories or where "
            "[toolchains] search says"
        )
        other = next((other for other in RUNTIMES if other != name and find(other, places)), None)
        if other is not None:
            missing += (
                f"; what was built for it runs as {other} only if DOTNET_ROLL_FORWARD says so, which midge does not do"
            )
        return Runtime(name=name, program=None, missing=missing)
    if not os.access(client / CLIENT, os.R_OK):
        missing = f"there is .NET {found[1]}, without Amazon.Lambda.RuntimeSupport (midge runtimes add {name})"
        return Runtime(name=name, program=None, missing=missing)
    return Runtime(name=name, program=program(found[0], client), version=found[1])
