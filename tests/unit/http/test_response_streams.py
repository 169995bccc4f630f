"""InvokeWithResponseStream over the bytes of a connection, down to fake runtimes; its events are read by botocore."""

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from unit.site import INVOKE, Seen, Site, on_site, request, seen
from unit.world import FUNCTION

from midge.model.limits import Limits
from midge.sandbox.fake import FakeSandbox, do_nothing

STREAM = "/2021-11-15/functions/work/response-streaming-invocations"


def on_stream(data: Path, scenario: Callable[[Site], Awaitable[None]], limits: Limits | None = None) -> None:
    on_site(data, scenario, FakeSandbox(do_nothing), limits)


async def call(site: Site, *headers: str, target: str = STREAM) -> None:
    site.transport.written = b""
    site.send(request(target, b'{"a":1}', *headers))
    await site.world.settle()


def test_parts_are_events_as_they_come(tmp_path: Path) -> None:
    """Head and first event are written when the first part comes; InvokeComplete ends the answer."""

    async def scenario(site: Site) -> None:
        for _ in range(2):
            await call(site)
            assert site.world.runtime.events[-1].payload == b'{"a":1}'
            assert site.transport.written == b""
            site.world.runtime.stream(b"one")
            assert (seen(site).status, seen(site).events) == (200, [("PayloadChunk", b"one")])
            assert seen(site).headers["content-type"] == "application/vnd.amazon.eventstream"
            assert seen(site).headers["x-amz-executed-version"] == "$LATEST"
            assert seen(site).headers["x-amzn-requestid"] == site.world.runtime.events[-1].request_id
            site.world.runtime.stream_on(b"two")
            site.world.runtime.end_stream(then_next=True)
            await site.world.settle()
            assert seen(site).whole
            assert seen(site).events[1:] == [("PayloadChunk", b"two"), ("InvokeComplete", {})]

    on_stream(tmp_path, scenario)


def test_a_plain_response_is_one_event(tmp_path: Path) -> None:
    """A function that does not stream answers with its payload in one event, and none for an empty one."""

    async def scenario(site: Site) -> None:
        for payload in (b'{"b":2}', b""):
            await call(site)
            site.world.runtime.respond(payload, then_next=True)
            await site.world.settle()
            expected: list[Any] = [("PayloadChunk", payload)] if payload else []
            assert seen(site).events == [*expected, ("InvokeComplete", {})]

    on_stream(tmp_path, scenario)


@pytest.mark.parametrize("begun", [False, True])
def test_errors_are_told_at_the_end(tmp_path: Path, begun: bool) -> None:
    """Before the first part or in the middle, the function's error stands in InvokeComplete, with the log if asked."""

    async def scenario(site: Site) -> None:
        await call(site, "X-Amz-Log-Type: Tail")
        site.world.runtime.write_output(b"printed\n")
        document = b'{"errorType":"Custom.E","errorMessage":"no"}'
        if begun:
            site.world.runtime.stream(b"a")
            site.world.runtime.end_stream("Custom.E", document, then_next=True)
        else:
            site.world.runtime.fail("Custom.E", document)
        await site.world.settle()
        kind, fields = seen(site).events[-1]
        assert (kind, fields["ErrorCode"], fields["ErrorDetails"]) == ("InvokeComplete", "Custom.E", document.decode())
        assert b"printed" in base64.b64decode(fields["LogResult"])
        assert len(seen(site).events) == 1 + begun
        assert seen(site).whole

    on_stream(tmp_path, scenario)


def test_a_timeout_in_the_middle_is_told(tmp_path: Path) -> None:
    """What the platform ends is told by the platform's name for it."""

    async def scenario(site: Site) -> None:
        await call(site)
        site.world.runtime.stream(b"a")
        await site.world.advance(10)
        assert seen(site).events[-1][1]["ErrorCode"] == "Sandbox.Timedout"
        assert seen(site).whole

    on_stream(tmp_path, scenario)


def test_what_is_refused_is_refused_as_usual(tmp_path: Path) -> None:
    """A refusal before the function runs is an error response: unknown, throttled, not JSON, too large, other types."""

    async def scenario(site: Site) -> None:
        await call(site, target=STREAM.replace("work", "none"))
        assert seen(site).status == 404
        for kind, message in (("Event", "[RequestResponse, DryRun]"), ("x", "[RequestResponse, DryRun]")):
            await call(site, f"X-Amz-Invocation-Type: {kind}")
            assert message in json.loads(seen(site).body)["message"]
        site.transport.written = b""
        site.send(request(STREAM, b"x" * 2_000))
        assert seen(site).status == 413
        await call(site, "X-Amz-Tenant-Id: t")
        assert "Remove the tenant ID" in json.loads(seen(site).body)["message"]
        await call(site, "X-Amz-Invocation-Type: DryRun")
        assert seen(site).status == 204
        assert not site.world.sandbox.runtimes
        site.world.router.reserve(FUNCTION, 0)
        await call(site)
        assert seen(site).status == 429

    on_stream(tmp_path, scenario, Limits(payload_bytes=1_000))


def test_a_slow_client_makes_the_function_wait(tmp_path: Path) -> None:
    """While the client's buffer is full the runtime is not read, from the first part on."""

    async def scenario(site: Site) -> None:
        await call(site)
        site.connection.pause_writing()
        site.world.runtime.stream(b"a")
        assert site.world.runtime.held_back
        site.connection.resume_writing()
        assert not site.world.runtime.held_back
        site.connection.pause_writing()
        assert site.world.runtime.held_back

    on_stream(tmp_path, scenario)


@pytest.mark.parametrize("when", ["before", "amid"])
def test_a_client_that_leaves_does_not_stop_the_function(tmp_path: Path, when: str) -> None:
    """The function sends to its end, nobody is written to, and its environment serves the next call."""

    async def scenario(site: Site) -> None:
        await call(site)
        if when == "before":
            site.connection.connection_lost(None)
            site.world.runtime.stream(b"a")
        else:
            site.world.runtime.stream(b"a")
            site.connection.pause_writing()
            site.connection.connection_lost(None)
        written = site.transport.written
        assert not site.world.runtime.held_back
        site.world.runtime.stream_on(b"b")
        site.world.runtime.end_stream(then_next=True)
        await site.world.settle()
        assert site.transport.written == written
        site.connection, site.transport = site.connect()
        await call(site)
        site.world.runtime.respond(b"1", then_next=True)
        await site.world.settle()
        assert seen(site).whole
        assert len(site.world.sandbox.runtimes) == 1

    on_stream(tmp_path, scenario)


def test_a_client_of_the_old_protocol_reads_to_the_end(tmp_path: Path) -> None:
    """HTTP/1.0 has no chunks: the events come bare, and the connection ends behind them."""

    async def scenario(site: Site) -> None:
        site.send(request(STREAM, b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"))
        await site.world.settle()
        site.world.runtime.stream(b"a")
        site.world.runtime.end_stream(then_next=True)
        await site.world.settle()
        head, _, body = site.transport.written.partition(b"\r\n\r\n")
        assert b"Connection: close" in head
        assert Seen(200, {}, body, whole=True).events == [("PayloadChunk", b"a"), ("InvokeComplete", {})]
        assert site.transport.closed

    on_stream(tmp_path, scenario)


def test_answers_stay_in_order(tmp_path: Path) -> None:
    """A request that is pipelined behind a stream waits for its end."""

    async def scenario(site: Site) -> None:
        site.send(request(STREAM) + request(INVOKE, b"2"))
        await site.world.settle()
        site.world.runtime.stream(b"a")
        await site.world.settle()
        assert len(site.world.runtime.events) == 1
        site.world.runtime.end_stream(then_next=True)
        await site.world.settle()
        assert site.world.runtime.events[-1].payload == b"2"

    on_stream(tmp_path, scenario)


def test_a_slow_reader_is_not_an_idle_one(tmp_path: Path) -> None:
    """A client that reads now and then keeps its connection; one that reads nothing for long loses it."""

    async def scenario(site: Site) -> None:
        site.world.put(timeout_seconds=900)
        await call(site)
        site.world.runtime.stream(b"a")
        for _ in range(8):
            site.connection.pause_writing()
            await site.world.advance(5)
            site.connection.resume_writing()
        assert not site.transport.aborted
        site.connection.pause_writing()
        await site.world.advance(40)
        assert site.transport.aborted

    on_stream(tmp_path, scenario, Limits(idle_connection_seconds=30))
