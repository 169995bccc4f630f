"""Midge's end of a runtime's zygotes: starts their processes and asks them for environments.

See ``inside/zygote.py`` for the other end. Requests are answered in order; any number may be under way.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from midge.sandbox.port import SandboxError, SnapshotError
from midge.sandbox.program import INSIDE, Program

INSIDE_FILES = Path(__file__).parent / "inside"
_ANSWER_BYTES = 4096
_REQUESTS_UNDER_WAY = 32
"""Enough to keep a zygote busy; a socket holds some two hundred before it refuses."""
_RUN_ROOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); import root; root.main()"
_RUN_ZYGOTE = "import sys; sys.path.insert(0, sys.argv.pop(1)); import zygote; zygote.main()"

OnEnded = Callable[[dict[str, Any]], None]


class Forked(NamedTuple):
    """A new process: its pid as its zygote sees it, and a descriptor of it where the zygote gives one (the caller's)."""

    pid: int
    descriptor: int | None


class Forker:
    """The control socket of one zygote process."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._answers: deque[asyncio.Future[dict[str, Any]]] = deque()
        self._watched: dict[int, OnEnded] = {}
        self._unclaimed: dict[int, dict[str, Any]] = {}
        self._turns = asyncio.Semaphore(_REQUESTS_UNDER_WAY)
        self._loop.add_reader(self._ours.fileno(), self._on_message)
        self.ready = self._expect_answer()

    def _expect_answer(self) -> asyncio.Future[dict[str, Any]]:
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._answers.append(answer)
        return answer

    def _on_message(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._ours, _ANSWER_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.close()
            return
        message = json.loads(data)
        if "ended" in message:
            self._on_ended(message)
        elif self._answers:
            answer = self._answers.popleft()
            if answer.done():
                _close(descriptors)
            else:
                answer.set_result({**message, "descriptors": descriptors})

    def _on_ended(self, message: dict[str, Any]) -> None:
        watcher = self._watched.pop(message["ended"], None)
        if watcher is not None:
            watcher(message)
        elif self._answers:
            self._unclaimed[message["ended"]] = message  # it ended before we heard that it had begun
        else:
            self._unclaimed.clear()

    async def fork(self, request: dict[str, Any], descriptors: list[int], on_ended: OnEnded | None = None) -> Forked:
        """A new process; ``on_ended`` hears how it ended. Raises SandboxError, and of the tracer SnapshotError."""
        async with self._turns:
            try:
                socket.send_fds(self._ours, [json.dumps(request).encode()], descriptors)
            except OSError as error:
                raise SandboxError(f"a zygote is gone: {error}") from error
            answer = await self._answer()
        if answer.get("unfit"):
            raise SnapshotError(str(answer["error"]))
        if "pid" not in answer:
            raise SandboxError(f"a zygote could not fork: {answer.get('error')}")
        pid = int(answer["pid"])
        if on_ended is not None:
            early = self._unclaimed.pop(pid, None)
            if early is None:
                self._watched[pid] = on_ended
            else:
                self._loop.call_soon(on_ended, early)
        return Forked(pid, next(iter(answer["descriptors"]), None))

    async def _answer(self) -> dict[str, Any]:
        answer = self._expect_answer()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                _close(answer.result()["descriptors"])
            raise

    @property
    def open(self) -> bool:
        """Whether somebody may still answer."""
        return self._ours.fileno() >= 0

    def close(self) -> None:
        """Nobody answers any more."""
        if self._ours.fileno() >= 0:
            self._loop.remove_reader(self._ours.fileno())
            self._ours.close()
        while self._answers:
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_exception(SandboxError("a zygote ended; its own words are in midge's log"))
                answer.exception()  # whoever waits hears of it; nobody need wait


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class Zygote:
    """The zygote processes of one runtime: ``inits``, and ``runtimes`` where the runtime can be forked."""

    def __init__(self, program: Program, settings: Mapping[str, Any]) -> None:
        self._program = program
        self._settings = settings
        self.inits = Forker()
        self.runtimes = Forker() if program.entry is not None else None
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, timeout_seconds: float) -> None:
        """Start them and wait until they have imported what they preload. Raises SandboxError."""
        forkers = [self.inits] if self.runtimes is None else [self.inits, self.runtimes]
        theirs = [forker.theirs for forker in forkers]
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(  # noqa: ASYNC220 (vfork: it takes no time, and no watcher)
            self._command(theirs),
            pass_fds=[end.fileno() for end in theirs],
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # a Ctrl-C at the terminal is midge's to act on
        )
        for end in theirs:
            end.close()
        try:
            async with asyncio.timeout(timeout_seconds):
                for forker in forkers:
                    await forker.ready
        except TimeoutError as error:
            raise SandboxError("a zygote did not start in time") from error

    def _command(self, theirs: list[socket.socket]) -> list[str]:
        layout = self._program.layout.as_wire()
        inside = self._program.interpreter is not None
        settings = {
            **self._settings,
            "layout": None if inside else layout,
            "entry": self._program.entry,
            "preload": self._program.preload,
        }
        arguments = [*(str(end.fileno()) for end in theirs), json.dumps(settings)]
        start = [sys.executable, "-I", "-S", "-c"]
        if not inside:
            return [*start, _RUN_ZYGOTE, str(INSIDE_FILES), *arguments]
        command = [self._program.interpreter, f"{INSIDE}/sandbox/zygote.py", *arguments]
        then = {
            **layout,
            "command": command,
            "environment": {**self._program.environment, "LD_BIND_NOW": "1"},  # once here, not in each child
        }
        return [*start, _RUN_ROOT, str(INSIDE_FILES), json.dumps(then)]

    @property
    def alive(self) -> bool:
        """Whether environments can be had of it: all of its processes are there."""
        open_ends = self.inits.open and (self.runtimes is None or self.runtimes.open)
        return open_ends and self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End them; the kernel ends their children with them."""
        self.inits.close()
        if self.runtimes is not None:
            self.runtimes.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
