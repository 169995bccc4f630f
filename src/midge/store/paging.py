"""Pages of a listing and the opaque markers between them.

A marker names the last item that was shown, not a position, so that a listing goes on correctly while others write.
Its form is midge's own; AWS promises nothing but that the next call accepts it.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from midge.store.errors import BadMarkerError

Item = TypeVar("Item")
Key = TypeVar("Key", bound=tuple[str | int, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some items in order; ``next_marker`` is None on the last page."""

    items: tuple[Item, ...]
    next_marker: str | None = None


def encode_marker(key: tuple[str | int, ...]) -> str:
    """The marker that says: continue after the item with this sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode("ascii")


def decode_marker(marker: str, form: type[Key]) -> Key:
    """The sort key in a marker, of the shape ``form``. Raises BadMarkerError for anything that ``encode_marker`` did not make."""
    try:
        return msgspec.json.decode(base64.b64decode(marker.encode("ascii"), b"-_", validate=True), type=form)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError) as error:
        raise BadMarkerError(marker) from error
