"""What a sandbox has to know of a runtime to run it: the file system it sees and the commands that start it.

Plain data, made by ``runtimes``; a sandbox carries it out without knowing one language from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TASK_ROOT = "/var/task"
RUNTIME_DIRECTORY = "/var/runtime"
INSIDE = "/var/runtime/.midge"
"""Where midge's own part of a runtime lies, inside."""

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

    def as_wire(self, place: str) -> dict[str, Any]:
        """For ``inside/root.py``; ``place`` is an empty directory to assemble the root on."""
        return {
            "place": place,
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
    other has a ``command``: begun at once if ``waits`` (its own bootstrap then reads the assignment from descriptor 3),
    else only when a function has been assigned. ``command`` also starts a forked runtime whose function sets a
    variable that the interpreter reads when it starts (one that begins with one of ``early_variables``).
    """

    layout: Layout
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Variables of the runtime's own; the function's override them."""
    interpreter: str | None = None
    entry: str | None = None
    preload: tuple[str, ...] = ()
    waits: bool = False
    early_variables: tuple[str, ...] = ("LD_",)

    def starts_late(self, variables: Mapping[str, str]) -> bool:
        """Whether a function with these variables needs an interpreter of its own, started after them."""
        return any(name.startswith(prefix) for name in variables for prefix in self.early_variables)
