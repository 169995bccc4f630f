"""Heads of relayed messages: what is passed on, what is not, and how the end of a body is told."""

import pytest

from midge.http.heads import CHUNKED, Framing, answer_head, error_answer, framing_of, rewrite_head
from midge.model.errors import ServiceError

_Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"Host", b"h"), (b"X-A", b"1"), (b"X-A", b"2")], b"Host: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n"),
        ([], b"Host: localhost\r\n\r\n"),
        ([(b"Host", b"h"), (b"Content-Length", b"3")], b"Host: h\r\nContent-Length: 3\r\n\r\n"),
        ([(b"Host", b"h"), (b"TRANSFER-ENCODING", b"Chunked")], b"Host: h\r\n" + CHUNKED),
        ([(b"Host", b"h"), (b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")], b"Host: h\r\n" + CHUNKED),
        ([(b"Host", b"h"), (b"Connection", b"close, X-Mine"), (b"x-mine", b"1"), (b"TE", b"trailers")], b"Host: h\r\n\r\n"),  # codespell:ignore te
        ([(b"Host", b"h"), (b"Expect", b"100-continue"), (b"Upgrade", b"h2c"), (b"Proxy-Authorization", b"s")], b"Host: h\r\n\r\n"),
        ([(b"Host", b"h"), (b"Connection", b"Host, Content-Length, Authorization"), (b"Content-Length", b"1")], b"Host: h\r\nContent-Length: 1\r\n\r\n"),
    ],
)  # fmt: skip
def test_a_request_is_framed_once(headers: _Headers, expected: bytes) -> None:
    """One framing, one host, nothing that is between two machines only; Connection cannot unframe a request."""
    assert rewrite_head(b"PUT", b"/k?v", headers) == b"PUT /k?v HTTP/1.1\r\n" + expected


@pytest.mark.parametrize(
    ("status", "headers", "head_only", "expected"),
    [
        (200, [(b"Content-Length", b"5")], False, Framing.LENGTH),
        (200, [(b"content-length", b"5"), (b"transfer-encoding", b"gzip, Chunked")], False, Framing.CHUNKED),
        (200, [(b"Transfer-Encoding", b"gzip")], False, Framing.CLOSE),
        (200, [], False, Framing.CLOSE),
        (200, [(b"Content-Length", b"5")], True, Framing.EMPTY),
        (204, [], False, Framing.EMPTY),
        (304, [(b"Content-Length", b"5")], False, Framing.EMPTY),
    ],
)
def test_the_framing_follows_the_rfc(status: int, headers: _Headers, head_only: bool, expected: Framing) -> None:
    """Status, request method, transfer coding and length decide, in that order."""
    assert framing_of(status, headers, head_only=head_only) is expected


def test_an_answer_says_how_it_ends() -> None:
    """The neighbour's connection headers are replaced by the client's own."""
    headers = [(b"Connection", b"close"), (b"Server", b"s"), (b"Transfer-Encoding", b"chunked")]
    start = b"HTTP/1.1 200 OK\r\nServer: s\r\n"
    assert answer_head(200, b"OK", headers, Framing.CHUNKED) == start + CHUNKED
    assert answer_head(200, b"OK", headers, Framing.CLOSE) == start + b"Connection: close\r\n\r\n"
    assert answer_head(200, b"OK", headers, Framing.EMPTY) == start + b"\r\n"


def test_an_errors_text_cannot_break_its_markup() -> None:
    """An XML error escapes its message, and its length is that of what is sent."""
    answer = error_answer(b"GET / HTTP/1.1\r\n\r\n", 503, ServiceError("Code", "<a> & b"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"<Message>&lt;a&gt; &amp; b</Message>" in body
    assert b"Content-Length: %d" % len(body) in head
