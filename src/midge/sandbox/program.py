"""What a sandbox has to know of a runtime to run it: the file system it sees and the commands that start it.

Plain data, made by ``runtimes``; a sandbox carries it out without knowing one language from another.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midge.sandbox.port import RootImage

TASK_ROOT = "/var/task"
LAYERS_ROOT = "/opt"
RUNTIME_DIRECTORY = "/var/runtime"
WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
IMAGE = "image"
"""Stands for the runtime of functions that are container images."""
INSIDE = "/var/runtime/.midge"
"""Where midge's own part of a runtime lies, inside."""

_SEARCHED_FILES = 200
_SEARCHED_BYTES = 256 * 1024
_PLACES = ("/sys", "/mnt", "/media", "/srv")

PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A root file system: read-only binds of the machine's files, and small files, links and directories of its own."""

    binds: tuple[tuple[Path, str], ...]
    """Source on the machine, target inside; in order."""
    masks: tuple[str, ...] = ()
    """Directories inside that shall look empty."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    directories: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

    def on_machine(self, text: str, task_root: str, layers_root: str | None = None) -> str:
        """``text``, a path inside or a list of such joined by colons, as it would be without the layout.

        A directory that only exists inside stands for the directories that its binds come from; without layers what
        would be theirs stands for nothing.
        """
        roots = {TASK_ROOT: task_root, LAYERS_ROOT: layers_root}
        return ":".join(found for part in text.split(":") for found in self._sources(part, roots))

    def _sources(self, path: str, roots: Mapping[str, str | None]) -> list[str]:
        for inside, root in roots.items():
            if path == inside or path.startswith(inside + "/"):
                return [] if root is None else [root + path.removeprefix(inside)]
        for source, target in reversed(self.binds):
            if path == target or path.startswith(target + "/"):
                return [str(source) + path.removeprefix(target)]
        below = {str(source.parent): None for source, target in self.binds if target.startswith(path + "/")}
        return list(below) or [path]

    def _place(self) -> str:
        """A directory of the machine to assemble the root upon: none that hides what is to be bound."""
        for place in _PLACES:
            if Path(place).is_dir() and not any(source.is_relative_to(place) for source, _ in self.binds):
                return place
        raise OSError("this machine has no directory that a root could be assembled upon")

    def as_wire(self) -> dict[str, Any]:
        """For ``inside/root.py``."""
        return {
            "place": self._place(),
            "binds": [[str(source), target] for source, target in self.binds],
            "masks": self.masks,
            "files": dict(self.files),
            "links": dict(self.links),
            "directories": self.directories,
            "devices": self.devices,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How environments of one runtime come to life.

    A forked runtime has an ``entry`` module, imported by a zygote that runs ``interpreter`` inside the layout. Any
    other has a ``command``: begun at once with ``waiting_arguments`` if there are any (its own bootstrap then reads the
    assignment from descriptor 3), else only when a function has been assigned. ``command`` also starts a forked runtime whose function sets a
    variable that the interpreter reads when it starts (one that begins with one of ``early_variables``).
    """

    layout: Layout
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Variables of the runtime's own; the function's override them."""
    layer_command: tuple[str, ...] = ()
    """What starts instead of ``command`` where the function does not bring that and a layer brings this."""
    wrapping: tuple[str, ...] = ()
    """What stands before ``command`` where the function sets AWS_LAMBDA_EXEC_WRAPPER; empty: it has no meaning here."""
    interpreter: str | None = None
    entry: str | None = None
    preload: tuple[str, ...] = ()
    """Modules that a second kind of zygote imports as well, for functions that mention them."""
    waiting_arguments: tuple[str, ...] = ()
    image: RootImage | None = None
    """An image that is the root in the place of the layout; without a command of the program's own its entry point, with
    the handler behind it, is started."""
    early_variables: tuple[str, ...] = ("LD_",)

    @property
    def waits(self) -> bool:
        """Whether the command itself waits for its function."""
        return bool(self.waiting_arguments)

    @property
    def bootstraps(self) -> tuple[str, ...]:
        """Where the program is looked for, if the function brings it."""
        return (self.command[0], self.layer_command[0]) if self.layer_command else ()

    def command_for(
        self, variables: Mapping[str, str], task_root: Path, layers_root: Path | None = None
    ) -> tuple[str, ...]:
        """The command that starts a function with these variables, this package and these layers."""
        if self.layer_command and layers_root is not None:
            own = task_root / self.command[0].removeprefix(TASK_ROOT + "/")
            theirs = layers_root / self.layer_command[0].removeprefix(LAYERS_ROOT + "/")
            if theirs.is_file() and not own.is_file():  # a directory of that name is none, on AWS either
                return self.layer_command
        return (*self.wrapping, *self.command) if self._is_wrapped(variables) else self.command

    def _is_wrapped(self, variables: Mapping[str, str]) -> bool:
        return bool(self.wrapping and variables.get(WRAPPER_VARIABLE))

    def profits(self, task_root: Path) -> bool | None:
        """Whether a function may import what is preloaded: its files mention it and it does not bring its own.

        Looks at the function's own Python files, not deep in what it brings along; a wrong answer costs time, no more.
        None when the package is not there yet.
        """
        if not task_root.is_dir():
            return None
        if not self.preload or any((task_root / name).exists() for name in self.preload):
            return False
        files = itertools.chain(task_root.glob("*.py"), task_root.glob("*/*.py"))
        return any(
            name.encode() in _beginning(file)
            for file in itertools.islice(files, _SEARCHED_FILES)
            for name in self.preload
        )

    def starts_late(self, variables: Mapping[str, str]) -> bool:
        """Whether a function with these variables needs an interpreter of its own, started after them."""
        early = any(name.startswith(prefix) for name in variables for prefix in self.early_variables)
        return early or self._is_wrapped(variables)


def _beginning(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_SEARCHED_BYTES)
    except OSError:
        return b""
