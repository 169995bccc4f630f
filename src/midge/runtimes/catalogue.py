"""Which of AWS's runtimes this machine can run, and what is missing for the others."""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog

from midge.model.errors import invalid_parameter
from midge.runtimes import provided
from midge.runtimes.dotnet import program as dotnet
from midge.runtimes.java import program as java
from midge.runtimes.nodejs import program as nodejs
from midge.runtimes.places import Places
from midge.runtimes.port import Runtime
from midge.runtimes.python import program as python
from midge.runtimes.ruby import program as ruby
from midge.sandbox.program import Program

_log = structlog.get_logger(__name__)

_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
"""The kernel's word for a processor to AWS's."""


class Catalogue(Mapping[str, Program]):
    """The runtimes by AWS's names, as programs for a sandbox. Each is looked for when it is asked for, until found."""

    def __init__(self, finders: Mapping[str, Callable[[], Runtime]]) -> None:
        self._finders = finders
        self._found: dict[str, Runtime] = {}
        self._said = False

    def find(self, name: str) -> Runtime:
        """What this machine has of a runtime. Raises KeyError for a name that midge does not know."""
        if name not in self._found:
            found = self._finders[name]()
            if found.program is None:
                return found
            self._found[name] = found
        return self._found[name]

    def all(self) -> list[Runtime]:
        """Every runtime that midge knows, runnable or not."""
        return [self.find(name) for name in self._finders]

    def __getitem__(self, name: str) -> Program:
        program = self.find(name).program
        if program is None:
            raise KeyError(name)
        return program

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._finders if self.find(name).program is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def check(self, runtime: str, architecture: str) -> None:
        """Raise InvalidParameterValueException, saying what is missing, if functions of ``runtime`` cannot run here.

        ``architecture`` is kept and returned as AWS does; functions run on this machine's own, which is said once.
        """
        if runtime not in self._finders:
            raise invalid_parameter(f"midge cannot run the runtime {runtime} yet.")
        found = self.find(runtime)
        if found.program is None:
            raise invalid_parameter(f"midge cannot run the runtime {runtime} here: {found.missing}.")
        own = _ARCHITECTURES.get(platform.machine(), platform.machine())
        if architecture != own and not self._said:
            self._said = True
            _log.warning("functions run on this machine's own processor", asked_for=architecture, own=own)


def node_modules_directory() -> Path:
    """Where set-up puts the AWS SDK for JavaScript."""
    return Path(sys.prefix) / "share" / "midge" / "nodejs" / "node_modules"


def discover(
    *, python_preload: tuple[str, ...], python_stock_transport: bool, node_modules: Path, places: Places
) -> Catalogue:
    """The catalogue of this machine; nothing is looked for yet."""
    finders: dict[str, Callable[[], Runtime]] = {}
    for version in python.VERSIONS:
        finders[f"python{version}"] = partial(
            python.runtime, version, places, python_preload, stock_transport=python_stock_transport
        )
    for version in nodejs.VERSIONS:
        finders[f"nodejs{version}.x"] = partial(nodejs.runtime, version, places, node_modules)
    for name in java.RUNTIMES:
        finders[name] = partial(java.runtime, name, places)
    for name in dotnet.RUNTIMES:
        finders[name] = partial(dotnet.runtime, name, places)
    for version in ruby.VERSIONS:
        finders[f"ruby{version}"] = partial(ruby.runtime, version, places)
    for name in provided.NAMES:
        finders[name] = partial(provided.runtime, name)
    return Catalogue(finders)
