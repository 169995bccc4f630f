"""Environments whose root is a container image: what they are prepared with, and what can be said of one before it starts.

They come from one line for all images, with an almost empty root; the image is mounted when the environment gets its
function, and becomes the root then (``inside/stem.py``).
Sources: man 2 execve; https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from midge.images.paths import PathError, place_of
from midge.sandbox.port import LaunchError, RootImage
from midge.sandbox.program import Layout, Program

IMAGE_PLACE = "/mnt"
"""Where the image is mounted before it becomes the root."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""For images that say nothing of it, as every container runtime has it."""

PROGRAM = Program(
    layout=Layout(
        binds=(),
        directories=("/dev", IMAGE_PLACE, "/tmp"),  # noqa: S108
        files={"/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n", "/etc/resolv.conf": ""},
        links={
            "/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2",
        },
    ),
    command=(),
    environment={},
    early_variables=(),
)  # fmt: skip
_MOST_BYTES = 128 * 1024
"""Of arguments and variables together."""
_RUNNABLE = (b"\x7fELF", b"#!")


def check_launch(image: RootImage, variables: Mapping[str, str]) -> None:
    """Raise LaunchError for what would keep the image from being started with these variables. Blocking.

    What shows only when the kernel tries (a missing loader, another processor) ends the environment instead, with the
    same error.
    """
    directory = image.working_directory or "/"
    _check(image.root, directory, f"chdir {directory}", "Runtime.InvalidWorkingDir", want_directory=True)
    if not image.command:
        raise LaunchError("Runtime.InvalidEntrypoint", "the image has no entry point and no command")
    name = image.command[0]
    texts = [*image.command, *variables, *variables.values()]
    if sum(len(text.encode("utf-8", "surrogateescape")) for text in texts) > _MOST_BYTES:
        raise LaunchError("Runtime.InvalidEntrypoint", f"fork/exec {name}: argument list too long")
    if "/" not in name:
        _check_search(image.root, name, variables["PATH"].split(":"))
        return
    whole = name if name.startswith("/") else f"{directory}/{name}"
    _check(image.root, whole, f"fork/exec {name}", "Runtime.InvalidEntrypoint", want_directory=False)


def _check_search(root: Path, name: str, directories: Sequence[str]) -> None:
    for directory in directories:
        try:
            _check(root, f"{directory}/{name}", name, "Runtime.InvalidEntrypoint", want_directory=False)
        except LaunchError:
            continue
        return
    raise LaunchError("Runtime.InvalidEntrypoint", f'exec: "{name}": executable file not found in $PATH')


def _check(root: Path, path: str, doing: str, error_type: str, *, want_directory: bool) -> None:
    try:
        place = place_of(root, path)
        mode = place.lstat().st_mode
        if want_directory:
            number = 0 if stat.S_ISDIR(mode) else errno.ENOTDIR
        elif not stat.S_ISREG(mode) or not mode & 0o001:  # function code is nobody's owner and in nobody's group
            number = errno.EACCES
        else:
            number = 0 if _can_run(place) else errno.ENOEXEC
    except PathError:
        number = errno.ENOENT
    except OSError as error:
        number = error.errno or errno.EIO
    if number:
        raise LaunchError(error_type, f"{doing}: {os.strerror(number).lower()}")


def _can_run(place: Path) -> bool:
    with place.open("rb") as file:
        return file.read(4).startswith(_RUNNABLE)
