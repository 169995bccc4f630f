"""From an operation's result, or an error, to an HTTP response.

Owns statuses, headers, the JSON of bodies and the spelling of error bodies. Knows nothing of what the values mean. An
event stream has no rendering here: its bytes are the business of whoever streams them.
Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html and
https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html for errors that have no shape.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from midge.model.errors import ServiceError
from midge.wire import timestamps
from midge.wire.messages import Response
from midge.wire.model import Member, Operation, ServiceModel, Shape

_JSON = "application/json"
_ERRORS_WITHOUT_SHAPE = {
    "AccessDeniedException": (403, "Message"),
    "ExpiredTokenException": (403, "message"),
    "IncompleteSignatureException": (403, "message"),
    "InternalFailure": (500, "message"),
    "InvalidClientTokenId": (403, "message"),
    "InvalidSignatureException": (403, "message"),
    "MissingAuthenticationTokenException": (403, "message"),
    "OptInRequired": (403, "message"),
    "RequestEntityTooLargeException": (413, "message"),
    "RequestExpired": (400, "message"),
    "SerializationException": (400, "Message"),
    "ServiceUnavailableException": (503, "message"),
    "SignatureDoesNotMatch": (403, "message"),
    "ThrottlingException": (400, "message"),
    "UnknownOperationException": (404, "message"),
    "UnrecognizedClientException": (403, "message"),
    "ValidationException": (400, "message"),
}
"""Status and the message's key of the errors that every service has; any other name without a shape is a fault: 500."""


def render_result(model: ServiceModel, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
    """The response for a successful ``operation``; members that are None are left out.

    Status is the operation's, unless the output has a member for it. Raises ValueError for a member that the model
    does not have or an event stream, TypeError for a value of the wrong type.
    """
    response = Response(status=operation.http.response_code, headers={"x-amzn-RequestId": request_id})
    shape = model.output_of(operation)
    if shape is None:
        if values:
            raise ValueError(f"{operation.name} has no output")
        return response
    body: dict[str, Any] = {}
    for name, value in values.items():
        member = shape.members.get(name)
        if member is None:
            raise ValueError(f"{operation.name} has no output member {name}")
        if value is None:
            continue
        if member.location is not None:
            _locate(model, response, name, member, value)
        elif name == shape.payload:
            _put_payload(model, response, member, value)
        else:
            body[member.location_name or name] = to_json(model, member, value)
    if shape.payload is None and response.status not in (204, 304):
        _put_json(response, body)
    return response


def render_error(model: ServiceModel, error: ServiceError, request_id: str) -> Response:
    """The response for ``error``: status, ``x-amzn-ErrorType`` and a body spelt as the error's shape spells it."""
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    shape = model.shapes.get(error.code)
    if shape is None or shape.error is None:
        status, key = _ERRORS_WITHOUT_SHAPE.get(error.code, (500, "message"))
        response = Response(status=status, headers=headers)
        _put_json(response, {**error.fields, key: error.message})
        return response
    response = Response(status=shape.error.http_status_code, headers=headers)
    body: dict[str, Any] = {}
    if "Type" in shape.members:
        body["Type"] = "User" if shape.error.sender_fault else "Service"
    for name, value in error.fields.items():
        member = shape.members.get(name)
        if member is not None and member.location is not None:
            _locate(model, response, name, member, value)
        else:
            body[name] = value
    body["Message" if "Message" in shape.members else "message"] = error.message
    _put_json(response, body)
    return response


def _put_json(response: Response, body: Mapping[str, Any]) -> None:
    response.headers["Content-Type"] = _JSON
    response.body = msgspec.json.encode(body)


def _put_payload(model: ServiceModel, response: Response, member: Member, value: Any) -> None:
    """Make one member the whole body."""
    shape = model.shapes[member.shape]
    if shape.eventstream:
        raise ValueError(f"{member.shape} is an event stream")
    if shape.type in ("blob", "string"):
        response.body = value.encode() if isinstance(value, str) else bytes(value)
        response.headers.setdefault("Content-Type", _JSON)
    else:
        _put_json(response, to_json(model, member, value))


def _locate(model: ServiceModel, response: Response, name: str, member: Member, value: Any) -> None:
    """Put a member that does not travel in the body into the status or the headers."""
    key = member.location_name or name
    if member.location == "statusCode":
        response.status = value
    elif member.location == "headers":
        response.headers.update({key + suffix: text for suffix, text in value.items()})
    elif member.jsonvalue:
        response.headers[key] = base64.b64encode(msgspec.json.encode(value)).decode()
    else:
        response.headers[key] = _to_text(model, member, value)


def _to_text(model: ServiceModel, member: Member, value: Any) -> str:
    """A value as a header."""
    shape = model.shapes[member.shape]
    match shape.type:
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return timestamps.render(value, member.timestamp_format or shape.timestamp_format or "rfc822")
        case "blob":
            return base64.b64encode(value).decode()
        case "list" if shape.member is not None:
            part = shape.member
            return ",".join(_to_text(model, part, element) for element in value)
        case _:
            return str(value)


def to_json(model: ServiceModel, member: Member, value: Any) -> Any:
    """A value as JSON; raises TypeError if it is not of the member's type."""
    shape = model.shapes[member.shape]
    match shape.type:
        case "structure" if isinstance(value, Mapping):
            return _structure_to_json(model, member, shape, cast("Mapping[str, Any]", value))
        case "map" if isinstance(value, Mapping) and shape.value is not None:
            entries, part = cast("Mapping[str, Any]", value), shape.value
            return {key: to_json(model, part, element) for key, element in entries.items()}
        case "list" if isinstance(value, list | tuple) and shape.member is not None:
            elements, part = cast("list[Any] | tuple[Any, ...]", value), shape.member
            return [to_json(model, part, element) for element in elements]
        case "blob" if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        case "timestamp" if isinstance(value, datetime):
            form = member.timestamp_format or shape.timestamp_format or "unixTimestamp"
            return timestamps.epoch(value) if form == "unixTimestamp" else timestamps.render(value, form)
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" | "long" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "float" | "double" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "string" if isinstance(value, str):
            return value
        case _:
            raise TypeError(f"{type(cast('object', value)).__name__} is no {shape.type} ({member.shape})")


def _structure_to_json(model: ServiceModel, member: Member, shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise ValueError(f"{member.shape} has no member {', '.join(sorted(unknown))}")
    return {
        shape.members[name].location_name or name: to_json(model, shape.members[name], part)
        for name, part in value.items()
        if part is not None
    }
