"""The relay against scripted neighbours: framing, pace, failures and the pool, through the real listener."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop
from functional.relaying import Client, Scripted, listening, read_body, read_head, relaying

from midge.http.relay import fetch
from midge.model.errors import ServiceError
from midge.model.limits import Limits

_SIGNED = "AWS4-HMAC-SHA256 Credential=A/20261123/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"
_BLOCK = 64 * 1024


def _run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    uvloop.run(bounded())


def _always(answer: bytes) -> Any:
    """A script that gives every request the same answer, as long as the connection lasts."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, headers = await read_head(reader)
            await read_body(reader, headers, request=True)
            writer.write(answer)

    return script


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A script that answers with what it was asked."""
    while True:
        line, headers = await read_head(reader)
        body = await read_body(reader, headers, request=True)
        told = json.dumps({"line": line, "headers": headers, "body": body.decode("latin-1")}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


def test_a_request_arrives_as_it_was_sent() -> None:
    """Line, host, headers and body reach the neighbour; what is between two machines only does not."""

    async def main() -> None:
        async with relaying(_echo) as (port, _), Client.connect(port) as client:
            answer = await client.ask(
                "PUT",
                "/b/a%20b?x=1&x=2",
                body=b"data",
                Connection="X-Private",
                X_Private="mine",
                Keep_Alive="5",
                X_Amz_Meta_A="kept  so",
            )
            told = json.loads(answer.body)
            assert told == {
                "line": "PUT /b/a%20b?x=1&x=2 HTTP/1.1",
                "headers": {"host": "127.0.0.1:4566", "x-amz-meta-a": "kept  so", "content-length": "4"},
                "body": "data",
            }

    _run(main())


def test_a_chunked_request_stays_chunked() -> None:
    """A body without a declared length arrives whole, chunked anew, and without a declared length."""

    async def main() -> None:
        async with relaying(_echo) as (port, _), Client.connect(port) as client:
            client.send("POST", "/", Transfer_Encoding="chunked")
            client.writer.write(b"3\r\nabc\r\n8;ext=1\r\ndefghijk\r\n0\r\n\r\n")
            told = json.loads((await client.answer()).body)
            assert told["body"] == "abcdefghijk"
            assert told["headers"] == {"host": "127.0.0.1:4566", "transfer-encoding": "chunked"}

    _run(main())


def test_a_client_that_waits_for_100_gets_it_once() -> None:
    """Expect: 100-continue is answered once, before the body is sent, and does not reach the neighbour."""

    async def main() -> None:
        async with relaying(_echo) as (port, _), Client.connect(port) as client:
            client.send("PUT", "/", Content_Length="4", Expect="100-continue")
            assert (await read_head(client.reader))[0] == 100
            client.writer.write(b"data")
            answer = await client.answer()
            assert answer.interim == []
            told = json.loads(answer.body)
            assert told["body"] == "data"
            assert "expect" not in told["headers"]

    _run(main())


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", 200, b"hello"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nX-T: 1\r\n\r\n", 200, b"hello"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        ("GET", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n\r\n", 200, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ],
)  # fmt: skip
def test_the_end_of_an_answer_is_found(method: str, answer: bytes, status: int, body: bytes) -> None:
    """However an answer is framed it arrives whole, and the client's connection serves the next request."""

    async def main() -> None:
        async with relaying(_always(answer)) as (port, _), Client.connect(port) as client:
            for _ in range(2):
                got = await client.ask(method)
                assert (got.status, got.body, got.interim) == (status, body, [])
                assert "connection" not in got.headers
                assert got.headers.get("x-a") == ("b" if b"X-A" in answer else None)
                if method == "HEAD" and b"Content-Length" in answer:
                    assert got.headers["content-length"] == "20971520"

    _run(main())


def test_an_answer_may_end_with_the_connection() -> None:
    """An answer without any framing arrives whole, and its end is told by the end of the client's connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello")

    async def main() -> None:
        async with relaying(script) as (port, _), Client.connect(port) as client:
            answer = await client.ask("GET")
            assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
            assert client.reader.at_eof()

    _run(main())


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_broken_answer_is_not_passed_off_as_whole(framing: bytes) -> None:
    """When the neighbour dies in the middle of an answer the client's connection ends before the answer does."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n5\r\nhello\r\n" % framing)

    async def main() -> None:
        async with relaying(script) as (port, _), Client.connect(port) as client:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
                await client.ask("GET")

    _run(main())


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000],
)
def test_no_answer_is_a_502(answer: bytes) -> None:
    """A neighbour that answers nothing, no HTTP or an endless head is a 502, after which the connection goes on."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)

    async def main() -> None:
        async with relaying(script) as (port, _), Client.connect(port) as client:
            for _ in range(2):
                assert (await client.ask("GET")).status == 502

    _run(main())


@pytest.mark.parametrize(
    ("service", "headers", "kind", "body"),
    [
        ("s3", {}, "application/xml", "<Error><Code>ServiceUnavailableException</Code>"),
        ("dynamodb", {"X_Amz_Target": "T"}, "application/x-amz-json-1.1", '{"__type":"ServiceUnavailableException"'),
        ("sns", {"Content_Type": "application/x-www-form-urlencoded"}, "text/xml", "<ErrorResponse><Error>"),
        ("kafka", {}, "application/json", '{"message":"'),
    ],
)
def test_no_neighbour_is_a_503_in_the_services_protocol(
    service: str, headers: dict[str, Any], kind: str, body: str
) -> None:
    """A service that cannot be reached is told so that the service's own clients understand it."""

    async def main() -> None:
        nobody = Scripted(_echo)
        await nobody.start()
        await nobody.close()
        async with listening(nobody) as port, Client.connect(port) as client:
            answer = await client.ask("POST", Authorization=_SIGNED.format(service), **headers)
            assert answer.status == 503
            assert answer.headers["content-type"] == kind
            assert answer.headers["x-amzn-errortype"] == "ServiceUnavailableException"
            assert body in answer.body.decode()
            assert (await client.ask("HEAD", Authorization=_SIGNED.format(service))).status == 503

    _run(main())


def test_connections_are_kept_and_used_again() -> None:
    """Requests one after the other, from several clients, travel on one connection to the neighbour."""

    async def main() -> None:
        async with relaying(_echo) as (port, neighbour):
            for _ in range(3):
                async with Client.connect(port) as client:
                    for _ in range(3):
                        assert (await client.ask("PUT", body=b"x")).status == 200
            assert neighbour.connections == 1

    _run(main())


def test_connections_are_bounded() -> None:
    """More requests than connections wait for one; all of them are answered."""
    gate = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_head(reader)
            await gate.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def one(port: int) -> int:
        async with Client.connect(port) as client:
            return (await client.ask("GET")).status

    async def main() -> None:
        async with relaying(script, Limits(neighbour_connections=2)) as (port, neighbour):
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(one(port)) for _ in range(8)]
                await neighbour.opened(2)
                gate.set()
            assert [task.result() for task in asked] == [200] * 8
            assert neighbour.most_open == 2

    _run(main())


def test_what_follows_an_answer_reaches_nobody() -> None:
    """Bytes beyond the end of an answer are not the next client's answer; such a connection is not used again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await reader.read()

    async def main() -> None:
        async with relaying(script) as (port, neighbour), Client.connect(port) as client:
            for _ in range(2):
                assert (await client.ask("GET")).body == b"ok"
            assert neighbour.connections == 2

    _run(main())


def test_a_kept_connection_that_ends_is_forgotten() -> None:
    """A neighbour that closes its side between two requests costs nobody an answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        async with relaying(script) as (port, neighbour), Client.connect(port) as client:
            for number in range(5):
                assert (await client.ask("GET")).status == 200
                await neighbour.opened(0)
                assert neighbour.connections == number + 1

    _run(main())


def test_a_client_that_goes_away_ends_the_request() -> None:
    """The neighbour sees the end of the connection when the client has gone, before its answer."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        asked.set()
        try:
            assert await reader.read() == b""
        finally:
            ended.set()

    async def main() -> None:
        async with relaying(script) as (port, _), Client.connect(port) as client:
            client.send("GET")
            await asked.wait()
            client.reset()
            await ended.wait()

    _run(main())


def test_an_early_answer_ends_the_upload() -> None:
    """A neighbour that answers before it has the body is heard, and the connections are not used again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async def main() -> None:
        async with relaying(script) as (port, neighbour), Client.connect(port) as client:
            client.send("PUT", Content_Length="1000000")
            client.writer.write(b"x" * 1000)
            answer = await client.answer()
            assert (answer.status, answer.body) == (403, b"no")
            assert await client.reader.read() == b""
            await neighbour.opened(0)

    _run(main())


async def _progress(writer: asyncio.StreamWriter, data: bytes, sent: list[int]) -> None:
    for start in range(0, len(data), _BLOCK):
        writer.write(data[start : start + _BLOCK])
        await writer.drain()
        sent.append(min(start + _BLOCK, len(data)))


async def _stall(sent: list[int]) -> int:
    """Wait until nothing moves any more; how far it had come."""
    last = -1
    while not sent or sent[-1] != last:
        last = sent[-1] if sent else -1
        await asyncio.sleep(0.3)
    return last


def test_a_slow_neighbour_slows_the_upload() -> None:
    """While the neighbour does not read the client cannot send much; afterwards everything arrives unchanged."""
    gate, data = asyncio.Event(), hashlib.shake_256(b"up").digest(64 * 1024 * 1024)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        _, headers = await read_head(reader)
        digest = hashlib.sha256(await read_body(reader, headers)).hexdigest().encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest)

    async def main() -> None:
        sent: list[int] = []
        async with relaying(script) as (port, _), Client.connect(port) as client:
            client.send("PUT", Content_Length=str(len(data)))
            async with asyncio.TaskGroup() as group:
                group.create_task(_progress(client.writer, data, sent))
                assert await _stall(sent) < len(data) // 2
                gate.set()
            assert (await client.answer()).body == hashlib.sha256(data).hexdigest().encode()

    _run(main())


def test_a_slow_client_slows_the_answer() -> None:
    """While the client does not read the neighbour cannot send much; afterwards everything arrives unchanged."""
    data, sent = hashlib.shake_256(b"down").digest(64 * 1024 * 1024), list[int]()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        await _progress(writer, data, sent)

    async def main() -> None:
        async with relaying(script) as (port, _), Client.connect(port) as client:
            client.send("GET")
            assert await _stall(sent) < len(data) // 2
            assert (await client.answer()).body == data

    _run(main())


def test_fetch_gives_the_whole_answer() -> None:
    """A request of midge's own gets status, headers and body; an error's status is an answer as well."""

    async def main() -> None:
        neighbour = Scripted(_echo)
        await neighbour.start()
        got = await fetch(neighbour, b"PUT", b"/b/k?versionId=1", [(b"X-A", b"b")], b"data", 10_000)
        told = json.loads(got.body)
        assert (told["line"], told["body"]) == ("PUT /b/k?versionId=1 HTTP/1.1", "data")
        assert told["headers"] == {"x-a": "b", "content-length": "4", "host": "localhost"}
        assert got.headers["content-length"] == str(len(got.body))
        await neighbour.close()

    _run(main())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", "InvalidParameterValueException"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n",
            "InvalidParameterValueException",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "ServiceUnavailableException"),
        (b"", "ServiceUnavailableException"),
    ],
)
def test_fetch_is_bounded(answer: bytes, code: str) -> None:
    """An answer above the limit, or one that breaks off, is an error and not a part of an object."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)

    async def main() -> None:
        neighbour = Scripted(script)
        await neighbour.start()
        with pytest.raises(ServiceError) as caught:
            await fetch(neighbour, b"GET", b"/", [], b"", 10)
        assert caught.value.code == code
        await neighbour.close()

    _run(main())


def test_fetch_does_not_wait_forever() -> None:
    """A neighbour that never answers is unavailable after the limit."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async def main() -> None:
        neighbour = Scripted(script)
        await neighbour.start()
        with pytest.raises(ServiceError, match="takes too long to answer"):
            await fetch(neighbour, b"GET", b"/", [], b"", 10, limits=Limits(neighbour_fetch_seconds=0.05))
        await neighbour.close()

    _run(main())
