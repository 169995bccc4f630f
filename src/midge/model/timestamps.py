"""Points in time as the Lambda API writes them. Pure."""

from datetime import UTC, datetime


def last_modified(seconds: float) -> str:
    """``FunctionConfiguration.LastModified`` for seconds since 1970 UTC: ``2026-11-23T19:00:00.000+0000``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
