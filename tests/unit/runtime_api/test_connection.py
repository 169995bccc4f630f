"""The Runtime API over the bytes of a connection: what a runtime sends, what it gets, and what hostile code meets."""

import base64
import json

import pytest
from unit.runtime import EVENT_HEAD, NEXT, Runtime, Transport, document, post, status

from midge.model.limits import Limits
from midge.runtime_api.connection import RuntimeConnection


def test_next_hangs_until_an_event_is_sent() -> None:
    """GET /next is answered by the event, in one write with its head, and by nothing before."""
    runtime = Runtime()
    runtime.send(NEXT)
    assert runtime.owner.heard == [("ready",)]
    assert not runtime.transport.writes
    runtime.give_event()
    assert runtime.transport.writes == [EVENT_HEAD + b"{}"]


def test_a_response_is_accepted_with_a_document() -> None:
    """A response reaches the owner as it is; its 202 carries {"status":"OK"}."""
    runtime = Runtime().running()
    runtime.send(post("response", b'{"a": 1}'))
    assert runtime.owner.heard == [("responded", b'{"a": 1}')]
    (reply,) = runtime.transport.writes
    assert status(reply) == 202
    assert reply.endswith(b'\r\n\r\n{"status":"OK"}\n')


def test_the_202_waits_for_the_event_when_next_is_in_the_same_segment() -> None:
    """A response and a GET /next sent together are answered together, in one write, when the event is there."""
    runtime = Runtime().running()
    runtime.send(post("response", b"1") + NEXT)
    assert not runtime.transport.writes
    runtime.give_event()
    (written,) = runtime.transport.writes
    assert status(written) == 202
    assert written.endswith(EVENT_HEAD + b"{}")


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_segments_may_be_cut_anywhere(cut: int) -> None:
    """Wherever the stream is cut in two, the same calls are heard and the same bytes come back in all."""
    data = post("response", b"x" * 40) + NEXT
    runtime = Runtime().running()
    runtime.send(data[:cut])
    runtime.send(data[cut:])
    assert runtime.owner.heard == [("responded", b"x" * 40), ("ready",)]


def test_chunked_responses_are_put_together() -> None:
    """A streamed response is collected from its chunks."""
    runtime = Runtime().running()
    head = post("response", b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    runtime.send(head + b"3\r\nabc\r\n")
    runtime.send(b"2\r\nde\r\n0\r\n\r\n")
    assert runtime.owner.heard == [("responded", b"abcde")]


def test_a_stream_that_breaks_off_reports_its_error_in_trailers() -> None:
    """An error type among the trailers makes the response an error, with the body from the trailer."""
    runtime = Runtime().running()
    head = post("response", b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    body = base64.b64encode(b'{"errorType":"E"}')
    runtime.send(head + b"3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: Runtime.E\r\n")
    runtime.send(b"Lambda-Runtime-Function-Error-Body: " + body + b"\r\n\r\n")
    assert runtime.owner.heard == [("failed", "Runtime.E", b'{"errorType":"E"}')]


def test_errors_carry_their_type() -> None:
    """POST /error hands over the type from the header and the document from the body."""
    runtime = Runtime().running()
    runtime.send(post("error", b"{}", "Lambda-Runtime-Function-Error-Type: Runtime.X"))
    assert runtime.owner.heard == [("failed", "Runtime.X", b"{}")]


def test_init_errors_are_heard() -> None:
    """POST /init/error before the first GET /next is accepted and heard."""
    runtime = Runtime()
    runtime.send(b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    assert runtime.owner.heard == [("init failed", "Runtime.Unknown", b"{}")]
    assert status(runtime.transport.writes[0]) == 202


def test_another_invocations_id_is_refused() -> None:
    """An answer with an id that is not the open one changes nothing and is told so with 400."""
    runtime = Runtime().running()
    runtime.send(post("response", b"1", request_id=b"0" * 36))
    assert not runtime.owner.heard
    assert status(runtime.transport.writes[0]) == 400
    assert document(runtime.transport.writes[0])["errorType"] == "InvalidRequestID"


def test_a_second_answer_is_refused() -> None:
    """Answering twice is refused with 403 and heard once."""
    runtime = Runtime().running()
    runtime.send(post("response", b"1"))
    runtime.send(post("error", b"2"))
    assert runtime.owner.heard == [("responded", b"1")]
    assert document(runtime.transport.writes[1])["errorType"] == "InvalidStateTransition"
    assert status(runtime.transport.writes[1]) == 403


def test_a_response_above_the_limit_becomes_an_error() -> None:
    """One byte above the limit is refused with 413 and ends the invocation; the limit itself passes."""
    limits = Limits(response_payload_bytes=100)
    fits, exceeds = Runtime(limits).running(), Runtime(limits).running()
    fits.send(post("response", b"x" * 100))
    exceeds.send(post("response", b"x" * 101))
    assert fits.owner.heard == [("responded", b"x" * 100)]
    ((kind, error_type, payload),) = exceeds.owner.heard
    assert (kind, error_type) == ("failed", "Function.ResponseSizeTooLarge")
    assert json.loads(payload)["errorMessage"].endswith("payload size (100 bytes).")
    assert status(exceeds.transport.writes[0]) == 413


def test_a_body_without_end_ends_the_connection() -> None:
    """A runtime that goes on sending far above the limit loses its connection."""
    limits = Limits(response_payload_bytes=1000)
    runtime = Runtime(limits).running()
    head = post("response", b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    runtime.send(head)
    for _ in range(10):
        runtime.send(b"1f4\r\n" + b"x" * 500 + b"\r\n")
    assert runtime.transport.closed


def test_a_head_without_end_ends_the_connection() -> None:
    """Headers above the limit are refused with 431."""
    runtime = Runtime()
    runtime.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n")
    for _ in range(40):
        runtime.send(b"X-A: " + b"x" * 1000 + b"\r\n")
        if runtime.transport.closed:
            break
    assert runtime.transport.closed
    assert status(runtime.transport.writes[-1]) == 431


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        NEXT.replace(b"Host: x", b"Connection: Upgrade\r\nUpgrade: h2c"),
    ],
)
def test_what_is_no_http_ends_the_connection(data: bytes) -> None:
    """Bytes that are not the HTTP a runtime speaks are answered with 400 and the end."""
    runtime = Runtime()
    runtime.send(data)
    assert runtime.transport.closed
    assert status(runtime.transport.writes[-1]) == 400


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /2018-06-01/runtime/nothing HTTP/1.1", 404),
        ("POST /2018-06-01/runtime/invocation/next HTTP/1.1", 405),
        ("GET /2018-06-01/runtime/init/error HTTP/1.1", 405),
        ("POST /2018-06-01/runtime/invocation/short/response HTTP/1.1", 400),
        ("POST /2018-06-01/runtime/invocation/8476a536-e9f4-41e8-9739-2dfe598c3fcd/other HTTP/1.1", 404),
    ],
)
def test_other_paths_and_methods_are_refused(request_line: str, expected: int) -> None:
    """What the Runtime API does not have is refused without ending the connection."""
    runtime = Runtime()
    runtime.send(f"{request_line}\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert status(runtime.transport.writes[0]) == expected
    assert not runtime.transport.closed


def test_a_request_behind_a_hanging_next_ends_the_connection() -> None:
    """A connection whose GET /next hangs takes no other request, and the owner hears that it is gone."""
    runtime = Runtime()
    runtime.send(NEXT)
    runtime.send(NEXT)
    assert runtime.transport.closed
    assert runtime.owner.heard == [("ready",), ("gone",)]


def test_a_runtime_may_come_back_on_another_connection() -> None:
    """When the hanging connection is lost, GET /next on a new one is accepted."""
    runtime = Runtime()
    runtime.send(NEXT)
    runtime.connection.connection_lost(None)
    again = RuntimeConnection(runtime.session, runtime.limits)
    transport = Transport()
    again.connection_made(transport)
    again.data_received(NEXT)
    assert runtime.owner.heard == [("ready",), ("gone",), ("ready",)]


def last(request: bytes) -> bytes:
    """``request``, which says that it is the last of its connection."""
    return request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def test_the_connection_ends_after_its_last_event() -> None:
    """An event for a client that said ``Connection: close`` says so too and ends the connection, not the runtime."""
    runtime = Runtime()
    runtime.send(last(NEXT))
    assert not runtime.transport.closed
    runtime.give_event()
    (written,) = runtime.transport.writes
    assert written == EVENT_HEAD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"{}"
    assert runtime.transport.closed
    runtime.connection.connection_lost(None)
    assert runtime.owner.heard == [("ready",)]


@pytest.mark.parametrize("behind", [b"", NEXT, b"\0\0"])
def test_the_connection_ends_after_its_last_reply(behind: bytes) -> None:
    """A reply to a client that said ``Connection: close`` says so too and ends the connection; what follows is not read."""
    runtime = Runtime().running()
    runtime.send(last(post("response", b"1")) + behind)
    (written,) = runtime.transport.writes
    assert status(written) == 202
    assert written.count(b"Connection: close\r\n") == 1
    assert written.endswith(b'\r\n\r\n{"status":"OK"}\n')
    assert runtime.transport.closed
    assert runtime.owner.heard == [("responded", b"1")]


def test_connections_are_counted() -> None:
    """Connections above the limit are ended at once; closing one makes room."""
    runtime = Runtime(Limits(runtime_api_connections=2))
    transports: list[Transport] = []
    for _ in range(2):
        transports.append(Transport())
        RuntimeConnection(runtime.session, runtime.limits).connection_made(transports[-1])
    assert [transport.closed for transport in transports] == [False, True]


def test_expect_100_continue_is_answered() -> None:
    """A runtime that waits to be told to go on is told so."""
    runtime = Runtime().running()
    head, body = post("response", b"12345", "Expect: 100-continue").split(b"\r\n\r\n")
    runtime.send(head + b"\r\n\r\n")
    assert runtime.transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    runtime.send(body)
    assert runtime.owner.heard == [("responded", b"12345")]


def test_who_does_not_read_is_not_read_either() -> None:
    """While replies pile up nothing more is read of a connection, whatever its stream's taker wants; then it is again."""
    runtime = Runtime()
    runtime.connection.pause_writing()
    assert runtime.transport.paused
    runtime.connection.pause_reading()
    runtime.connection.resume_reading()
    assert runtime.transport.paused
    runtime.connection.resume_writing()
    assert not runtime.transport.paused
    runtime.connection.pause_reading()
    runtime.connection.pause_writing()
    runtime.connection.resume_writing()
    assert runtime.transport.paused
    runtime.connection.resume_reading()
    assert not runtime.transport.paused
