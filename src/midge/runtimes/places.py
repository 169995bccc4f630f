"""Where interpreters and runtime clients are looked for: what was configured, what midge added, the machine's own.

A *prefix* is a directory as an interpreter is installed in: with ``bin/python3.13``, ``bin/node``, ``bin/java`` or
``dotnet`` in it.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROBE_SECONDS = 20
CLIENT = "client"
"""AWS's runtime client, in the directory of a runtime that was added."""
INTERPRETER = "interpreter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``added`` has one directory for each runtime that ``midge runtimes add`` installed; ``search`` are prefixes."""

    added: Path
    search: tuple[Path, ...] = ()

    def client(self, runtime: str) -> Path:
        """Where the client of an added runtime is, if it is there."""
        return self.added / runtime / CLIENT

    def interpreter(self, runtime: str) -> Path:
        """The prefix of an added runtime's interpreter, if it has one of its own."""
        return self.added / runtime / INTERPRETER

    def programs(self, name: str, runtime: str) -> Iterator[Path]:
        """Every program of that name that exists: of the configured prefixes, of what was added, of PATH."""
        prefixes = [*self.search, self.interpreter(runtime)]
        candidates = [prefix / part / name for prefix in prefixes for part in ("bin", ".")]
        candidates += [Path(directory) / name for directory in os.get_exec_path()]
        yield from (path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK))  # noqa: PTH113 (never raises)


@functools.lru_cache(maxsize=256)
def _ask(command: tuple[str, ...], changed: float) -> tuple[str, ...] | None:
    del changed  # a program that was replaced is asked anew
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return tuple(answer.stdout.split("\n")[:-1]) if answer.returncode == 0 else None


def _asked(program: Path, *arguments: str) -> tuple[str, ...] | None:
    try:
        changed = program.stat().st_mtime
    except OSError:
        return None
    return _ask((str(program), *arguments), changed)


def ask(program: Path, *arguments: str) -> tuple[str, ...]:
    """The lines that an interpreter prints when asked about itself; none if it does not answer."""
    return _asked(program, *arguments) or ()


def runs(program: Path, *arguments: str) -> bool:
    """Whether it ends well."""
    return _asked(program, *arguments) is not None


def on_path(name: str) -> str | None:
    """A package client or another tool of the machine's."""
    return shutil.which(name)
