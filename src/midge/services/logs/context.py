"""What the operations of CloudWatch Logs are given, and the errors and names that they share.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from midge.clock import Clock
from midge.log_store.reading import LogReader
from midge.model.arns import parse_arn
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId
from midge.services.logs.archive import LogArchive
from midge.services.logs.delivery import Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, and where: a caller sees the log groups of ``account`` and ``region`` alone."""

    account: str
    region: str
    request_id: str

    def group(self, name: str) -> LogGroupId:
        """The caller's log group of this name."""
        return LogGroupId(account=self.account, region=self.region, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsServices:
    """Passed to every operation."""

    archive: LogArchive
    subscriptions: Subscriptions
    clock: Clock
    limits: Limits
    strict: bool = False
    """Refuse, by name, what midge would otherwise keep without acting on it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock.now() * 1000)


def invalid(message: str) -> ServiceError:
    """A parameter that is not acceptable."""
    return ServiceError("InvalidParameterException", message)


def unsupported(what: str) -> ServiceError:
    """Something that midge does not have: refused by name."""
    return invalid(f"midge does not support {what} yet.")


def no_group() -> ServiceError:
    """The log group does not exist."""
    return ServiceError("ResourceNotFoundException", "The specified log group does not exist.")


def no_stream() -> ServiceError:
    """The log stream does not exist."""
    return ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")


def bad_token() -> ServiceError:
    """The token is not one that midge has given out."""
    return invalid("The specified nextToken is invalid.")


def not_in_enum(value: object, member: str, allowed: str) -> NoReturn:
    """Raise what a broken constraint of the service model would give."""
    raise invalid(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{allowed}]"
    )


def existing(reader: LogReader, group: LogGroupId) -> LogGroup:
    """The log group as it is set. Raises ResourceNotFoundException."""
    found = reader.group(group)
    if found is None:
        raise no_group()
    return found


def named_group(values: Mapping[str, Any], call: Call) -> LogGroupId:
    """The log group of ``logGroupName`` or ``logGroupIdentifier``, of which there must be one."""
    name, identifier = values.get("logGroupName"), values.get("logGroupIdentifier")
    if name is not None and identifier is not None:
        raise invalid("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
    if name is None and identifier is None:
        raise invalid("One of LogGroup name or LogGroup identifier must be specified.")
    return call.group(name) if name is not None else identified_group(str(identifier), call)


def identified_group(identifier: str, call: Call) -> LogGroupId:
    """The log group that a name or an ARN names. Raises InvalidParameterException, ResourceNotFoundException."""
    if not identifier.startswith("arn:"):
        return call.group(identifier)
    arn = parse_arn(identifier)
    if arn is None or arn.service != "logs" or not arn.resource.startswith("log-group:"):
        raise invalid(f"Invalid ARN: {identifier}")
    if (arn.account, arn.region) != (call.account, call.region):
        raise no_group()
    return call.group(arn.resource.removeprefix("log-group:").removesuffix(":*"))


def encode_token(*parts: str | int) -> str:
    """A token that stands for a place in a listing."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def decode_token(token: str, *kinds: type) -> list[Any]:
    """The parts of a token of ``encode_token``. Raises InvalidParameterException if it is none of these ``kinds``."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        parts = msgspec.json.decode(data, type=list[str | int])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise bad_token() from None
    if [type(part) for part in parts] != list(kinds):
        raise bad_token()
    return parts
