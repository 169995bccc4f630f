"""Timestamps as AWS's protocols write them: seconds since 1970, ISO 8601, and HTTP dates.

All values are aware datetimes in UTC. The formats bear the names of the ``timestampFormat`` trait.
Source: https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_epoch(seconds: float) -> datetime:
    """Raises ValueError for a time that no calendar has."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError as failure:
        raise ValueError(str(failure)) from None


def parse(text: str, form: str) -> datetime:
    """``form`` is ``iso8601``, ``rfc822`` or ``unixTimestamp``; raises ValueError if ``text`` is not of it."""
    match form:
        case "iso8601":
            parsed = datetime.fromisoformat(text)
        case "rfc822":
            parsed = parsedate_to_datetime(text)
        case _:
            return from_epoch(float(text))
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def epoch(moment: datetime) -> float:
    """Seconds since 1970 to the millisecond, an int when they are whole."""
    milliseconds = round((moment - _EPOCH) / timedelta(milliseconds=1))
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def render(moment: datetime, form: str) -> str:
    """The text of ``moment`` in ``iso8601``, ``rfc822`` or ``unixTimestamp``."""
    match form:
        case "iso8601":
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case "rfc822":
            return format_datetime(moment.astimezone(UTC), usegmt=True)
        case _:
            return str(epoch(moment))
