"""Where records of invocations may be sent to: kinds of ARNs, for asynchronous invocations and for event sources. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and
kinesis-on-failure-destination.html, kafka-on-failure-destination.html
"""

import re
from collections.abc import Mapping
from typing import Any

from midge.api.members import part
from midge.model.arns import parse_arn
from midge.model.errors import ServiceError, invalid_parameter

KAFKA = "kafka://"

_QUEUE = re.compile(r"[a-zA-Z0-9_-]{1,80}")
_QUEUE_OR_FIFO = re.compile(r"[a-zA-Z0-9_-]{1,80}(\.fifo)?")
_TOPIC = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_TOPIC_OR_FIFO = re.compile(r"[a-zA-Z0-9_-]{1,256}(\.fifo)?")
_FUNCTION = re.compile(r"function:[a-zA-Z0-9_-]{1,64}(:(\$LATEST|[a-zA-Z0-9_-]+))?")
_EVENT_BUS = re.compile(r"event-bus/[a-zA-Z0-9_./-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_OF_SUCCESSES = {"sqs": _QUEUE, "sns": _TOPIC, "lambda": _FUNCTION, "events": _EVENT_BUS}
_OF_FAILURES = {**_OF_SUCCESSES, "s3": _BUCKET}
_OF_EVENT_SOURCES = {"sqs": _QUEUE_OR_FIFO, "sns": _TOPIC_OR_FIFO, "s3": _BUCKET}


def destination(config: Mapping[str, Any], event: str) -> str | None:
    """The ARN under ``event`` (``OnSuccess`` or ``OnFailure``); None if there is none or an empty one."""
    return part(config, event).get("Destination") or None


def check_destinations(on_success: str | None, on_failure: str | None) -> None:
    """Raise InvalidParameterValueException for what asynchronous invocations cannot report to."""
    for arn, kinds in ((on_success, _OF_SUCCESSES), (on_failure, _OF_FAILURES)):
        if arn is not None and not _is_one_of(arn, kinds):
            raise _invalid(arn)


def check_event_source_destination(on_failure: str) -> None:
    """Raise InvalidParameterValueException for what event source mappings cannot report failures to, Kafka topics apart."""
    if not _is_one_of(on_failure, _OF_EVENT_SOURCES):
        raise _invalid(on_failure)


def _is_one_of(text: str, kinds: Mapping[str, re.Pattern[str]]) -> bool:
    arn = parse_arn(text)
    if arn is None or arn.service not in kinds or kinds[arn.service].fullmatch(arn.resource) is None:
        return False
    # A bucket's ARN names neither region nor account; every other destination's has both.
    return arn.service == "s3" or bool(arn.region and arn.account)


def _invalid(arn: str) -> ServiceError:
    return invalid_parameter(f"The destination ARN {arn} is invalid.")
