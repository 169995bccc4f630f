"""Which of AWS's runtimes this machine can run, and what is missing for the others."""

import sys
from pathlib import Path

from midge.model.errors import invalid_parameter
from midge.runtimes import provided
from midge.runtimes.nodejs import program as nodejs
from midge.runtimes.port import Runtime
from midge.runtimes.python import program as python
from midge.sandbox.program import Program


class Catalogue:
    """What was found when midge started."""

    def __init__(self, runtimes: list[Runtime]) -> None:
        self._runtimes = {runtime.name: runtime for runtime in runtimes}

    def all(self) -> list[Runtime]:
        """Every runtime that midge knows, runnable or not."""
        return list(self._runtimes.values())

    def programs(self) -> dict[str, Program]:
        """Those that can run here."""
        return {name: found.program for name, found in self._runtimes.items() if found.program is not None}

    def check(self, runtime: str, architecture: str) -> None:
        """Raise InvalidParameterValueException, saying what is missing, if functions of ``runtime`` cannot run here."""
        del architecture  # kept and returned as AWS does; functions run on this machine's own
        found = self._runtimes.get(runtime)
        if found is None:
            raise invalid_parameter(f"midge cannot run the runtime {runtime} yet.")
        if found.program is None:
            raise invalid_parameter(f"midge cannot run the runtime {runtime} here: {found.missing}.")


def node_modules_directory() -> Path:
    """Where set-up puts the AWS SDK for JavaScript."""
    return Path(sys.prefix) / "share" / "midge" / "nodejs" / "node_modules"


def discover(*, python_preload: tuple[str, ...], python_stock_transport: bool, node_modules: Path) -> Catalogue:
    """Look at the machine. Runs each interpreter it finds once; takes a fraction of a second."""
    return Catalogue(
        [
            *python.runtimes(python_preload, stock_transport=python_stock_transport),
            *nodejs.runtimes(node_modules),
            *provided.runtimes(),
        ]
    )
