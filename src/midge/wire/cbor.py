"""CBOR, as much of it as Smithy's protocols use: definite and indefinite lengths, floats of all widths, tag 1 for time.

Encodes None, bools, ints of 64 bits, floats, bytes, texts, lists, dicts of texts, and aware datetimes. Pure; what comes
is hostile: depth and lengths are bounded by what is there.
Source: https://www.rfc-editor.org/rfc/rfc8949
"""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

_MOST_DEPTH = 64
_BREAK = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_TIME_TAG = 1


class CborError(ValueError):
    """The bytes are not one whole item of CBOR, or one that Smithy does not use."""


def decode(data: bytes) -> Any:
    """The item that ``data`` is; tag 1 becomes an aware datetime. Raises CborError."""
    reader = _Reader(data)
    value = reader.item(0)
    if value is _BREAK or reader.position != len(data):
        raise CborError("not one item")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise CborError("it ends in the middle")
        taken, self.position = self._data[self.position : end], end
        return taken

    def _argument(self, info: int) -> int | None:
        """None: of indefinite length."""
        if info < 24:
            return info
        if info <= 27:
            return int.from_bytes(self._take(1 << (info - 24)))
        if info == 31:
            return None
        raise CborError("reserved")

    def item(self, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise CborError("too deep")
        major, info = divmod(self._take(1)[0], 32)
        if major == 7:
            return self._simple(info)
        argument = self._argument(info)
        match major:
            case 0 | 1 if argument is not None:
                return argument if major == 0 else -1 - argument
            case 2:
                return self._string(2, argument)
            case 3:
                try:
                    return self._string(3, argument).decode()
                except UnicodeDecodeError:
                    raise CborError("no UTF-8") from None
            case 4:
                return self._items(argument, depth)
            case 5:
                return self._entries(argument, depth)
            case 6 if argument is not None:
                return _tagged(argument, self.item(depth + 1))
            case _:
                raise CborError("reserved")

    def _simple(self, info: int) -> Any:
        if info == 31:
            return _BREAK
        if info in _FLOATS:
            return struct.unpack(_FLOATS[info], self._take(1 << (info - 24)))[0]
        if info not in _SIMPLE:
            raise CborError("not a simple value that Smithy uses")
        return _SIMPLE[info]

    def _string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self._take(length)
        parts: list[bytes] = []
        while (head := self._take(1)[0]) != 0xFF:
            kind, info = divmod(head, 32)
            part = self._argument(info) if kind == major else None
            if part is None:
                raise CborError("a string in parts of another kind")
            parts.append(self._take(part))
        return b"".join(parts)

    def _items(self, length: int | None, depth: int) -> list[Any]:
        items: list[Any] = []
        while length is None or len(items) < length:
            value = self.item(depth + 1)
            if value is _BREAK:
                if length is None:
                    return items
                raise CborError("a list that breaks off")
            items.append(value)
        return items

    def _entries(self, length: int | None, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        count = 0
        while length is None or count < length:
            key = self.item(depth + 1)
            if key is _BREAK and length is None:
                return entries
            value = self.item(depth + 1)
            if not isinstance(key, str) or value is _BREAK:
                raise CborError("a map with other keys than texts")
            entries[key] = value
            count += 1
        return entries


def _tagged(tag: int, value: Any) -> Any:
    if tag != _TIME_TAG:
        return value
    if not isinstance(value, int | float):
        raise CborError("a time that is no number")
    try:
        return _EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise CborError("a time that no calendar has") from None


def encode(value: Any) -> bytes:
    """One item. Raises TypeError for what CBOR, as Smithy uses it, cannot say."""
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Any, parts: list[bytes]) -> None:
    match value:
        case None:
            parts.append(b"\xf6")
        case bool():
            parts.append(b"\xf5" if value else b"\xf4")
        case int():
            parts.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
        case float():
            parts.append(b"\xfb" + struct.pack(">d", value))
        case bytes():
            parts += (_head(2, len(value)), value)
        case str():
            text = value.encode()
            parts += (_head(3, len(text)), text)
        case datetime():
            parts.append(_head(6, _TIME_TAG))
            _encode((value - _EPOCH).total_seconds(), parts)
        case list() | tuple():
            items = cast("list[Any] | tuple[Any, ...]", value)
            parts.append(_head(4, len(items)))
            for part in items:
                _encode(part, parts)
        case Mapping():
            entries = cast("Mapping[str, Any]", value)
            parts.append(_head(5, len(entries)))
            for key, part in entries.items():
                _encode(key, parts)
                _encode(part, parts)
        case _:
            raise TypeError(f"{type(value).__name__} is nothing that CBOR has here")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major * 32 + argument,))
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes((major * 32 + info,)) + argument.to_bytes(width)
    raise TypeError("an integer of more than 64 bits")
