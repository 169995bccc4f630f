"""One namespaced environment from midge's side: its control socket, its listeners, its output, its end.

``Cell`` is the environment before it has a function, ``NamespacedEnvironment`` after. See ``inside/init.py`` for the
messages. What comes over the control socket is only believed about the environment itself.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from midge.sandbox import mounts
from midge.sandbox.cgroups.port import Cgroup
from midge.sandbox.inside import kernel
from midge.sandbox.launching import Launch
from midge.sandbox.port import ExtensionProcesses, ProcessExit, SandboxError, Snapshot, StartRequest

_MESSAGE_BYTES = 4096
_OUTPUT_BYTES = 65536
_DRAIN_READS = 17
"""What the largest pipe that a user may have holds, and one: who writes all the time does not hold us up for ever."""


class Cell:
    """An isolated environment that has no function yet, with a runtime in it or without."""

    def __init__(self, cgroup: Cgroup, endpoint: Callable[[], asyncio.Protocol]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self.cgroup = cgroup
        self.for_runtime = [theirs.detach(), *cgroup.process_lists()]
        """Descriptors for the runtime: the other end of ``control``, once it is ready that of the output, the lists."""
        self.on_runtime_ended: Callable[[dict[str, Any]], None] = self._keep_end
        self.runtime_end: dict[str, Any] | None = None
        self.frozen = False
        self.output = -1
        self.pid_descriptor = -1
        """Of its init."""
        self.runtime_descriptor = -1
        """Of its runtime's process, once it has one."""
        self.runtime_api: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._endpoint = endpoint
        self._servers: list[asyncio.Server] = []

    def _keep_end(self, end: dict[str, Any]) -> None:
        """The runtime's process ended before it had a function."""
        self.runtime_end = end
        self.kill()

    async def become_ready(self) -> None:
        """Let init go on, now that its user is mapped, until all is prepared. Raises SandboxError."""
        loop = asyncio.get_running_loop()
        self.control.send(b'{"go": true}')
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.control.fileno(), _resolve, readable)
        try:
            await readable
        finally:
            loop.remove_reader(self.control.fileno())
        message, descriptors, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES, 5)
        if len(descriptors) < 4:
            raise SandboxError(f"an environment could not be prepared: {message.decode() or 'it ended'}")
        api, endpoint = (socket.socket(fileno=descriptor) for descriptor in descriptors[:2])
        self.output, output_end = descriptors[2:4]
        self.runtime_descriptor = descriptors[4] if len(descriptors) > 4 else -1
        self.for_runtime.insert(1, output_end)
        os.set_blocking(self.output, False)
        self._servers.append(await loop.create_server(lambda: self.runtime_api(), sock=api))  # noqa: PLW0108 (replaced later)
        self._servers.append(await loop.create_server(self._endpoint, sock=endpoint))

    @property
    def ended(self) -> bool:
        """Whether its init has ended, and all that was inside with it."""
        poll = select.poll()
        poll.register(self.pid_descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def signal_runtime(self, number: int) -> None:
        """Send its runtime's process a signal, if it has not ended."""
        if self.runtime_descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.runtime_descriptor, number)

    async def open_socket(self) -> socket.socket:
        """A socket in its network namespace. Raises OSError."""
        # A thread of its own: it cannot come back from there where midge is no root outside, and a thread that is
        # used again would make other environments' sockets there.
        descriptor = os.dup(self.pid_descriptor)
        try:
            with ThreadPoolExecutor(1, "namespace") as thread:
                return await asyncio.get_running_loop().run_in_executor(thread, _socket_in, descriptor)
        finally:
            os.close(descriptor)

    def let_go(self) -> None:
        """Close what the runtime has by now: so the end of its environment shows."""
        for descriptor in self.for_runtime:
            os.close(descriptor)
        self.for_runtime.clear()

    def thaw(self) -> None:
        """Let what was frozen go on."""
        if self.frozen:
            self.frozen = False
            self.cgroup.thaw()

    def kill(self) -> None:
        """End every process in it; harmless when they have ended."""
        self.thaw()
        if self.pid_descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pid_descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Give back its descriptors; it has been killed or has ended."""
        self.kill()
        for server in self._servers:
            server.close()
        for descriptor in (self.output, self.pid_descriptor, self.runtime_descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.pid_descriptor = self.runtime_descriptor = -1
        self.let_go()
        self.control.close()


def _socket_in(pid_descriptor: int) -> socket.socket:
    """In a thread that does nothing else: a non-blocking TCP socket of a process's network namespace."""
    kernel.setns(pid_descriptor, kernel.CLONE_NEWNET)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class NamespacedEnvironment:
    """An environment with its function: implements ``port.SandboxedEnvironment``."""

    def __init__(self, cell: Cell, request: StartRequest, on_ended: Callable[["NamespacedEnvironment"], None]) -> None:
        self.cell = cell
        self._request = request
        self._on_ended = on_ended
        self._exit: ProcessExit | None = None
        self._launch = Launch()
        self._ended = False
        self._extensions_output = -1
        self.snapshot_maker: Callable[[NamespacedEnvironment, int], Awaitable[Snapshot]] | None = None
        self._loop = asyncio.get_running_loop()
        cell.runtime_api = request.runtime_api
        cell.on_runtime_ended = self._on_runtime_ended
        self._loop.add_reader(cell.control.fileno(), self._on_control)
        self._loop.add_reader(cell.output, self._on_output)

    @property
    def memory_size_mb(self) -> int:
        return self._request.memory_size_mb

    def watch_quietly(self, on_exit: Callable[[ProcessExit], None]) -> None:
        """What it says from now on is of no interest; only its end is told."""
        self._request = replace(self._request, on_output=_ignore, on_exit=on_exit, runtime_api=asyncio.Protocol)
        self.cell.runtime_api = asyncio.Protocol

    def assign(self, place: dict[str, Any], assignment: dict[str, Any], bootstraps: tuple[str, ...] = ()) -> None:
        """Bind the function's code and layers (``place`` says where) and let the runtime start. Raises OSError.

        ``bootstraps``: where the program to be started has been looked for, if the function brings it.
        """
        if assignment["command"]:
            self._launch = Launch(program=assignment["command"][0], bootstraps=bootstraps)
        self.cell.cgroup.limit_memory(self._request.memory_size_mb)
        with mounts.open_packages(self._request.roots()) as packages:
            message = b"%b\n%b\n" % (json.dumps(place).encode(), json.dumps(assignment).encode())
            beside = [] if self._request.extensions is None else [self._open_extensions_output()]
            try:
                socket.send_fds(self.cell.control, [message], [*packages, *beside])
            finally:
                for descriptor in beside:
                    os.close(descriptor)

    def _open_extensions_output(self) -> int:
        """Listen to what extensions write; returns their end."""
        self._extensions_output, theirs = os.pipe()
        os.set_blocking(self._extensions_output, False)
        self._loop.add_reader(self._extensions_output, self._on_extensions_output)
        return theirs

    def _on_extensions_output(self) -> None:
        try:
            data = os.read(self._extensions_output, _OUTPUT_BYTES)
        except BlockingIOError:
            return
        if data and self._request.extensions is not None:
            self._request.extensions.on_output(data)
        else:
            self._close_extensions_output()

    def _close_extensions_output(self) -> None:
        if self._extensions_output >= 0:
            self._loop.remove_reader(self._extensions_output)
            os.close(self._extensions_output)
            self._extensions_output = -1

    def _on_output(self) -> None:
        try:
            data = os.read(self.cell.output, _OUTPUT_BYTES)
        except BlockingIOError:
            return
        if data:
            self._request.on_output(data)
        else:
            self._loop.remove_reader(self.cell.output)

    def drain_output(self) -> None:
        for _ in range(0 if self._ended else _DRAIN_READS):
            try:
                data = os.read(self.cell.output, _OUTPUT_BYTES)
            except BlockingIOError:
                return
            if data:
                self._request.on_output(data)
            if len(data) < _OUTPUT_BYTES:
                return  # the pipe was empty then

    def _on_control(self) -> None:
        try:
            message = self.cell.control.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            message = b""
        if self._request.extensions is not None and message:
            self._on_process(self._request.extensions, message)
            return
        self._exit = self._exit or _exit_of(message, self._launch)
        self._end()

    def _on_process(self, extensions: ExtensionProcesses, message: bytes) -> None:
        """Told by init: a process beside which others go on has ended, or has not begun."""
        try:
            report = json.loads(message)
            name = report.get("extension")
            errno = report.get("errno")
        except (ValueError, AttributeError):
            self.kill()
            return
        ended = _exit_of(message, self._launch)
        if name in extensions.names and isinstance(errno, int):
            extensions.on_launch_failed(name, errno)
        elif ended is None or (name is not None and name not in extensions.names):
            self.kill()  # it makes no sense: taken for a crash
        elif name is not None:
            extensions.on_ended(name, ended)
        else:
            ended = replace(ended, out_of_memory=self.cell.cgroup.out_of_memory())
            self._exit = ended
            extensions.on_runtime_ended(ended)

    def _on_runtime_ended(self, end: dict[str, Any]) -> None:
        """Told by the zygote that forked it; its init, and all that it left behind, go now."""
        self._exit = ProcessExit(code=end["exit"], signal=end["signal"])
        self.kill()

    def abandon(self) -> None:
        """It could not be given its function: nothing more is told of it."""
        self._ended = True
        self._close_extensions_output()
        self._loop.remove_reader(self.cell.control.fileno())
        self._loop.remove_reader(self.cell.output)

    def _end(self) -> None:
        if self._ended:
            return
        self.drain_output()
        self.abandon()
        out_of_memory = self.cell.cgroup.out_of_memory()
        ended = self._exit or ProcessExit(code=0, signal=signal.SIGKILL)
        self.cell.close()
        self._on_ended(self)
        self._request.on_exit(replace(ended, out_of_memory=out_of_memory))

    def freeze(self) -> None:
        if not self._ended:
            self.cell.frozen = True
            self.cell.cgroup.freeze()

    def thaw(self) -> None:
        self.cell.thaw()

    def hold_cpu(self) -> None:
        if not self._ended:
            self.cell.cgroup.hold_cpu()

    def release_cpu(self) -> None:
        if not self._ended:
            self.cell.cgroup.release_cpu()

    def kill(self) -> None:
        self.cell.kill()

    def start_runtime(self) -> None:
        if self._request.extensions is not None and not self._ended:
            with contextlib.suppress(ConnectionError, BlockingIOError):  # it has ended: that is told otherwise
                self.cell.control.send(b'{"run": true}')

    def signal_runtime(self, number: int) -> None:
        self.cell.signal_runtime(number)

    async def open_socket(self) -> socket.socket:
        if self._ended:
            raise ConnectionResetError("the environment has ended")
        return await self.cell.open_socket()

    async def make_snapshot(self, port: int) -> Snapshot:
        if self._ended or self.snapshot_maker is None:
            self.kill()
            raise SandboxError("it was not made to become a snapshot")
        return await self.snapshot_maker(self, port)

    def memory_peak_bytes(self) -> int | None:
        return self.cell.cgroup.memory_peak_bytes()


def _ignore(data: bytes) -> None:
    del data


def _exit_of(message: bytes, launch: Launch) -> ProcessExit | None:
    """What init reported; None if it makes no sense, which is then taken for a crash."""
    try:
        report = json.loads(message)
        by = report["signal"]
        return ProcessExit(
            code=int(report["exit"]), signal=None if by is None else int(by), launch_error=launch.error(report)
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
