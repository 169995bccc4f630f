"""Midge's end of snapshots: the tracer's process, the snapshots that it holds, and environments restored from them.

Only as root of the machine: without that nobody may let a process's seccomp filters rest, which joining another
environment takes.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midge.sandbox import mounts
from midge.sandbox.environment import Cell, NamespacedEnvironment
from midge.sandbox.line import Line
from midge.sandbox.port import ProcessExit, SandboxError, SnapshotError, StartRequest
from midge.sandbox.snapshots import ptrace
from midge.sandbox.stems import StemPool
from midge.sandbox.zygote import Forker

_MESSAGE_BYTES = 4096
_ATTEMPTS = 8
_RUN = "from midge.sandbox.snapshots.tracer import main; main()"


class Tracer:
    """The process of ``tracer.py``, started when it is first needed."""

    def __init__(self, start_seconds: float) -> None:
        self._start_seconds = start_seconds
        self._turn = asyncio.Lock()
        self._forker: Forker | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def forker(self) -> Forker:
        """Where to ask. Raises SandboxError."""
        async with self._turn:
            if self._forker is None or not self._forker.open:
                self.close()
                self._forker = Forker()
                theirs = self._forker.theirs
                self._process = subprocess.Popen(  # noqa: ASYNC220 (vfork: it takes no time, and no watcher)
                    [sys.executable, "-I", "-c", _RUN, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
                theirs.close()
                try:
                    async with asyncio.timeout(self._start_seconds):
                        await self._forker.ready
                except TimeoutError as error:
                    raise SandboxError("the tracer did not start in time") from error
            return self._forker

    def close(self) -> None:
        """End it, and with it every snapshot."""
        if self._forker is not None:
            self._forker.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._forker = self._process = None


def check_supported(*, initial_root: bool) -> None:
    """Raise SnapshotError where this machine cannot make snapshots."""
    if not initial_root:
        raise SnapshotError("SnapStart needs midge to run as root of the machine")
    if not ptrace.supported():
        raise SnapshotError(f"SnapStart is not available on this processor ({os.uname().machine})")


@dataclass(frozen=True, slots=True)
class _Copy:
    """One that has been made, in an environment of its own, and stands still; ``pid`` as the tracer sees it."""

    cell: Cell
    pid: int


class NamespacedSnapshot:
    """An environment whose process stands still and is copied; implements ``port.Snapshot``.

    A few copies are made ahead, so that a restoration is only to let one go.
    """

    def __init__(
        self, line: Line, tracer: Tracer, environment: NamespacedEnvironment, place: dict[str, Any], roots: list[Path]
    ) -> None:
        self._line = line
        self._tracer = tracer
        self._environment = environment
        self._place = place
        self._roots = roots
        self._memory_size_mb = environment.memory_size_mb
        self._held_by: Forker | None = None
        self._nest: Forker | None = None
        self._pid = -1
        self._ended = False
        self._copies: StemPool[_Copy] = line.pool_of_copies(self._copy, self._discard)
        environment.watch_quietly(self._on_exit)

    def _on_exit(self, end: ProcessExit) -> None:
        del end
        self._ended = True
        if self._nest is not None:
            self._nest.close()

    async def take(self, port: int) -> None:
        """Stop the process, which waits for GET /restore/next on its connection from ``port``.

        Raises SnapshotError if it is such that no copy of it could be cut off from it, SandboxError.
        """
        cell = self._environment.cell
        self._held_by = await self._tracer.forker()
        request = {"do": "snapshot", "port": port, "output_inode": os.fstat(cell.output).st_ino}
        stopped = await self._held_by.fork(request, [cell.runtime_descriptor, cell.pid_descriptor])
        self._pid = stopped.pid
        nest = Forker()
        try:
            await self._line.fork_nest(cell, nest)
        finally:
            nest.theirs.close()
        self._nest = nest
        await nest.ready
        self._copies.fill()

    @property
    def usable(self) -> bool:
        held = self._held_by is not None and self._held_by.open
        return held and not self._ended and self._nest is not None and self._nest.open

    async def restore(
        self, request: StartRequest, on_ended: Callable[[NamespacedEnvironment], None]
    ) -> NamespacedEnvironment:
        """An environment in which a copy goes on. Raises SandboxError, OSError, TimeoutError."""
        for _ in range(_ATTEMPTS):
            held = self._held_by
            if not self.usable or held is None:
                break
            copy = await self._copies.take()
            environment = NamespacedEnvironment(copy.cell, request, on_ended)
            lists = copy.cell.for_runtime[2:]
            release = {"do": "release", "snapshot": self._pid, "pid": copy.pid, "own_group": bool(lists)}
            try:
                await held.fork(release, [copy.cell.pid_descriptor])
            except SandboxError:  # it died while it waited
                environment.abandon()
                self._discard(copy)
            except BaseException:
                environment.abandon()
                self._discard(copy)
                raise
            else:
                copy.cell.let_go()
                return environment
        raise SandboxError("the snapshot is gone")

    async def _copy(self) -> _Copy:
        """A copy of the process, stopped, in an environment with the function's code."""
        if not self.usable or self._nest is None or self._held_by is None:
            raise SandboxError("the snapshot is gone")
        cell = await self._line.prepare_copy(self._nest)
        try:
            cell.cgroup.limit_memory(self._memory_size_mb)
            with mounts.open_packages(self._roots) as packages:
                socket.send_fds(cell.control, [b"%b\n" % json.dumps(self._place).encode()], packages)
            await self._heard(cell, "bound")
            copied = await self._held_by.fork(
                {"do": "copy", "snapshot": self._pid},
                [cell.pid_descriptor, *cell.for_runtime[2:]],
                lambda end: cell.on_runtime_ended(end),  # noqa: PLW0108 (replaced later)
            )
            cell.runtime_descriptor = -1 if copied.descriptor is None else copied.descriptor
            cell.control.send(b'{"copied": true}')
            await self._heard(cell, "closed")
        except BaseException:
            self._line.discard(cell)
            raise
        return _Copy(cell, copied.pid)

    def _discard(self, copy: _Copy) -> None:
        self._line.discard(copy.cell)

    async def _heard(self, cell: Cell, word: str) -> None:
        async with asyncio.timeout(self._line.start_seconds):
            message = await asyncio.get_running_loop().sock_recv(cell.control, _MESSAGE_BYTES)
        if not message or word not in json.loads(message):
            raise SandboxError(f"an environment could not be prepared: {message.decode() or 'it ended'}")

    async def end(self) -> None:
        self._ended = True
        await self._copies.close()
        if self._held_by is not None and self._held_by.open and self._pid > 0:
            with contextlib.suppress(SandboxError):  # the tracer is gone: it is as well
                await self._held_by.fork({"do": "end", "snapshot": self._pid}, [])
        if self._nest is not None:
            self._nest.close()
        self._environment.kill()


async def make_snapshot(
    line: Line,
    tracer: Tracer,
    place: dict[str, Any],
    roots: list[Path],
    environment: NamespacedEnvironment,
    port: int,
) -> NamespacedSnapshot:
    """Of an environment that waits for GET /restore/next on a connection from ``port``; if it fails, it ends.

    Raises SnapshotError, SandboxError.
    """
    snapshot = NamespacedSnapshot(line, tracer, environment, place, roots)
    try:
        await snapshot.take(port)
    except BaseException:
        await snapshot.end()
        raise
    return snapshot
