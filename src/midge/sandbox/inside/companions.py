"""The external extensions of an environment, started by its init before the runtime, and watched with it.

Each is forked while init can still fork, and waits at a gate until init has given up its rights. A line that begins
with a number tells init, through a pipe that exec closes, that a program could not be executed.
"""

from __future__ import annotations

import json
import os
import select
import signal

import kernel
import stem

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    import socket
    from typing import Any, NoReturn

DIRECTORY = "/opt/extensions"


def _become(name: str, environment: dict[str, str], descriptors: list[int], settings: dict[str, Any]) -> NoReturn:
    """Descriptors: the gate, the pipe for the reason of a failure, the output, the cgroups' process lists."""
    gate, reason, output, *process_lists = descriptors
    path = DIRECTORY + "/" + name
    try:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # cleared by init; /proc/self belongs to root without it
        stem.enter_cgroups(process_lists)
        os.setsid()
        stem.arrange_streams(output)
        stem.close_all_but(gate, reason)
        stem.be_limited(settings)
        stem.give_up_rights(settings)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        os.read(gate, 1)
        os.close(gate)
        os.chdir("/")
        os.execve(path, [path], environment)
    except OSError as error:
        os.write(reason, str(error.errno).encode())
    finally:
        os._exit(127)


class Companions:
    """What init knows of extensions: which process is which."""

    def __init__(
        self,
        place: dict[str, Any],
        output: int,
        process_lists: list[int],
        limit_bytes: int | None,
        settings: dict[str, Any],
    ) -> None:
        """Fork them; they start with ``start``. ``place`` is the assignment's own part."""
        self._names: dict[int, str] = {}
        self._reasons: dict[int, int] = {}
        gate, self._gate = os.pipe()
        for name in place["extensions"]:
            reason_read, reason_write = os.pipe()
            pid = os.fork()
            if pid == 0:
                stem.limit_data(0, limit_bytes)
                _become(name, place["extensions_environment"], [gate, reason_write, output, *process_lists], settings)
            os.close(reason_write)
            self._names[pid] = name
            self._reasons[pid] = reason_read
        for descriptor in (gate, output, *process_lists):
            os.close(descriptor)

    def start(self, control: socket.socket) -> None:
        """Let them go, and report those that cannot be executed."""
        os.close(self._gate)
        for pid, descriptor in self._reasons.items():
            text = os.read(descriptor, 16)
            os.close(descriptor)
            if text:
                name = self._names.pop(pid)
                control.send(json.dumps({"extension": name, "errno": int(text)}).encode())
        self._reasons.clear()

    def report(self, control: socket.socket, pid: int, status: int) -> None:
        """A process has ended: if it is one of them, midge is told."""
        name = self._names.pop(pid, None)
        if name is not None:
            control.send(json.dumps({"extension": name, **stem.describe_end(status)}).encode())


def _ended() -> tuple[int, int]:
    """A process that has ended and its status; 0 where there is none."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def _hear(number: int, frame: object) -> None:
    """A signal's handler, so that the descriptor is written to."""
    del number, frame


def watch(control: socket.socket, companions: Companions, runtime: tuple[int, int], release: tuple[int, bytes]) -> None:
    """Reap what ends and tell of it, until midge hangs up.

    ``runtime``: its pid and the pipe for the reason of its failure. ``release``: a
    descriptor, and what to write there when midge says that the runtime may start.
    """
    awake, woken = os.pipe()
    for descriptor in (awake, woken):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    poll = select.poll()
    poll.register(awake, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        pid, status = _ended()
        while pid:
            if pid == runtime[0]:
                end = stem.describe_runtime_end(status, runtime[1])
                control.send(json.dumps({"runtime": True, **end}).encode())
            companions.report(control, pid, status)
            pid, status = _ended()
        for descriptor, _ in poll.poll():
            if descriptor == awake:
                os.read(awake, 512)
            elif not control.recv(64):
                return
            elif release[0] >= 0:
                os.write(*release)
                os.close(release[0])
                release = (-1, b"")
