"""Forms of CBOR by hand, after RFC 8949: the bytes in hex, and what they are."""

from datetime import UTC, datetime
from typing import Any

SAMPLES: list[tuple[str, Any]] = [
    ("1818", 24),
    ("1900ff", 255),
    ("1a000f4240", 1_000_000),
    ("3863", -100),
    ("f93c00", 1.0),
    ("fa47c35000", 100_000.0),
    ("fb3ff199999999999a", 1.1),
    ("9f0102ff", [1, 2]),
    ("bf616101ff", {"a": 1}),
    ("7f61616162ff", "ab"),
    ("5f41014102ff", b"\x01\x02"),
    ("c11a514b67b0", datetime(2013, 3, 21, 20, 4, tzinfo=UTC)),
    ("f7", None),
    ("c2420100", b"\x01\x00"),
]
BROKEN = [
    "", "18", "9f01", "82 01", "ff", "0101", "1c", "a10102", "7f4101ff", "81" * 100 + "01", "c16161", "c1fb7fefffffffffffff", "61ff",
    "f8ff", "5bffffffffffffffff", "9bffffffffffffffff", "df", "1f",
]  # fmt: skip
