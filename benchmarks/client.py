"""The same clients for midge and for the peer: boto3 to deploy, signed requests on plain sockets and wrk to measure.

Signing is done before the clock starts, so that a figure is the server's and not botocore's.
"""

import contextlib
import json
import re
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.functions import EVENT, package

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
REGION = "us-east-1"
SECONDS = 60.0

_LUA = """\
wrk.method = "POST"
wrk.body = %s
%s
%s
done = function(summary, latency)
  io.write(string.format('{"requests": %%d, "duration_us": %%d, "p50_us": %%d, "p99_us": %%d, "failed": %%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    per_second: float
    p50_us: float
    p99_us: float


def signed(port: int, function: str, body: bytes = EVENT) -> dict[str, str]:
    """The headers of an Invoke request, good for five minutes."""
    request = AWSRequest("POST", f"http://127.0.0.1:{port}{path(function)}", data=body)
    request.headers["Content-Type"] = "application/json"
    SigV4Auth(CREDENTIALS, "lambda", REGION).add_auth(request)
    return dict(request.headers.items())


def path(function: str) -> str:
    """Where a function is invoked."""
    return f"/2015-03-31/functions/{function}/invocations"


def boto(port: int) -> Any:
    """A boto3 Lambda client of a server on loopback."""
    session = boto3.Session(CREDENTIALS.access_key, CREDENTIALS.secret_key, region_name=REGION)
    config = Config(retries={"total_max_attempts": 1}, read_timeout=SECONDS)
    return session.client("lambda", endpoint_url=f"http://127.0.0.1:{port}", config=config)


def deploy(client: Any, name: str, source: str, runtime: str = "python3.11", **settings: Any) -> None:
    """Create a function and wait until it is active."""
    file = "app.py" if runtime.startswith("python") else "app.js"
    client.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/lambda",
        Code={"ZipFile": package(file, source)},
        MemorySize=settings.pop("MemorySize", 128),
        Timeout=settings.pop("Timeout", 60),
        **settings,
    )
    while client.get_function_configuration(FunctionName=name).get("State", "Active") == "Pending":
        time.sleep(0.01)


def _paced(pause_ms: float) -> str:
    """wrk waits whole milliseconds: the pause is met on average."""
    return f"delay = function() return math.floor({pause_ms:.4f} + math.random()) end" if pause_ms else ""


def load(
    wrk: str,
    directory: Path,
    port: int,
    function: str,
    *,
    connections: int,
    seconds: float,
    pause_ms: float = 0.0,
) -> Load:
    """Invoke over ``connections``, as fast as answers come or with a pause before each request.

    Raises RuntimeError if one answer was not a success.
    """
    headers = "\n".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in signed(port, function).items())
    script = directory / "load.lua"
    script.write_text(_LUA % (json.dumps(EVENT.decode()), headers, _paced(pause_ms)))
    argv = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(script)]
    output = subprocess.run(
        [*argv, f"http://127.0.0.1:{port}{path(function)}"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"\{.*\}", output)
    if match is None:
        raise RuntimeError(f"wrk said nothing usable: {output}")
    found = json.loads(match[0])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} invocations failed")
    return Load(found["requests"] / found["duration_us"] * 1e6, found["p50_us"], found["p99_us"])


class Connection:
    """A kept-alive connection that sends prepared Invoke requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def prepare(self, function: str, body: bytes = EVENT, *, kind: str = "RequestResponse") -> bytes:
        """The request as bytes, signed; ``kind`` is its InvocationType."""
        headers = {
            "Host": f"127.0.0.1:{self._port}",
            "X-Amz-Invocation-Type": kind,
            "Content-Length": str(len(body)),
            **signed(self._port, function, body),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path(function)} HTTP/1.1\r\n{head}\r\n".encode() + body

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def receive(self) -> bytes:
        """The body of the next answer. Raises RuntimeError unless it is the success of a function."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        if lines[0].split(b" ")[1] not in {b"200", b"202"} or any(
            line.startswith(b"x-amz-function-error") for line in lines
        ):
            raise RuntimeError(f"the invocation failed: {head!r} {body!r}")
        return body

    def _more(self) -> bytes:
        piece = self._socket.recv(65_536)
        if not piece:
            raise RuntimeError("the server closed the connection")
        return piece

    def invoke_ms(self, request: bytes) -> float:
        """From the request sent to the whole answer read."""
        before = time.perf_counter()
        self.send(request)
        self.receive()
        return (time.perf_counter() - before) * 1e3

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def at_once(port: int, function: str, body: bytes, count: int) -> tuple[float, list[bytes]]:
    """Send ``count`` invocations at the same time; returns when (monotonic seconds) and every answer's body."""
    with contextlib.ExitStack() as stack:
        connections = [Connection(port) for _ in range(count)]
        for connection in connections:
            stack.callback(connection.close)
        request = connections[0].prepare(function, body)
        before = time.monotonic()
        for connection in connections:
            connection.send(request)
        waiting, answers = list(connections), list[bytes]()
        while waiting:
            ready, _, _ = select.select(waiting, [], [], SECONDS)
            if not ready:
                raise RuntimeError(f"{len(waiting)} of {count} invocations were not answered in {SECONDS} s")
            for connection in ready:
                answers.append(connection.receive())
                waiting.remove(connection)
        return before, answers
