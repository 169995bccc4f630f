"""Points in time as the Lambda API writes them. Pure."""

from datetime import UTC, datetime


def last_modified(seconds: float) -> str:
    """``FunctionConfiguration.LastModified`` for seconds since 1970 UTC: ``2026-11-23T19:00:00.000+0000``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def iso8601(seconds: float) -> str:
    """The times of a function URL for seconds since 1970 UTC: ``2026-11-23T19:00:00.000000Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
