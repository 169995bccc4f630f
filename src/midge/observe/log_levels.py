"""Which application logs the JSON format keeps: their levels, and how a printed line says its own. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

from datetime import datetime
from typing import Any, cast

import msgspec

LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "WARNING": 4, "ERROR": 5, "FATAL": 6, "CRITICAL": 6}
"""As frames number them."""
INFO = LEVELS["INFO"]
_TIMES = ("timestamp", "time", "@timestamp")


def printed(line: bytes) -> tuple[int, int | None]:
    """The level of a line that a function printed, and its own time in ms, if it is a JSON object that says them.

    Without a valid level, or without a valid time, a line has the level INFO.
    """
    if not line.lstrip().startswith(b"{"):
        return INFO, None
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return INFO, None
    fields = cast("dict[str, Any]", document)
    moment = next((time for name in _TIMES if (time := _milliseconds(fields.get(name))) is not None), None)
    level = fields.get("level")
    if moment is None or not isinstance(level, str):
        return INFO, moment
    return LEVELS.get(level.upper(), INFO), moment


def _milliseconds(text: object) -> int | None:
    """A time of RFC 3339 in ms since 1970."""
    if not isinstance(text, str) or "T" not in text.upper():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
