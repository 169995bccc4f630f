"""Unpacking in a process of its own: tar, hashing and decompression would share this process's interpreter lock with every
invocation, and what takes a hostile tar apart had better be somebody else. It yields to the machine's other work.

The process gets its work on its standard input (credentials are there and nowhere else), answers on its standard output,
and ends with us: by being killed, or because it notices that it has another parent.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from midge.images.egress import Egress
from midge.images.errors import ImageError, Trouble
from midge.images.streams import Halt
from midge.images.work import Work
from midge.model.functions import FunctionImage
from midge.model.limits import Limits

_NICER = 10


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    registries: tuple[str, ...]
    directories: tuple[str, ...]
    credentials: dict[str, str]
    limits: Limits
    architecture: str
    image: FunctionImage
    place: str


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """How it went wrong, if it did: a trouble of the image's by name, or an error of the machine's by number."""

    trouble: str = ""
    errno: int = 0
    message: str = ""


def pull_apart(work: Work, halt: Halt, image: FunctionImage, place: Path) -> None:
    """As ``work.pull``, in another process. Raises ImageError, OSError."""
    egress = work.egress
    job = _Job(
        registries=egress.registries,
        directories=tuple(str(directory) for directory in egress.directories),
        credentials=dict(egress.all_credentials),
        limits=work.limits,
        architecture=work.architecture,
        image=image,
        place=str(place),
    )
    argv = [sys.executable, "-P", "-c", "from midge.images import apart; apart.main()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        halt.wake_with(process.kill)
        try:
            answer, _ = process.communicate(msgspec.json.encode(job))
        finally:
            halt.wake_with(None)
            process.kill()
    halt.check()
    try:
        result = msgspec.json.decode(answer, type=_Result)
    except msgspec.DecodeError as error:
        raise OSError(0, "the process that unpacks images has ended before its work") from error
    if result.trouble:
        raise ImageError(Trouble[result.trouble], result.message)
    if result.errno:
        raise OSError(result.errno, result.message)


class _Parented(Halt):
    """Stops when whoever wanted the work is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._parent = os.getppid()

    def check(self) -> None:
        if os.getppid() != self._parent:
            self.stop("nobody waits for it any more")
        super().check()


def _perform(job: _Job) -> _Result:
    egress = Egress(job.registries, [Path(directory) for directory in job.directories], job.credentials)
    work = Work(egress=egress, limits=job.limits, architecture=job.architecture)
    try:
        work.pull(_Parented(), job.image, Path(job.place))
    except ImageError as error:
        return _Result(trouble=error.trouble.name, message=str(error))
    except OSError as error:
        return _Result(errno=error.errno or -1, message=error.strerror or str(error))
    return _Result()


def main() -> None:
    """Be that process."""
    os.nice(_NICER)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=_Job)
    sys.stdout.buffer.write(msgspec.json.encode(_perform(job)))
    sys.stdout.buffer.flush()
