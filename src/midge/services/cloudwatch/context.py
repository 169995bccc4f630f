"""What the operations of CloudWatch are given, and the errors and names that they share.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from midge.clock import Clock
from midge.metric_store.files import DAY_SECONDS, Point, TooManyPointsError
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.metrics import Dimensions, Series
from midge.services.cloudwatch.store import Metrics

_HOUR = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, and where: a caller sees the metrics of ``account`` and ``region`` alone."""

    account: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchServices:
    """Passed to every operation."""

    metrics: Metrics
    clock: Clock
    limits: Limits
    strict: bool = False
    """Refuse, by name, what midge would otherwise take without acting on it."""

    async def points(self, series: Sequence[Series], start: int, end: float) -> list[dict[str, list[Point]]]:
        """See ``MetricStore.points``. Raises ServiceError where that would be too much."""
        try:
            return await self.metrics.points(series, start, end)
        except TooManyPointsError:
            most = self.limits.metric_read_points
            raise invalid(f"The request would read more than {most} data points; ask for less time.") from None

    def rounded_start(self, start: float) -> int:
        """The time that a range really begins at: the older, the coarser."""
        age_days = (self.clock.now() - start) / DAY_SECONDS
        unit = 60
        if age_days > self.limits.metric_five_minutes_days:
            unit = _HOUR
        elif age_days > self.limits.metric_minute_days:
            unit = 300
        return int(start // unit) * unit


def invalid(message: str) -> ServiceError:
    """A parameter that is not acceptable."""
    return ServiceError("InvalidParameterValueException", message)


def missing(message: str) -> ServiceError:
    """A parameter that is needed here."""
    return ServiceError("MissingRequiredParameterException", message)


def conflicting(message: str) -> ServiceError:
    """Parameters that do not go together."""
    return ServiceError("InvalidParameterCombinationException", message)


def not_valid(message: str) -> ServiceError:
    """What GetMetricData answers to queries that are not acceptable."""
    return ServiceError("ValidationError", message)


def unsupported(what: str) -> ServiceError:
    """Something that midge does not have: refused by name."""
    return invalid(f"midge does not support {what} yet.")


def dimensions_of(values: Sequence[Mapping[str, Any]], where: str) -> Dimensions:
    """The dimensions that a caller gives, in order. Raises ServiceError for a name that comes twice."""
    found = {str(value["Name"]): str(value["Value"]) for value in values}
    if len(found) < len(values):
        raise invalid(f"The parameter {where} contains duplicate dimension names.")
    return tuple(sorted(found.items()))


def check_period(period: int, name: str) -> None:
    """Raise for a period that midge has no figures for."""
    if period in (1, 5, 10, 20, 30):
        raise unsupported(f"periods of less than a minute ({name})")
    if period % 60:
        raise invalid(f"The parameter {name} must be a multiple of 60.")


def range_of(values: Mapping[str, Any]) -> tuple[float, float]:
    """StartTime and EndTime in seconds since 1970. Raises ServiceError."""
    start_time: datetime = values["StartTime"]
    end_time: datetime = values["EndTime"]
    if start_time >= end_time:
        raise not_valid("The parameter StartTime must be less than the parameter EndTime.")
    return start_time.timestamp(), end_time.timestamp()


def encode_token(*parts: str | int) -> str:
    """A token that stands for a place in an answer."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def decode_token(token: str, *kinds: type) -> list[Any] | None:
    """The parts of a token of ``encode_token``; None if it is none of these ``kinds``."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        parts = msgspec.json.decode(data, type=list[str | int])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return None
    return parts if [type(part) for part in parts] == list(kinds) else None
