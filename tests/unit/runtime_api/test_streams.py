"""Streamed responses over the bytes of a Runtime API connection."""

import base64
import json

import pytest
from unit.runtime import ID, NEXT, Runtime, Transport, post, status

from midge.model.limits import Limits
from midge.runtime_api.connection import RuntimeConnection

OPEN = post(
    "response", b"", "Lambda-Runtime-Function-Response-Mode: streaming", "Content-Type: text/plain", "Transfer-Encoding: chunked"
).replace(b"Content-Length: 0\r\n", b"")  # fmt: skip


def streaming(limits: Limits | None = None) -> Runtime:
    runtime = Runtime(limits).running()
    runtime.owner.takes_streams = True
    return runtime


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 50, 10_000])
def test_parts_are_heard_as_they_come(cut: int) -> None:
    """However it is cut, a stream is heard to begin with its type, in parts that make the whole, and to end."""
    runtime = streaming()
    data = OPEN + chunk(b"one ") + chunk(b"two") + b"0\r\n\r\n" + NEXT
    for start in range(0, len(data), cut):
        runtime.send(data[start : start + cut])
    (first, *parts), (end, ready) = runtime.owner.heard[:-2], runtime.owner.heard[-2:]
    assert first == ("streams", b"text/plain")
    assert b"".join(part for _, part in parts) == b"one two"
    assert (end, ready) == (("responded", b""), ("ready",))


def test_the_first_part_does_not_wait_for_the_second() -> None:
    """A part is heard when it has come, and the 202 is sent when all have."""
    runtime = streaming()
    runtime.send(OPEN + chunk(b"a"))
    assert runtime.owner.heard == [("streams", b"text/plain"), ("part", b"a")]
    assert not runtime.transport.writes
    runtime.send(b"0\r\n\r\n")
    assert status(runtime.transport.writes[0]) == 202


def test_a_stream_that_nobody_takes_is_collected() -> None:
    """For a caller that wants the response whole it is put together, errors in trailers included."""
    runtime = Runtime().running()
    runtime.send(OPEN + chunk(b"a") + chunk(b"b") + b"0\r\n\r\n")
    assert runtime.owner.heard == [("responded", b"ab")]


def test_an_error_may_end_a_stream() -> None:
    """Error type and body in the trailers end the invocation with that error."""
    runtime = streaming()
    body = base64.b64encode(b'{"errorType":"E"}').decode()
    trailers = f"Lambda-Runtime-Function-Error-Type: E\r\nLambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
    runtime.send(OPEN + chunk(b"a") + b"0\r\n" + trailers.encode())
    assert runtime.owner.heard[-1] == ("failed", "E", b'{"errorType":"E"}')
    assert status(runtime.transport.writes[0]) == 202


def test_whatever_else_is_sent_meanwhile_is_refused() -> None:
    """While a response is streamed, another connection may neither answer nor ask for the next event."""
    runtime = streaming()
    runtime.send(OPEN + chunk(b"a"))
    other, transport = RuntimeConnection(runtime.session, runtime.limits), Transport()
    other.connection_made(transport)
    for call in (post("response", b"1"), post("error", b"{}"), NEXT, OPEN + chunk(b"x") + b"0\r\n\r\n"):
        other.data_received(call)
    assert [status(written) for written in transport.writes] == [403, 403, 403, 403]
    assert "from InvocationResponse to" in json.loads(transport.writes[0].partition(b"\r\n\r\n")[2])["errorMessage"]
    runtime.send(chunk(b"b") + b"0\r\n\r\n")
    assert runtime.owner.heard[1:] == [("part", b"a"), ("part", b"b"), ("responded", b"")]


@pytest.mark.parametrize("head", [OPEN.replace(ID, b"x" * 36), OPEN.replace(b"POST", b"PUT")])
def test_a_stream_for_nothing_is_refused(head: bytes) -> None:
    """A stream for another request id, or by another method, is heard of by nobody."""
    runtime = streaming()
    runtime.send(head + chunk(b"a") + b"0\r\n\r\n")
    assert not runtime.owner.heard
    assert status(runtime.transport.writes[0]) in {400, 405}


def test_a_stream_above_the_limit_ends_with_an_error() -> None:
    """What is above the limit ends the invocation at once; the runtime is told when it is done, and may go on."""
    runtime = streaming(Limits(streamed_response_bytes=5))
    runtime.send(OPEN + chunk(b"12345") + chunk(b"6") + chunk(b"7"))
    assert runtime.owner.heard[1] == ("part", b"12345")
    assert runtime.owner.heard[2][:2] == ("failed", "Function.ResponseSizeTooLarge")
    assert len(runtime.owner.heard) == 3
    runtime.send(b"0\r\n\r\n" + NEXT)
    assert status(runtime.transport.writes[0]) == 413
    assert runtime.owner.heard[-1] == ("ready",)


def test_a_stream_that_never_ends_ends_the_connection() -> None:
    """Bytes without end, all of them framing, are not read for ever."""
    runtime = streaming(Limits(streamed_response_bytes=1_000, response_payload_bytes=10))
    runtime.send(OPEN)
    for _ in range(900):
        if not runtime.transport.closed:
            runtime.send(chunk(b"x"))
    assert runtime.transport.closed
    assert runtime.owner.heard[-1] == ("broke off",)


@pytest.mark.parametrize("end", ["lost", "malformed"])
def test_a_stream_may_break_off(end: str) -> None:
    """A connection that goes in the middle is told, and the invocation ends when it is given up, once."""
    runtime = streaming()
    runtime.send(OPEN + chunk(b"a"))
    if end == "lost":
        runtime.connection.connection_lost(None)
    else:
        runtime.send(b"no chunk\r\n")
    assert runtime.owner.heard[-1] == ("broke off",)
    for _ in range(2):
        runtime.session.give_up_stream()
    assert [heard[:2] for heard in runtime.owner.heard[3:]] == [("failed", "Runtime.TruncatedResponse")]


def test_a_runtime_that_broke_off_may_go_on() -> None:
    """Asking for the next event on a new connection gives up the stream that broke off."""
    runtime = streaming()
    runtime.send(OPEN + chunk(b"a"))
    runtime.connection.connection_lost(None)
    again = RuntimeConnection(runtime.session, runtime.limits)
    again.connection_made(Transport())
    again.data_received(NEXT)
    assert [heard[0] for heard in runtime.owner.heard] == ["streams", "part", "broke off", "failed", "ready"]


def test_a_runtime_is_made_to_wait() -> None:
    """Who takes the stream may stop its connection from being read, until it is gone."""
    runtime = streaming()
    runtime.send(OPEN + chunk(b"a"))
    assert runtime.owner.source is not None
    runtime.owner.source.pause_reading()
    assert runtime.transport.paused
    runtime.owner.source.resume_reading()
    assert not runtime.transport.paused
    runtime.connection.connection_lost(None)
    runtime.owner.source.pause_reading()
    assert not runtime.transport.paused


@pytest.mark.parametrize("head", [OPEN, post("response", b"x" * 70_000).partition(b"x" * 70_000)[0]])
def test_a_large_part_may_come_behind_the_head(head: bytes) -> None:
    """A head on its own is followed by however much the network holds."""
    runtime = streaming()
    runtime.send(head)
    runtime.send(chunk(b"x" * 70_000) + b"0\r\n\r\n" if head is OPEN else b"x" * 70_000)
    assert len(b"".join(heard[1] for heard in runtime.owner.heard if heard[0] in {"part", "responded"})) == 70_000
