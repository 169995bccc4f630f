"""Finds Python interpreters and says how environments of each come to life. See the package for the layout."""

import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.places import Places, ask
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_FILES = Path(__file__).parent
_INSIDE_FILES = Path(importlib.util.find_spec("midge.sandbox.inside").submodule_search_locations[0])  # type: ignore[union-attr,index]
_DISTRIBUTIONS = ("awslambdaric", "boto3")
_PROBE = "import sys, sysconfig; print(sys.prefix, sys.base_prefix, '%d.%d.%d' % sys.version_info[:3], sep='\\n')"
_LANGUAGE = "/var/lang"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter of the machine's: where it is installed, and its full version."""

    executable: Path
    prefix: Path
    version: str


def _candidates(version: str, places: Places) -> Iterator[Path]:
    """Where an interpreter of ``version`` may be, best first: what is configured, PATH, pyenv, uv, the distribution's."""
    name = f"python{version}"
    yield from places.programs(name, name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    for root in (pyenv / "versions", uv):
        for directory in sorted(root.glob(f"*{version}.*"), reverse=True):
            yield directory / "bin" / name
    yield Path("/usr/bin") / name
    yield Path("/usr/local/bin") / name


def find(version: str, places: Places) -> Interpreter | None:
    """An interpreter of ``version`` (such as "3.11") that answers for itself; never one of a virtual environment."""
    for candidate in _candidates(version, places):
        lines = ask(candidate, "-I", "-c", _PROBE)
        if len(lines) == 3 and lines[2].startswith(f"{version}."):
            prefix = Path(lines[1])
            executable = prefix / "bin" / f"python{version}"
            if os.access(executable, os.X_OK):
                return Interpreter(executable, prefix, lines[2])
    return None


def _requirements(name: str, seen: set[str]) -> None:
    """The distributions that ``name`` needs, itself included, into ``seen``."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return
    seen.add(key)
    for requirement in distribution.requires or []:
        if "extra ==" not in requirement:
            _requirements(re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0], seen)


def _native(name: str) -> bool:
    """Whether it is the client's own transport, which is compiled for one version of Python."""
    return name.startswith("runtime_client.")


def _added_files(client: Path, stock_transport: bool) -> dict[str, Path]:
    """The same, of what was added for one version: its own client, with a boto3 that this version runs."""
    found = {entry.name: entry for entry in client.iterdir()} if os.access(client, os.R_OK | os.X_OK) else {}
    return {name: entry for name, entry in found.items() if name != "bin" and (stock_transport or not _native(name))}


def _own_files(stock_transport: bool) -> dict[str, Path]:
    """Top-level name in /var/runtime to where it is on the machine: the runtime client, boto3 and all they need.

    Those that midge was installed with, which are plain Python but for the transport.
    """
    names: set[str] = set()
    for name in _DISTRIBUTIONS:
        _requirements(name, names)
    found: dict[str, Path] = {}
    for name in names:
        for file in importlib.metadata.distribution(name).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__", "bin") and (stock_transport or not _native(top)):
                found[top] = Path(str(file.locate())).parents[len(file.parts) - 1] / top
    return found


def _in_usr(prefix: Path) -> bool:
    return prefix == Path("/usr")


def program(
    interpreter: Interpreter, preload: tuple[str, ...], files: Mapping[str, Path], *, stock_transport: bool
) -> Program:
    """How environments of ``interpreter`` start; ``preload`` is imported once, before any is forked.

    ``files`` are what lies in /var/runtime.
    """
    version = ".".join(interpreter.version.split(".")[:2])
    system = _in_usr(interpreter.prefix)
    language = "/usr" if system else _LANGUAGE
    binds = [*base.userland_binds(), *base.shell_binds()]
    if not system:
        binds.append((interpreter.prefix, _LANGUAGE))
    binds += [(path, f"{RUNTIME_DIRECTORY}/{name}") for name, path in sorted(files.items())]
    binds.append((_INSIDE_FILES, f"{INSIDE}/sandbox"))
    binds.append((_FILES, f"{INSIDE}/python"))
    executable = f"{language}/bin/python{version}"
    paths = [f"{INSIDE}/python", RUNTIME_DIRECTORY]
    if not stock_transport:
        paths.insert(0, f"{INSIDE}/python/transport")
    return Program(
        layout=Layout(
            binds=tuple(binds),
            masks=(f"{language}/lib/python{version}/site-packages", "/usr/lib/python3/dist-packages"),
            files=base.FILES,
            links=base.userland_links(),
            directories=base.DIRECTORIES,
        ),
        interpreter=executable,
        entry="start",
        preload=preload,
        command=(executable, f"{INSIDE}/python/start.py"),
        wrapping=base.WRAPPING,
        environment={
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "PYTHONPATH": ":".join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            "LANG": "en_US.UTF-8",
            "LAMBDA_RUNTIME_DIR": RUNTIME_DIRECTORY,
        },
        early_variables=("PYTHON", "LD_"),
    )


def runtime(version: str, places: Places, preload: tuple[str, ...], *, stock_transport: bool) -> Runtime:
    """AWS's runtime of one Python version, with its program or with what is missing for it."""
    name = f"python{version}"
    interpreter = find(version, places)
    if interpreter is None:
        missing = (
            f"no Python {version} interpreter was found on PATH, under pyenv or uv, or where [toolchains] search says"
        )
        return Runtime(name=name, program=None, missing=missing)
    files = _added_files(places.client(name), stock_transport)
    own = not files
    if own and stock_transport and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        missing = f"AWS's own transport for Python {version} is not installed (midge runtimes add {name})"
        return Runtime(name=name, program=None, missing=missing)
    made = program(interpreter, preload, files or _own_files(stock_transport), stock_transport=stock_transport)
    client = "midge's own client" if own else f"awslambdaric {_version_of(places.client(name), 'awslambdaric')}"
    return Runtime(name=name, program=made, version=f"{interpreter.version}, {client}")


def _version_of(directory: Path, distribution: str) -> str:
    found = next(iter(importlib.metadata.distributions(name=distribution, path=[str(directory)])), None)
    return "of an unknown version" if found is None else found.version
