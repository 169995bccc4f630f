"""What is told of an event that has ended: the record for a destination, the attributes of a dead letter. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
from typing import Any

import msgspec

from midge.events.retry import RECURSIVE_LOOP
from midge.observe.log_records import iso_time
from midge.queue.port import AsyncEvent

_ERROR_MESSAGE_CHARACTERS = 1024


def _raw(document: bytes) -> msgspec.Raw:
    return msgspec.Raw(document or b"null")


def record(
    event: AsyncEvent,
    condition: str,
    now_seconds: float,
    *,
    invocations: int,
    executed_version: str | None,
    function_error: str | None,
    response: bytes | None,
) -> bytes:
    """The JSON document. ``invocations`` have run. ``executed_version`` is None when no attempt ran: then there is no response either."""
    qualified = event.function.qualified_arn(event.qualifier or "$LATEST")
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_time(now_seconds),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": qualified,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "requestPayload": _raw(event.payload),
    }
    if executed_version is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": executed_version}
        if function_error is not None:
            context["functionError"] = function_error
        document["responseContext"] = context
        document["responsePayload"] = _raw(response or b"")
    return msgspec.json.encode(document)


def dead_letter_attributes(event: AsyncEvent, response: bytes | None, condition: str) -> dict[str, dict[str, str]]:
    """``MessageAttributes`` for SQS and SNS; the message itself is the event's payload. ``condition`` ended it."""
    return {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200" if response is not None else "429"},
        "ErrorMessage": {"DataType": "String", "StringValue": _error_message(response, condition)},
    }


def _error_message(response: bytes | None, condition: str) -> str:
    """The function's own ``errorMessage``, or why it did not run; never empty, which SQS would refuse."""
    if response is None:
        return "Recursive loop detected" if condition == RECURSIVE_LOOP else "Event age exceeded"
    try:
        document = json.loads(response)
        message = document["errorMessage"]
    except (ValueError, KeyError, TypeError):
        message = response.decode("utf-8", "replace")
    return str(message)[:_ERROR_MESSAGE_CHARACTERS] or "Unknown"
