"""Function URLs whose InvokeMode is RESPONSE_STREAM, over the bytes of a connection."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from unit.site import Site, on_site, request, seen
from unit.world import FUNCTION, VERSION

from midge.model.function_urls import FunctionUrl
from midge.sandbox.fake import FakeRuntime, FakeSandbox, do_nothing

ID = "a0" * 16
HOST = f"Host: {ID}.lambda-url.eu-west-1.localhost:4566"
HTTP = "application/vnd.awslambda.http-integration-response"
PRELUDE = json.dumps({"statusCode": 201, "headers": {"X-A": "1"}, "cookies": ["a=1"]}).encode() + bytes(8)


def on_url(data: Path, scenario: Callable[[Site], Awaitable[None]], **changes: Any) -> None:
    async def inside(site: Site) -> None:
        url = FunctionUrl(
            function=FUNCTION, alias=None, url_id=ID, auth_type="NONE", creation_time="c", last_modified_time="l",
            invoke_mode=changes.get("invoke_mode", "RESPONSE_STREAM"), cors=changes.get("cors", {}),
        )  # fmt: skip
        await site.store.create_function(VERSION)
        await site.store.put_resource(url)
        await scenario(site)

    on_site(data, inside, FakeSandbox(do_nothing))


async def get(site: Site, *headers: str, method: str = "GET") -> FakeRuntime:
    """Begin a request; gives the runtime that has it."""
    site.transport.written = b""
    site.send(request("/", b"", HOST, *headers, method=method))
    await site.world.settle()
    return site.world.runtime


async def end(site: Site, error_type: str = "") -> None:
    site.world.runtime.end_stream(error_type, b'{"errorType":"E"}', then_next=True)
    await site.world.settle()


def test_bytes_go_out_as_they_come(tmp_path: Path) -> None:
    """Without a prelude the answer is a 200 of the function's type, its first byte sent when the function sends it."""

    async def scenario(site: Site) -> None:
        for _ in range(2):
            runtime = await get(site)
            assert site.transport.written == b""
            runtime.stream(b"o", content_type="text/html")
            answer = seen(site)
            assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/html", b"o")
            runtime.stream_on(b"ne")
            await end(site)
            assert (seen(site).body, seen(site).whole, site.transport.closed) == (b"one", True, False)

    on_url(tmp_path, scenario)


@pytest.mark.parametrize("cut", [1, 5, 60, 1_000])
def test_a_prelude_says_what_the_answer_is(tmp_path: Path, cut: int) -> None:
    """Status, headers and cookies go out as soon as the prelude is whole, before any body."""

    async def scenario(site: Site) -> None:
        runtime = await get(site)
        runtime.stream(content_type=HTTP)
        for start in range(0, len(PRELUDE), cut):
            assert site.transport.written == b""
            runtime.stream_on(PRELUDE[start : start + cut])
        answer = seen(site)
        assert (answer.status, answer.headers["x-a"], answer.headers["set-cookie"]) == (201, "1", "a=1")
        runtime.stream_on(b"body")
        await end(site)
        assert (seen(site).body, seen(site).whole) == (b"body", True)

    on_url(tmp_path, scenario)


def test_prelude_and_body_may_come_together(tmp_path: Path) -> None:
    """What follows the prelude in the same part is the body's beginning."""

    async def scenario(site: Site) -> None:
        (await get(site)).stream(PRELUDE + b"\x00body", content_type=HTTP)
        assert (seen(site).status, seen(site).body) == (201, b"\x00body")

    on_url(tmp_path, scenario)


@pytest.mark.parametrize("parts", [[b"no prelude" + bytes(8)], [b'{"statusCode":1}' + bytes(8)], [b" " * 70_000]])
def test_a_bad_prelude_is_a_bad_gateway(tmp_path: Path, parts: list[bytes]) -> None:
    """The client is told at once; what the function still sends goes nowhere, and the connection goes on."""

    async def scenario(site: Site) -> None:
        runtime = await get(site)
        runtime.stream(*parts, content_type=HTTP)
        assert (seen(site).status, seen(site).body) == (502, b"Internal Server Error")
        written = site.transport.written
        runtime.stream_on(b"more")
        await end(site)
        assert (site.transport.written, site.transport.closed) == (written, False)
        (await get(site)).stream(b"x")
        assert seen(site).body == b"x"

    on_url(tmp_path, scenario)


def test_an_unfinished_prelude_is_a_bad_gateway(tmp_path: Path) -> None:
    """A response that ends within its prelude is a fault of the function."""

    async def scenario(site: Site) -> None:
        (await get(site)).stream(b"{}" + bytes(7), content_type=HTTP)
        await end(site)
        assert seen(site).status == 502

    on_url(tmp_path, scenario)


def test_an_error_before_the_first_byte_is_a_bad_gateway(tmp_path: Path) -> None:
    """A function that fails before it answers is a 502; a throttled one a 429."""

    async def scenario(site: Site) -> None:
        (await get(site)).fail("E", b"{}")
        await site.world.settle()
        assert seen(site).status == 502
        site.world.router.reserve(FUNCTION, 0)
        await get(site)
        assert seen(site).status == 429

    on_url(tmp_path, scenario)


@pytest.mark.parametrize("how", ["trailer", "timeout", "crash"])
def test_an_error_in_the_middle_cuts_the_answer(tmp_path: Path, how: str) -> None:
    """After the first byte the connection ends without the last chunk, so that nobody takes the answer for whole."""

    async def scenario(site: Site) -> None:
        (await get(site)).stream(b"a")
        if how == "trailer":
            await end(site, "E")
        elif how == "crash":
            site.world.runtime.exit(1)
            await site.world.advance(site.world.limits.exit_drain_seconds)
        else:
            await site.world.advance(10)
        await site.world.settle()
        assert (seen(site).body, seen(site).whole, site.transport.closed) == (b"a", False, True)

    on_url(tmp_path, scenario)


def test_a_plain_response_is_the_body(tmp_path: Path) -> None:
    """A function that does not stream answers with its payload as it is."""

    async def scenario(site: Site) -> None:
        (await get(site)).respond(b'{"statusCode": 201}', then_next=True)
        await site.world.settle()
        assert (seen(site).status, seen(site).body, seen(site).whole) == (200, b'{"statusCode": 201}', True)

    on_url(tmp_path, scenario)


@pytest.mark.parametrize(("method", "prelude"), [("HEAD", PRELUDE), ("GET", b'{"statusCode":204}' + bytes(8))])
def test_what_has_no_body_gets_none(tmp_path: Path, method: str, prelude: bytes) -> None:
    """The answer to HEAD, and a 204, are their head, whatever the function sends; the connection goes on."""

    async def scenario(site: Site) -> None:
        (await get(site, method=method)).stream(prelude + b"body", content_type=HTTP)
        site.world.runtime.stream_on(b"more")
        await end(site)
        assert site.transport.written.endswith(b"\r\n\r\n")
        assert site.transport.written.count(b"\r\n\r\n") == 1
        (await get(site)).stream(b"x")
        assert seen(site).body == b"x"

    on_url(tmp_path, scenario)


def test_pages_may_read_streams_too(tmp_path: Path) -> None:
    """The URL's CORS settings are in the head of a streamed answer, in the place of the function's own."""
    own = b'{"headers":{"access-control-allow-origin":"https://b.test"}}' + bytes(8)

    async def scenario(site: Site) -> None:
        (await get(site, "Origin: https://a.test")).stream(own, content_type=HTTP)
        assert seen(site).headers["access-control-allow-origin"] == "*"

    on_url(tmp_path, scenario, cors={"AllowOrigins": ["*"]})


def test_a_slow_client_makes_the_function_wait(tmp_path: Path) -> None:
    """The client's pace reaches the function, and its leaving does not stop it."""

    async def scenario(site: Site) -> None:
        runtime = await get(site)
        runtime.stream(b"a")
        site.connection.pause_writing()
        assert runtime.held_back
        site.connection.connection_lost(None)
        assert not runtime.held_back
        runtime.stream_on(b"b")
        await end(site)
        assert site.world.metrics.function("work").errors == 0

    on_url(tmp_path, scenario)


def test_a_buffered_url_answers_streams_whole(tmp_path: Path) -> None:
    """With InvokeMode BUFFERED a streamed response is put together, and its prelude still says what the answer is."""

    async def scenario(site: Site) -> None:
        runtime = await get(site)
        runtime.stream(PRELUDE, b"bo", b"dy", content_type=HTTP)
        assert site.transport.written == b""
        await end(site)
        answer = seen(site)
        assert (answer.status, answer.headers["content-length"], answer.body) == (201, "4", b"body")
        runtime = await get(site)
        runtime.stream(b"\x00" * 9, content_type=HTTP)
        await end(site)
        assert seen(site).status == 502

    on_url(tmp_path, scenario, invoke_mode="BUFFERED")
