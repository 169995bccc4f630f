"""How many entries a zip claims to have, found by walking its central directory without building anything.

``zipfile`` makes an object of several hundred bytes for each entry before it can be asked for their number; a small
hostile zip could claim a million. Follows APPNOTE.TXT 4.3.12 to 4.3.16.
"""

import struct

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_ENTRY_SIGNATURE = b"PK\x01\x02"
_ENTRY_BYTES = 46
_COMMENT_BYTES = 0xFFFF


def more_entries_than(data: bytes, limit: int) -> bool:
    """Whether the central directory of ``data`` holds more than ``limit`` entries. Raises ValueError if there is none."""
    end = data.rfind(_END_SIGNATURE, max(0, len(data) - _END.size - _COMMENT_BYTES))
    if end < 0 or end + _END.size > len(data):
        raise ValueError("no end of central directory")
    size, directory_end = _END.unpack_from(data, end)[5], end
    locator = end - _LOCATOR.size
    if locator >= 0 and data.startswith(_LOCATOR_SIGNATURE, locator):
        end64 = locator - _END64.size
        if end64 < 0 or not data.startswith(_END64_SIGNATURE, end64):
            raise ValueError("no 64-bit end of central directory")
        size, directory_end = _END64.unpack_from(data, end64)[8], end64
    at = directory_end - size
    if at < 0:
        raise ValueError("the central directory does not fit")
    count = 0
    while at < directory_end:
        if not data.startswith(_ENTRY_SIGNATURE, at) or at + _ENTRY_BYTES > directory_end:
            raise ValueError("a broken entry in the central directory")
        name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<3H", data, at + 28)
        at += _ENTRY_BYTES + name_bytes + extra_bytes + comment_bytes
        count += 1
        if count > limit:
            return True
    return False
