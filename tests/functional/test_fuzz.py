"""A real server under requests that nobody should send: no 5xx, no hang, no traceback, and it goes on working.

Requests are made from the service model with anything in the place of any value, and from raw bytes. A failure prints
its seed; ``FUZZ_SEED`` repeats it, and ``FUZZ_SECONDS`` lets it run for longer than the few seconds of a test run.
"""

import base64
import json
import os
import random
import socket
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip

from midge.wire.model import Operation, ServiceModel, load_service_model

SECONDS = float(os.environ.get("FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(2**32))
WORKERS = 4
ANSWER_SECONDS = 30.0
MODEL = load_service_model("lambda")
_WORDS = (
    "f", "live", "1", "$LATEST", "", "x" * 300, "../../etc/passwd", "\x00", "é\u2028", "arn:aws:lambda:us-east-1:000000000000:function:f",
    "function:f:1", "-1", "NaN", "%2e%2e", "' OR 1=1", "python3.11", ROLE, "true", "9" * 40,
)  # fmt: skip
_MOTO = b"Werkzeug"
_SCOPE = "Credential={key}/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=" + "0" * 64


class Sender:
    """Makes requests from a seed and sends them."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._random = random.Random(seed)

    def anything(self, depth: int = 3) -> Any:
        pick = self._random.randrange(12 if depth else 8)
        match pick:
            case 0:
                return None
            case 1:
                return self._random.choice([True, False])
            case 2:
                return self._random.choice([-1, 0, 1, 2**31, 2**63, 10**30, 0.5, 1e300])
            case 8 | 9:
                return [self.anything(depth - 1) for _ in range(self._random.randrange(4))]
            case 10 | 11:
                return {self._random.choice(_WORDS): self.anything(depth - 1) for _ in range(self._random.randrange(4))}
            case _:
                return self._random.choice(_WORDS)

    def value(self, model: ServiceModel, shape_name: str, depth: int = 4) -> Any:
        """Something like what the shape wants, now and then something else."""
        shape = model.shapes[shape_name]
        if self._random.random() < 0.08 or depth == 0:
            return self.anything(2)
        match shape.type:
            case "structure":
                named = {name: member for name, member in shape.members.items() if self._random.random() < 0.6}
                return {name: self.value(model, member.shape, depth - 1) for name, member in named.items()}
            case "list" if shape.member is not None:
                return [self.value(model, shape.member.shape, depth - 1) for _ in range(self._random.randrange(3))]
            case "map" if shape.value is not None:
                return {self._random.choice(_WORDS): self.value(model, shape.value.shape, depth - 1)}
            case "string":
                return self._random.choice(shape.enum or _WORDS)
            case "blob":
                return base64.b64encode(
                    make_zip({"app.py": "x"}) if self._random.random() < 0.3 else b"PK\x03\x04"
                ).decode()
            case "boolean":
                return self._random.choice([True, False])
            case _:
                return self._random.choice([0, 1, 3, 128, 60, 10_000, -5])

    def operation(self) -> bytes:
        """A request for one of the operations; values go where the model says."""
        of: Operation = self._random.choice(list(MODEL.operations.values()))
        path, _, fixed = of.http.request_uri.partition("?")
        query, body, headers = [fixed] if fixed else list[str](), dict[str, Any](), self.headers()
        shape = MODEL.input_of(of)
        for name, member in shape.members.items() if shape is not None else ():
            if member.location != "uri" and self._random.random() < 0.4:
                continue
            value, wire = self.value(MODEL, member.shape), member.location_name or name
            if member.location == "uri":
                path = path.replace(f"{{{wire}}}", urllib.parse.quote(str(value), safe="")).replace(f"{{{wire}+}}", "x")
            elif member.location == "querystring":
                query.append(urllib.parse.urlencode({wire: str(value)}))
            elif member.location == "header":
                headers.append(f"{wire}: {urllib.parse.quote(str(value))}")
            else:
                body[wire] = value
        content = json.dumps(body).encode()
        if self._random.random() < 0.15:
            content = self.spoiled(content)
        target = path + ("?" + "&".join(query) if query else "")
        head = [f"{of.http.method} {target} HTTP/1.1", *headers, f"Content-Length: {len(content)}", "", ""]
        return "\r\n".join(head).encode("utf-8", "replace") + content

    def headers(self) -> list[str]:
        key = self._random.choice(["AKIDEXAMPLE", "111111111111", "x"])
        return ["Host: 127.0.0.1", "Authorization: AWS4-HMAC-SHA256 " + _SCOPE.format(key=key), "Connection: close"]

    def spoiled(self, data: bytes) -> bytes:
        """Some bytes changed, cut off or repeated."""
        raw = bytearray(data)
        for _ in range(self._random.randrange(1, 6)):
            if raw:
                raw[self._random.randrange(len(raw))] = self._random.randrange(256)
        return bytes(raw[: self._random.randrange(len(raw) + 1)]) if self._random.random() < 0.5 else bytes(raw) * 2

    def raw(self) -> bytes:
        """Bytes that are no request, or one of those that parsers disagree about."""
        return self._random.choice(
            [
                self._random.randbytes(self._random.randrange(1, 200)),
                self.spoiled(self.operation()),
                b"GET /2015-03-31/functions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                b"POST /2015-03-31/functions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n",
                b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
                b"GET " + b"/2015-03-31/" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                b"GET /2015-03-31/functions HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
                b"GET /_midge/../2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3,
                b"GET /_midge/code/%00%ff?expires=x&signature=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"\r\n\r\nGET /2015-03-31/functions HTTP/9.9\r\n\r\n",
            ]
        )

    def send(self, request: bytes) -> bytes:
        """Everything that the server says to it. Raises AssertionError if it keeps silent."""
        with socket.create_connection(("127.0.0.1", self._port), ANSWER_SECONDS) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                parts: list[bytes] = []
                while part := connection.recv(65536):
                    parts.append(part)
            except ConnectionError:
                return b""
            except TimeoutError:
                raise AssertionError(f"no answer to {request!r}") from None
            return b"".join(parts)

    def work(self, until: float) -> int:
        """Send until the time is over; how many requests. Raises AssertionError with what was wrong."""
        count = 0
        while time.monotonic() < until:
            request = self.operation() if self._random.random() < 0.7 else self.raw()
            answer = self.send(request)
            status, head = answer.partition(b" ")[2][:1], answer.partition(b"\r\n\r\n")[0]
            # A request that has lost its signature can be another service's; what moto makes of it is moto's.
            assert status != b"5" or _MOTO in head, (request, answer[:2000])
            assert b"Traceback" not in answer, (request, answer[:2000])
            count += 1
        return count


@pytest.mark.needs("namespaces")
def test_nothing_that_is_sent_breaks_the_server(start_midge: Callable[..., Midge]) -> None:
    """Under requests of every kind it answers without a 5xx, forgets nothing, logs no mistake and still runs functions."""
    midge = start_midge()
    client = midge.client()
    code = {"ZipFile": make_zip({"app.py": "def handler(event, context): return event\n"})}
    given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "Code": code}
    client.create_function(FunctionName="kept", **given)
    client.get_waiter("function_active_v2").wait(FunctionName="kept", WaiterConfig={"Delay": 1})
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WORKERS) as pool:
        senders = [pool.submit(Sender(midge.port, SEED + number).work, until) for number in range(WORKERS)]
        try:
            sent = sum(sender.result() for sender in senders)
        except AssertionError as error:
            raise AssertionError(f"FUZZ_SEED={SEED}: {error}") from None
    assert sent > SECONDS
    assert json.load(client.invoke(FunctionName="kept", Payload=b"[1]")["Payload"]) == [1]
    log = midge.log()
    assert "Traceback" not in log
    assert "operation_failed" not in log
