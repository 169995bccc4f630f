"""What names a log event wherever it is shown: 56 digits that grow with its time."""

import hashlib

from midge.model.logs import LogGroupId


def event_id(group: LogGroupId, stream: str, timestamp: int, position: int) -> str:
    """Of the event at ``position`` in its stream."""
    digest = hashlib.sha256(group.stream_arn(stream).encode("utf-8", "surrogatepass")).digest()
    return f"{timestamp:014d}{int.from_bytes(digest[:8], 'big'):020d}{position:022d}"
