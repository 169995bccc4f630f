"""Finds Python interpreters and says how environments of each come to life. See the package for the layout."""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_FILES = Path(__file__).parent
_INSIDE_FILES = Path(importlib.util.find_spec("midge.sandbox.inside").submodule_search_locations[0])  # type: ignore[union-attr,index]
_DISTRIBUTIONS = ("awslambdaric", "boto3")
_PROBE = "import sys, sysconfig; print(sys.prefix, sys.base_prefix, '%d.%d.%d' % sys.version_info[:3], sep='\\n')"
_PROBE_SECONDS = 10
_LANGUAGE = "/var/lang"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter of the machine's: where it is installed, and its full version."""

    executable: Path
    prefix: Path
    version: str


def _candidates(version: str) -> Iterator[Path]:
    """Where an interpreter of ``version`` may be, best first."""
    found = shutil.which(f"python{version}")
    if found is not None:
        yield Path(found)
    for root in (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"):
        for directory in sorted(root.glob(f"*{version}.*"), reverse=True):
            yield directory / "bin" / f"python{version}"
    yield Path(f"/usr/bin/python{version}")
    yield Path(f"/usr/local/bin/python{version}")


def find(version: str) -> Interpreter | None:
    """An interpreter of ``version`` (such as "3.11") that answers for itself; never one of a virtual environment."""
    for candidate in _candidates(version):
        if not candidate.exists():
            continue
        try:
            answer = subprocess.run(
                [str(candidate), "-I", "-c", _PROBE],
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = answer.stdout.split()
        if answer.returncode == 0 and len(lines) == 3 and lines[2].startswith(f"{version}."):
            prefix = Path(lines[1])
            executable = prefix / "bin" / f"python{version}"
            if executable.exists():
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


def _runtime_files(stock_transport: bool) -> dict[str, Path]:
    """Top-level name in /var/runtime to where it is on the machine: the runtime client, boto3 and all they need."""
    names: set[str] = set()
    for name in _DISTRIBUTIONS:
        _requirements(name, names)
    found: dict[str, Path] = {}
    for name in names:
        for file in importlib.metadata.distribution(name).files or []:
            top = file.parts[0]
            native = top.startswith("runtime_client.") and not stock_transport
            if top not in ("..", "__pycache__", "bin") and not native:
                found[top] = Path(str(file.locate())).parents[len(file.parts) - 1] / top
    return found


def _in_usr(prefix: Path) -> bool:
    return prefix == Path("/usr")


def program(interpreter: Interpreter, preload: tuple[str, ...], *, stock_transport: bool) -> Program:
    """How environments of ``interpreter`` start; ``preload`` is imported once, before any is forked."""
    version = ".".join(interpreter.version.split(".")[:2])
    system = _in_usr(interpreter.prefix)
    language = "/usr" if system else _LANGUAGE
    binds = [*base.userland_binds()]
    if not system:
        binds.append((interpreter.prefix, _LANGUAGE))
    binds += [(path, f"{RUNTIME_DIRECTORY}/{name}") for name, path in sorted(_runtime_files(stock_transport).items())]
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


def runtime(version: str, preload: tuple[str, ...], *, stock_transport: bool) -> Runtime:
    """AWS's runtime of one Python version, with its program or with what is missing for it."""
    name = f"python{version}"
    interpreter = find(version)
    if interpreter is None:
        return Runtime(name=name, program=None, missing=f"no Python {version} interpreter was found on this machine")
    made = program(interpreter, preload, stock_transport=stock_transport)
    return Runtime(name=name, program=made, version=interpreter.version)
