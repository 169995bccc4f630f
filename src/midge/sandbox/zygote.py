"""Midge's end of a zygote: starts the process and asks it for environments.

See ``inside/zygote.py`` for the other end. One fork is under way at a time; requests wait their turn.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from midge.sandbox.port import SandboxError
from midge.sandbox.program import INSIDE, Program

INSIDE_FILES = Path(__file__).parent / "inside"
_ANSWER_BYTES = 4096


class Zygote:
    """One running zygote; ``fork`` is only called after ``ready``."""

    def __init__(self, program: Program, settings: dict[str, Any]) -> None:
        self._program = program
        self._settings = settings
        self._turn = asyncio.Lock()
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, timeout_seconds: float) -> None:
        """Start it and wait until it has imported what it preloads. Raises SandboxError."""
        place = tempfile.gettempdir()
        layout = self._program.layout.as_wire(place)
        inside_layout = self._program.interpreter is not None
        settings = {**self._settings, "entry": self._program.entry, "preload": self._program.preload}
        settings["layout"] = None if inside_layout else layout
        arguments = [str(self._theirs.fileno()), json.dumps(settings)]
        if inside_layout:
            command = [self._program.interpreter or "", f"{INSIDE}/sandbox/zygote.py", *arguments]
            then = {**layout, "command": command, "environment": dict(self._program.environment)}
            argv = [sys.executable, "-I", "-S", "-c", _RUN_ROOT, str(INSIDE_FILES), json.dumps(then)]
        else:
            argv = [sys.executable, "-I", "-S", "-c", _RUN_ZYGOTE, str(INSIDE_FILES), *arguments]
        self._process = subprocess.Popen(
            argv, pass_fds=[self._theirs.fileno()], stdin=subprocess.DEVNULL, env={"PATH": os.defpath, "LANG": "C.UTF-8"}
        )
        self._theirs.close()
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await self._receive()
        except TimeoutError as error:
            raise SandboxError("a zygote did not start in time") from error
        if not answer.get("ready"):
            raise SandboxError(f"a zygote did not start: {answer}")

    async def _receive(self) -> dict[str, Any]:
        message = await asyncio.get_running_loop().sock_recv(self._control, _ANSWER_BYTES)
        if not message:
            raise SandboxError("a zygote ended; its own words are in midge's log")
        return json.loads(message)

    async def fork(self, request: dict[str, Any], environment_control: socket.socket) -> int:
        """A new environment's first process, by its pid on the machine; it waits for word on ``environment_control``."""
        async with self._turn:
            message = json.dumps(request).encode()
            try:
                socket.send_fds(self._control, [message], [environment_control.fileno()])
            except OSError as error:
                raise SandboxError(f"a zygote is gone: {error}") from error
            answer = await asyncio.shield(self._receive())
        if "pid" not in answer:
            raise SandboxError(f"a zygote could not fork: {answer.get('error')}")
        return int(answer["pid"])

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End it; the kernel ends its children with it."""
        self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_RUN_ROOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); import root; root.main()"
_RUN_ZYGOTE = "import sys; sys.path.insert(0, sys.argv.pop(1)); import zygote; zygote.main()"
