"""The process that makes snapshots and copies them: the only one that traces, beside midge's event loop.

Answers requests on a control socket as a zygote does (``sandbox/zygote.py`` is midge's end): JSON, one per packet.
  {"do": "snapshot", "port": 1, "output_inode": 2} + descriptors of the process and its init  -> {"pid": its pid}
  {"do": "copy", "snapshot": pid} + of an environment's init, and process lists -> {"pid": the copy's} + its descriptor
  {"do": "release", "snapshot": pid, "pid": the copy's, "own_group": true} + of its init      -> {"pid": the copy's}
  {"do": "end", "snapshot": pid}                                                     -> {"pid": pid}
and tells how copies end: {"ended": pid, "exit": 0, "signal": null}. Argument: the control socket's descriptor.
If it ends, so does every process that it holds.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from midge.sandbox.snapshots.copying import Snapshot
from midge.sandbox.snapshots.picture import UnfitError
from midge.sandbox.snapshots.tracee import TraceError

MESSAGE_BYTES = 4096
DESCRIPTORS = 16
_REQUEST_SECONDS = 10
_PR_SET_PDEATHSIG = 1


def _pid_of(descriptor: int) -> int:
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        pid = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
    if pid <= 0:
        raise ProcessLookupError("it has ended")
    return pid


def _time_is_up(*_: object) -> None:
    raise TraceError("it took too long")


class Tracer:
    """See the module."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._snapshots: dict[int, Snapshot] = {}
        self._copies: dict[int, tuple[int, int]] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the other side goes away."""
        self._control.send(b'{"ready": true}')
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._copies:
                    self._tell_of_the_dead(descriptor)
                elif not self._serve_one():
                    return

    def _serve_one(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, DESCRIPTORS)
        if not message:
            return False
        answers: list[int] = []
        signal.alarm(_REQUEST_SECONDS)
        try:
            answer = {"pid": self._answer(json.loads(message), descriptors, answers)}
        except UnfitError as error:
            answer = {"error": str(error), "unfit": True}
        except (OSError, TraceError, ValueError, KeyError, StopIteration) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            signal.alarm(0)
        socket.send_fds(self._control, [json.dumps(answer).encode()], answers)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _answer(self, request: dict[str, Any], descriptors: list[int], answers: list[int]) -> int:
        if request["do"] == "snapshot":
            pid, init_pid = (_pid_of(descriptor) for descriptor in descriptors)
            try:
                self._snapshots[pid] = Snapshot(pid, init_pid, request["port"], request["output_inode"])
            except (OSError, TraceError) as error:
                raise UnfitError(f"it could not be stopped and held: {error}") from error
            return pid
        snapshot = self._snapshots[request["snapshot"]]
        if request["do"] == "copy":
            pid = snapshot.copy(_pid_of(descriptors[0]), descriptors[1:])
            watched = os.pidfd_open(pid)
            self._copies[watched] = (snapshot.pid, pid)
            self._poll.register(watched, select.POLLIN)
            answers.append(watched)
            return pid
        if request["do"] == "release":
            pid = int(request["pid"])
            snapshot.release(pid, _pid_of(descriptors[0]), own_group=request["own_group"])
            return pid
        del self._snapshots[snapshot.pid]
        snapshot.end()
        return snapshot.pid

    def _tell_of_the_dead(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)
        snapshot_pid, pid = self._copies.pop(descriptor)
        snapshot = self._snapshots.get(snapshot_pid)
        end: dict[str, int | None] = {"exit": 0, "signal": int(signal.SIGKILL)}
        if snapshot is not None:
            try:
                status = snapshot.ended(pid)
            except (OSError, TraceError, KeyError):
                status = int(signal.SIGKILL)
            if os.WIFSIGNALED(status):
                end = {"exit": 0, "signal": os.WTERMSIG(status)}
            else:
                end = {"exit": os.WEXITSTATUS(status), "signal": None}
        self._control.send(json.dumps({"ended": pid, **end}).encode())


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGALRM, _time_is_up)
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(BrokenPipeError):
        Tracer(control).serve()


if __name__ == "__main__":
    main()
