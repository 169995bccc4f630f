"""Where a subscriber of telemetry listens, inside its environment: HTTP or TCP.

An HTTP sink gets each batch as a JSON array by POST and has to answer with a 2xx; a TCP sink gets lines of JSON. A
frozen environment does not answer, so an answer may take as long as the environment lives.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import httptools

from midge.model.telemetry import TelemetrySubscription

OpenSocket = Callable[[], Awaitable[socket.socket]]
"""Makes a non-blocking TCP socket in the environment's network."""

_READ_BYTES = 16 * 1024
_HOST = "sandbox.localdomain"


class SinkError(Exception):
    """A batch was not accepted."""


class Sink:
    """One subscriber's; keeps its connection open between batches."""

    def __init__(self, subscription: TelemetrySubscription, open_socket: OpenSocket, reply_bytes: int) -> None:
        """``reply_bytes``: the most that an HTTP sink may answer."""
        self._subscription = subscription
        self._open_socket = open_socket
        self._reply_bytes = reply_bytes
        self._socket: socket.socket | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._finished = False
        self._keeps = False
        self._status = 0

    async def deliver(self, batch: list[bytes]) -> None:
        """Hand over a batch. Raises SinkError or OSError; nothing is known then of how far it came."""
        kept = self._socket is not None
        try:
            await self._deliver(batch)
        except (OSError, SinkError):
            self.close()
            if not kept:
                raise
            await self._deliver(batch)  # the sink has only closed an idle connection
        except BaseException:
            self.close()
            raise

    async def _deliver(self, batch: list[bytes]) -> None:
        connection = await self._connected()
        if self._subscription.path is None:
            await asyncio.get_running_loop().sock_sendall(connection, b"\n".join(batch) + b"\n")
        else:
            await self._post(connection, b"[" + b",".join(batch) + b"]")

    async def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = await self._open_socket()
            await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._subscription.port))
        return self._socket

    async def _post(self, connection: socket.socket, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        head = (
            f"POST {self._subscription.path} HTTP/1.1\r\nHost: {_HOST}:{self._subscription.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        await loop.sock_sendall(connection, head.encode() + body)
        self._finished = self._keeps = False
        self._parser, received = httptools.HttpResponseParser(self), 0
        while not self._finished:
            data = await loop.sock_recv(connection, _READ_BYTES)
            received += len(data)
            if not data or received > self._reply_bytes:
                raise SinkError("the sink answered nothing, or too much")
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                raise SinkError(f"the sink's answer makes no sense: {error}") from error
        if not self._keeps:
            self.close()
        if not 200 <= self._status < 300:
            raise SinkError(f"the sink answered {self._status}")

    def on_message_complete(self) -> None:
        """For httptools."""
        self._finished = True
        self._status, self._keeps = self._parser.get_status_code(), self._parser.should_keep_alive()

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
