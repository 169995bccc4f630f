"""Frames of ``application/vnd.amazon.eventstream``: how an operation answers with one event after another. Pure.

A frame is its length, the length of its headers and a checksum of both, then the headers, the payload and a checksum of
everything before. Only headers that are strings are needed here.
Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Sequence
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_OVERHEAD = 16
"""Twice a length, twice a checksum."""


def message(headers: Sequence[tuple[str, str]], payload: bytes) -> bytes:
    """One frame. Raises ValueError for a header's name above 255 bytes or a value above 65,535."""
    return frame(encoded_headers(headers), payload)


def encoded_headers(headers: Sequence[tuple[str, str]]) -> bytes:
    """Headers as they stand in a frame, for ``frame``. Raises as ``message``."""
    parts: list[bytes] = []
    for name, value in headers:
        key, text = name.encode("utf-8"), value.encode("utf-8")
        if not 0 < len(key) <= 0xFF or len(text) > 0xFFFF:
            raise ValueError("a header of an event is too long, or has no name")
        parts.append(struct.pack(f"!B{len(key)}sBH", len(key), key, _STRING, len(text)) + text)
    return b"".join(parts)


def frame(headers: bytes, payload: bytes) -> bytes:
    """One frame with ``headers`` as ``encoded_headers`` gives them."""
    lengths = struct.pack("!II", len(headers) + len(payload) + _OVERHEAD, len(headers))
    start = b"%b%b%b" % (lengths, crc32(lengths).to_bytes(4, "big"), headers)
    checksum = crc32(payload, crc32(start))
    return b"%b%b%b" % (start, payload, checksum.to_bytes(4, "big"))


def event_headers(event_type: str, content_type: str) -> bytes:
    """The headers of an event, a member of the stream's union by its name."""
    return encoded_headers([(":event-type", event_type), (":content-type", content_type), (":message-type", "event")])
