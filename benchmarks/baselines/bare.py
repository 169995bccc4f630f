"""A Runtime API that only waits for GET /next, and what reaches it: a bare zygote's children, a bare spawn of Node.js."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from benchmarks import machine
from benchmarks.functions import EVENT, variables

_EVENT = (
    b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    b"Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(EVENT), EVENT)
)
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
SECONDS = 30.0


class Api:
    """A listener on loopback whose clients are counted when their first GET /next has come."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(SECONDS)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []

    def await_next(self, count: int = 1) -> None:
        """Return when ``count`` more clients ask for their first event."""
        for _ in range(count):
            connection, _peer = self._listener.accept()
            connection.settimeout(SECONDS)
            self.connections.append(connection)
            head = _read_head(connection)
            assert b"/runtime/invocation/next" in head, head

    def serve_one(self, connection: socket.socket) -> None:
        """One invocation for a client that waits; it then waits again."""
        connection.sendall(_EVENT)
        head = _read_head(connection)
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        missing = length - len(head.partition(b"\r\n\r\n")[2])
        while missing > 0:
            missing -= len(connection.recv(missing))
        connection.sendall(_ACCEPTED)
        _read_head(connection)

    def drop(self) -> None:
        """Forget the clients there are."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def close(self) -> None:
        self.drop()
        self._listener.close()


def _read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError("the runtime client went away")
        data += piece
    return data


class Zygote:
    """The bare zygote: forks, and nothing else."""

    def __init__(self, task_root: Path, preload: tuple[str, ...] = ()) -> None:
        self.api = Api()
        script = Path(__file__).parent / "zygote.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), self.api.address, *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables(self.api.address, task_root),
            cwd=task_root,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._ask, self._answers = self._process.stdin, self._process.stdout
        self._line()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._answers.read(1)
            if not piece:
                raise ConnectionError("the bare zygote ended")
            line += piece
        return line

    def fork_ms(self) -> float:
        """From asking to GET /next."""
        before = time.perf_counter()
        self._ask.write(b"\n")
        self.api.await_next()
        elapsed = time.perf_counter() - before
        self._end([int(self._line())])
        return elapsed * 1e3

    def burst_per_second(self, count: int) -> float:
        """Children that reach GET /next per second when ``count`` are asked for at once."""
        before = time.perf_counter()
        self._ask.write(b"\n" * count)
        self.api.await_next(count)
        elapsed = time.perf_counter() - before
        self._end([int(self._line()) for _ in range(count)])
        return count / elapsed

    def idle_pss_kib(self, count: int) -> list[int]:
        """Memory of each of ``count`` children that have served one invocation and wait for the next."""
        self._ask.write(b"\n" * count)
        self.api.await_next(count)
        for connection in self.api.connections:
            self.api.serve_one(connection)
        pids = [int(self._line()) for _ in range(count)]
        found = [machine.pss_kib(pid) for pid in pids]
        self._end(pids)
        return found

    def _end(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.api.drop()

    def close(self) -> None:
        self._ask.close()
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self.api.close()


@contextlib.contextmanager
def zygote(task_root: Path, preload: tuple[str, ...] = ()) -> Generator[Zygote]:
    """A bare zygote that is gone afterwards."""
    started = Zygote(task_root, preload)
    try:
        yield started
    finally:
        started.close()


class NodeSpawn:
    """A bare spawn of Node.js with midge's own bootstrap."""

    def __init__(self, task_root: Path, bootstrap: Path) -> None:
        self._argv = [machine.node(), str(bootstrap)]
        self._task_root = task_root
        self.api = Api()

    def spawn_ms(self) -> float:
        """From exec to GET /next, the handler loaded."""
        before = time.perf_counter()
        process = subprocess.Popen(
            self._argv,
            env=variables(self.api.address, self._task_root),
            cwd=self._task_root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.api.await_next()
            return (time.perf_counter() - before) * 1e3
        finally:
            process.kill()
            process.wait()
            self.api.drop()
