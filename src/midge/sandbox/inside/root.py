"""Builds the file system that execution environments see, moves the current process into it, and goes on.

The layout is data made by midge (``sandbox/layout.py``): this module only carries it out. Run as a program it then
becomes the command of the layout, inside the new root: ``python root.py '<layout as JSON>'``.
"""

from __future__ import annotations

import json
import os
import sys

import kernel

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from typing import Any

IDLE = "/var/runtime/.idle"
"""A program that waits, inside, which nobody there may read: see ``init.py``."""

_READ_ONLY = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV


_IDLE_BYTES = 2 << 20


def _make_place(path: str, like_file: bool) -> None:
    """A mount point for a file or a directory, with its parents."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if like_file:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    else:
        os.makedirs(path, exist_ok=True)


def _bind(source: str, target: str, device: bool = False) -> None:
    if not os.path.exists(target):
        _make_place(target, like_file=not os.path.isdir(source))
    kernel.mount(source, target, None, kernel.MS_BIND)
    if not device:
        kernel.mount(None, target, None, _READ_ONLY)


def _copy_idle_program(place: str) -> None:
    """The machine's ``sleep``; where it is missing or too large, there is none."""
    target = place + IDLE
    try:
        with open(place + "/bin/sleep", "rb") as source:
            data = source.read(_IDLE_BYTES + 1)
    except OSError:
        return
    if len(data) <= _IDLE_BYTES:
        with open(target, "wb") as file:
            file.write(data)
        os.chmod(target, 0o111)  # noqa: S103 (to be executed, and that is all)


def build(layout: dict[str, Any], place: str) -> None:
    """Assemble the root at ``place``: an empty tmpfs with the layout's binds, masks, files and links; then read-only."""
    kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=4m")
    for directory in layout["directories"]:
        os.makedirs(place + directory, exist_ok=True)
    for source, target in layout["binds"]:
        _bind(source, place + target)
    for target in layout["masks"]:
        if os.path.isdir(place + target):
            kernel.mount("tmpfs", place + target, "tmpfs", kernel.MS_RDONLY, "mode=755,size=4k")
    for device in layout["devices"]:
        _bind(device, place + device, device=True)
    for path, text in layout["files"].items():
        _make_place(place + path, like_file=True)
        with open(place + path, "w", encoding="utf-8") as file:
            file.write(text)
    for path, target in layout["links"].items():
        os.makedirs(os.path.dirname(place + path), exist_ok=True)
        os.symlink(target, place + path)
    _copy_idle_program(place)
    os.makedirs(place + "/proc")
    kernel.mount("/proc", place + "/proc", None, kernel.MS_BIND | kernel.MS_REC)


def enter(layout: dict[str, Any]) -> None:
    """Leave the machine's file system for the layout's, in a mount namespace of our own."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    place = layout["place"]
    os.umask(0o022)
    build(layout, place)
    os.chdir(place)
    kernel.pivot_root(".", ".")  # the old root comes to lie upon the new one (man 2 pivot_root)
    kernel.unmount(".", kernel.MNT_DETACH)
    os.chdir("/")
    kernel.mount(None, "/", None, _READ_ONLY)


def main() -> None:
    kernel.die_with_parent()
    layout = json.loads(sys.argv[1])
    enter(layout)
    command = layout["command"]
    os.execve(command[0], command, layout["environment"])


if __name__ == "__main__":
    main()
