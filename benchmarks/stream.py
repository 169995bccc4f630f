"""Streamed responses at a function URL: the first byte, and fifty megabytes, against a bare Node.js that streams."""

import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path

from benchmarks import client, machine, servers
from benchmarks.baselines.streaming import SECONDS, Streamed, bare_stream, drain
from benchmarks.cold import NODE_BOOTSTRAP
from benchmarks.functions import STREAM_NODE
from benchmarks.report import Row, ratio
from benchmarks.setting import Setting

MANY_BYTES = 50 * 1024 * 1024
_UNPACED_BYTES = str(1 << 30)
_BETWEEN_SECONDS = 0.003
"""So that the runtime has asked for its next event, as the bare one has."""
_MEMORY_MB = 3_538
"""Two processors' worth: what is measured is midge, not the share of a small function."""


@contextlib.contextmanager
def _visitor(directory: Path) -> Generator[Callable[[int], Streamed]]:
    """Asks a function URL of a midge of its own for so many bytes, over one connection."""
    with servers.midge(directory, MIDGE_LIMITS_STREAMED_BURST_BYTES=_UNPACED_BYTES) as server:
        boto = client.boto(server.port)
        runtime = f"nodejs{machine.node_major()}.x"
        client.deploy(boto, "stream", STREAM_NODE, runtime, MemorySize=_MEMORY_MB)
        url = boto.create_function_url_config(FunctionName="stream", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
        host = url["FunctionUrl"].removeprefix("http://").removesuffix("/")
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask(size: int) -> Streamed:
                time.sleep(_BETWEEN_SECONDS)
                before = time.perf_counter()
                connection.sendall(f"GET /?bytes={size} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                return drain(connection, before)

            ask(1)
            yield ask


def first_byte(setting: Setting) -> list[Row]:
    """From the request sent to the first byte of the body read, warm; the function ends its response later."""
    ours: list[float] = []
    bare: list[float] = []
    count = setting.size(300)
    with (
        _visitor(setting.directory) as ask,
        bare_stream(setting.task_root, NODE_BOOTSTRAP) as baseline,
        machine.awake(setting.programs),
    ):
        for _ in setting.turns():
            bare.append(statistics.median(baseline.stream(0).first_byte_ms for _ in range(count)))
            ours.append(statistics.median(ask(0).first_byte_ms for _ in range(count)))
    name = "first streamed byte, Node.js / bare"
    return [ratio(name, ours, bare, ("midge ms", "bare ms"), must=4.0, aim=2.0)]


def many_bytes(setting: Setting) -> list[Row]:
    """Fifty megabytes from the function to the client, AWS's pace lifted; bytes per second."""
    ours: list[float] = []
    bare: list[float] = []
    size = MANY_BYTES
    with _visitor(setting.directory) as ask, bare_stream(setting.task_root, NODE_BOOTSTRAP) as baseline:
        for _ in setting.turns():
            bare.append(size / 1e3 / baseline.stream(size).whole_ms)
            ours.append(size / 1e3 / ask(size).whole_ms)
    name = "50 MB streamed, Node.js / bare"
    return [ratio(name, ours, bare, ("midge MB/s", "bare MB/s"), must=0.3, aim=0.6, at_least=True)]
