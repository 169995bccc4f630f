"""One HTTP connection from a runtime: the Runtime API 2018-06-01 on an ``asyncio.Protocol`` with httptools.

Everything that comes in is written by function code and is treated as hostile: heads, bodies and the number of
connections are bounded, whatever breaks the rules ends the connection, who does not read replies is not read either.
Bodies are passed on as bytes.
A 202 that is followed, in the same segment, by a GET /next that hangs is kept back and written together with the
event: the runtime that sends both at once is not waiting for the first, and would be woken twice.
A streamed response (``Lambda-Runtime-Function-Response-Mode: streaming``) is passed on as it comes where the caller
takes it so, else collected like any other; an error that ends it stands in the headers behind it.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and runtimes-custom.html
"""

import asyncio
import base64
import binascii
from typing import cast

import httptools

from midge.model.limits import Limits
from midge.runtime_api import replies
from midge.runtime_api.extension_calls import PREFIXES, ExtensionCalls
from midge.runtime_api.session import RuntimeSession, StreamTaker

_NEXT = b"/2018-06-01/runtime/invocation/next"
_INVOCATION = b"/2018-06-01/runtime/invocation/"
_INIT_ERROR = b"/2018-06-01/runtime/init/error"
_RESTORE_NEXT = b"/2018-06-01/runtime/restore/next"
_RESTORE_ERROR = b"/2018-06-01/runtime/restore/error"
_ID_END = len(_INVOCATION) + 36
_ACCEPTED = replies.ACCEPTED
_HEADERS = 32
"""Kept of a request to another API than the Runtime API."""
_JOINED_BYTES = 64 * 1024
"""Up to this size head and body are joined into one buffer; above it the copy costs more than a second buffer."""


class RuntimeConnection(asyncio.Protocol):
    """Server side of one connection; ``session`` is shared by all connections of one environment."""

    __slots__ = (
        "_body",
        "_body_limit",
        "_body_size",
        "_closing",
        "_content_type",
        "_extensions",
        "_hanging",
        "_headers",
        "_held",
        "_in_message",
        "_limits",
        "_parser",
        "_received",
        "_refused",
        "_session",
        "_stream",
        "_trailers",
        "_transport",
        "_url",
        "_waiting",
    )  # fmt: skip

    def __init__(self, session: RuntimeSession, limits: Limits, extensions: ExtensionCalls | None = None) -> None:
        """``extensions`` answers what is not the Runtime API's."""
        self._session = session
        self._extensions = extensions
        self._headers: dict[bytes, bytes] | None = None
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._held = b""
        self._hanging = False
        self._closing = False
        """The client said that this is its last request; whoever keeps the connection open has its next one lost."""
        self._received = 0
        self._in_message = False
        self._url = b""
        self._body: bytes | list[bytes] = b""
        self._body_size = 0
        self._body_limit = 0
        self._refused = False
        self._trailers: dict[bytes, bytes] | None = None
        self._content_type = b""
        self._stream: StreamTaker | None = None
        self._waiting = 0
        """Who wants the runtime to wait: 1 the taker of its stream, 2 our replies, which it does not read."""

    # asyncio's side

    def pause_writing(self) -> None:
        self._wait(2)

    def resume_writing(self) -> None:
        self._go_on(2)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        self._session.connections += 1
        if self._session.connections > self._limits.runtime_api_connections:
            stream.abort()
            return
        self._transport = stream

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._session.connections -= 1
        self._transport = None
        self._hang_up()

    def _hang_up(self) -> None:
        self._break_off()
        self._session.hang_up(self)
        if self._extensions is not None:
            self._extensions.hang_up(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._in_message and not self._admit(len(data)):
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            self._end(b"")
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(b"" if self._closing else replies.BAD_REQUEST)
            return
        if self._in_message and not self._body_size and self._received > self._limits.runtime_api_head_bytes:
            # Checked behind the parser: a large segment may hold a body.
            self._end(replies.HEAD_TOO_LARGE)
            return
        if self._hanging:
            return
        if self._closing:
            self._end(b"")
        elif self._held:
            self._write_held()

    def _write_held(self) -> None:
        if self._transport is not None:
            self._transport.write(self._held)
        self._held = b""

    def _admit(self, size: int) -> bool:
        """Count what arrives of a message in further segments, whatever the parser makes of it."""
        limits = self._limits
        self._received += size
        if self._body_size:
            taken = limits.response_payload_bytes if self._stream is None else limits.streamed_response_bytes
            if self._received > 4 * taken:
                self._end(b"")
                return False
        return True

    # the session's side

    def send_event(self, head: bytes, payload: bytes) -> None:
        """Answer the hanging GET /next."""
        transport = self._transport
        assert transport is not None
        held, self._held = self._held, b""
        self._hanging = False
        if self._closing:
            self._transport = None
            transport.write(held + replies.closing(head) + payload)
            transport.close()
            return
        if len(payload) <= _JOINED_BYTES:
            transport.write(held + head + payload)
        else:
            transport.write(held + head)
            transport.write(payload)

    # httptools's side

    def on_message_begin(self) -> None:
        self._in_message = True
        self._url = self._body = b""
        self._received = self._body_size = 0
        if self._refused or self._trailers is not None:
            self._refused = False
            self._trailers = self._headers = None
            self._content_type = b""

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url
        if self._url.startswith(PREFIXES):
            self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 6:
            if name.lower() == b"expect" and value.lower() == b"100-continue" and self._transport is not None:
                self._transport.write(self._held + replies.CONTINUE)
                self._held = b""
        elif len(name) == 12:
            if name.lower() == b"content-type":
                self._content_type = value
        elif len(name) > 33 and (name := name.lower()).startswith(b"lambda-runtime-function-"):
            if self._trailers is None:
                self._trailers = {}
            if len(self._trailers) < 8:
                self._trailers[name] = value
        elif self._headers is not None and len(self._headers) < _HEADERS:
            self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        if not self._body_size:
            if self._trailers is not None and self._begin_stream():
                self._take(body)
                return
            limits, response = self._limits, self._url.endswith(b"/response")
            self._body_limit = limits.response_payload_bytes if response else limits.runtime_api_error_bytes
            if len(body) <= self._body_limit:
                self._body_size = len(body)
                self._body = body
                return
        elif self._stream is not None:
            self._take(body)
            return
        self._body_size += len(body)
        if self._body_size > self._body_limit:
            self._overflow()
        elif isinstance(self._body, list):
            self._body.append(body)
        else:
            self._body = [self._body, body]

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._hanging:
            # A second request behind a hanging GET /next cannot be answered in order, and no runtime sends one.
            self._end(replies.BAD_REQUEST)
            return
        if not self._parser.should_keep_alive():
            self._closing = True
        if self._refused:
            return
        if self._stream is not None:
            self._end_stream()
            return
        url, body = self._url, self._body
        if url in (_NEXT, _RESTORE_NEXT):
            self._next(url)
            return
        self._body = b""
        if self._headers is not None:
            self._call_of_extension(url, body if isinstance(body, bytes) else b"".join(body))
            return
        reply = self._post(url, body if isinstance(body, bytes) else b"".join(body))
        self._hold(_ACCEPTED if reply is None else reply)

    def _hold(self, reply: bytes) -> None:
        """It is written at the end of the segment, or with the event that a request behind it waits for."""
        self._held += replies.closing(reply) if self._closing else reply

    # what the calls mean

    def _next(self, url: bytes) -> None:
        if self._parser.get_method() != b"GET":
            self._hold(replies.WRONG_METHOD)
            return
        self._hanging = True
        transport = self._transport
        if url == _NEXT or transport is None:
            refused = self._session.next(self)
        else:
            refused = self._session.restore_next(transport.get_extra_info("peername")[1])
        if refused is not None:
            self._hanging = False
            self._hold(refused)

    def _call_of_extension(self, url: bytes, body: bytes) -> None:
        headers, self._headers = self._headers, None
        if self._extensions is None or headers is None:
            self._hold(replies.NOT_FOUND)
            return
        # Before it asks: an event that has waited for this extension is there at once.
        self._hanging = True
        reply = self._extensions.handle(self, self._parser.get_method(), url, headers, body)
        if reply is not None:
            self._hanging = False
            self._hold(reply)

    def _post(self, url: bytes, body: bytes) -> bytes | None:
        invocation = url.startswith(_INVOCATION)
        if not invocation and url not in (_INIT_ERROR, _RESTORE_ERROR):
            return replies.NOT_FOUND
        if self._parser.get_method() != b"POST":
            return replies.WRONG_METHOD
        if not invocation:
            failed = self._session.init_error if url == _INIT_ERROR else self._session.restore_error
            return failed(self._error_type(), body)
        request_id, action = url[len(_INVOCATION) : _ID_END], url[_ID_END:]
        if action == b"/response":
            if self._trailers is not None and b"lambda-runtime-function-error-type" in self._trailers:
                return self._session.error(request_id, self._error_type(), self._error_body())
            return self._session.response(request_id, body)
        if action == b"/error":
            return self._session.error(request_id, self._error_type(), body)
        return replies.INVALID_REQUEST_ID if url.endswith((b"/response", b"/error")) else replies.NOT_FOUND

    # streamed responses

    def _begin_stream(self) -> bool:
        """Whether the response that begins is streamed, and taken so."""
        url = self._url
        streaming = (self._trailers or {}).get(b"lambda-runtime-function-response-mode", b"").lower() == b"streaming"
        if not streaming or not url.startswith(_INVOCATION) or url[_ID_END:] != b"/response":
            return False
        if self._parser.get_method() != b"POST" or self._transport is None:
            return False
        self._body_limit = self._limits.streamed_response_bytes
        self._stream = self._session.stream(url[len(_INVOCATION) : _ID_END], self._content_type, self)
        return self._stream is not None

    def _take(self, data: bytes) -> None:
        """Pass on a part of the stream; what is above the limit ends the invocation and is thrown away as it comes."""
        self._body_size += len(data)
        if self._stream is None or self._refused:
            return
        if self._body_size > self._body_limit:
            self._refused = True
            self._stream = None
            self._session.fail_stream("Function.ResponseSizeTooLarge", replies.response_too_large(self._body_limit))
            self._held += replies.too_large(self._body_limit)
        else:
            self._stream.feed(data)

    def _end_stream(self) -> None:
        self._stream = None
        if self._trailers is not None and b"lambda-runtime-function-error-type" in self._trailers:
            self._session.fail_stream(self._error_type(), self._error_body())
        else:
            self._session.end_stream()
        self._hold(_ACCEPTED)

    def pause_reading(self) -> None:
        """Let the runtime wait with the next part."""
        self._wait(1)

    def resume_reading(self) -> None:
        self._go_on(1)

    def _wait(self, why: int) -> None:
        self._waiting |= why
        if self._transport is not None:
            self._transport.pause_reading()

    def _go_on(self, why: int) -> None:
        self._waiting &= ~why
        if self._transport is not None and not self._waiting:
            self._transport.resume_reading()

    def _break_off(self) -> None:
        if self._stream is not None:
            self._stream = None
            self._session.break_off_stream()

    def _error_type(self) -> str:
        given = (self._trailers or {}).get(b"lambda-runtime-function-error-type", b"")
        text = given[:128].decode("ascii", "replace")
        return text if text and text.isprintable() else "Runtime.Unknown"

    def _error_body(self) -> bytes:
        """A stream that broke off carries its error document in a trailer, in base64."""
        try:
            return base64.b64decode((self._trailers or {}).get(b"lambda-runtime-function-error-body", b""))
        except binascii.Error:
            return b""

    # limits

    def _overflow(self) -> None:
        """A body above its limit is thrown away as it comes, and its invocation ends with an error."""
        if self._refused:
            return
        self._refused = True
        self._body = b""
        limit = self._limits.response_payload_bytes
        request_id = self._url[len(_INVOCATION) : _ID_END]
        if self._url.startswith(_INVOCATION):
            self._session.error(request_id, "Function.ResponseSizeTooLarge", replies.response_too_large(limit))
        self._held += replies.too_large(self._body_limit)

    def _end(self, last: bytes) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.write(self._held + last)
            self._held = b""
            transport.close()
            self._hang_up()
