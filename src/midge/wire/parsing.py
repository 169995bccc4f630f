"""From an HTTP request to an operation's input: a dict of AWS member names to Python values.

Owns the reading of labels, query, headers and a JSON body, as rest-json has them and, all in the body, ``json``; and the
refusal of JSON of the wrong type. Whether the
values are allowed is ``constraints``' question. Blobs become bytes, timestamps aware datetimes in UTC; members that
the model does not have are ignored, as AWS ignores them; nulls are left out of structures.
Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec

from midge.model.errors import ServiceError
from midge.wire import timestamps
from midge.wire.messages import Request
from midge.wire.model import Member, Operation, ServiceModel, Shape
from midge.wire.routing import Match

_MISSING = object()


def parse_request(model: ServiceModel, match: Match, request: Request) -> dict[str, Any]:
    """The input of the operation that ``match`` names, with only the members that were given.

    Raises ``ServiceError`` SerializationException for a body that is no JSON or has a value of the wrong type.
    """
    shape = model.input_of(match.operation)
    if shape is None:
        return {}
    values: dict[str, Any] = {}
    query: dict[str, list[str]] | None = None
    in_body: list[tuple[str, Member]] = []
    for name, member in shape.members.items():
        if member.location is None:
            in_body.append((name, member))
            continue
        if member.location == "querystring" and query is None:
            query = parse_qs(request.query, keep_blank_values=True) if request.query else {}
        value = _located(model, member, member.location_name or name, (match.labels, query or {}, request.headers))
        if value is not _MISSING:
            values[name] = value
    if shape.payload is not None:
        _read_payload(model, shape, shape.payload, request.body, values)
    elif in_body and request.body:
        document = _decode(request.body)
        if document is not None:
            fields = _object(document)
            for name, member in in_body:
                raw = fields.get(member.location_name or name)
                if raw is not None:
                    values[name] = _from_json(model, member, raw)
    return values


def parse_document(model: ServiceModel, operation: Operation, document: Any) -> dict[str, Any]:
    """The input of an operation that is one document, of JSON's types or with bytes and datetimes of its own.

    Raises ``ServiceError`` SerializationException for a value of the wrong type.
    """
    shape = model.input_of(operation)
    if shape is None or document is None:
        return {}
    fields = _object(document)
    given = ((name, member, fields.get(member.location_name or name)) for name, member in shape.members.items())
    return {name: _from_json(model, member, raw) for name, member, raw in given if raw is not None}


def _located(
    model: ServiceModel,
    member: Member,
    key: str,
    sources: tuple[Mapping[str, str], Mapping[str, list[str]], Mapping[str, str]],
) -> Any:
    """The value of a member that does not travel in the body, or ``_MISSING``; sources are labels, query, headers."""
    labels, query, headers = sources
    shape = model.shapes[member.shape]
    if member.location == "uri":
        return _from_text(member, shape, labels[key], "iso8601") if key in labels else _MISSING
    if member.location == "querystring":
        return _from_query(model, member, shape, query, key)
    if member.location == "header":
        text = headers.get(key.lower())
        return _MISSING if text is None else _from_header(model, member, shape, text)
    prefix = key.lower()
    found = {name[len(prefix) :]: text for name, text in headers.items() if name.startswith(prefix)}
    return found or _MISSING


def _from_query(model: ServiceModel, member: Member, shape: Shape, query: Mapping[str, list[str]], key: str) -> Any:
    if shape.type == "map":
        return {name: texts[0] for name, texts in query.items()} or _MISSING
    texts = query.get(key)
    if texts is None:
        return _MISSING
    if shape.type == "list" and shape.member is not None:
        element = model.shapes[shape.member.shape]
        return [_from_text(shape.member, element, text, "iso8601") for text in texts]
    return _from_text(member, shape, texts[0], "iso8601")


def _from_header(model: ServiceModel, member: Member, shape: Shape, text: str) -> Any:
    if member.jsonvalue:
        return _decode(_from_base64(text))
    if shape.type == "list" and shape.member is not None:
        element = model.shapes[shape.member.shape]
        return [_from_text(shape.member, element, item.strip(), "rfc822") for item in text.split(",")]
    return _from_text(member, shape, text, "rfc822")


def _from_text(member: Member, shape: Shape, text: str, timestamp_format: str) -> Any:
    """A scalar out of a label, a query parameter or a header."""
    try:
        match shape.type:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "timestamp":
                return timestamps.parse(text, member.timestamp_format or shape.timestamp_format or timestamp_format)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "blob":
                return _from_base64(text)
            case _:
                return text
    except (ValueError, KeyError):
        raise _not_convertible("STRING_VALUE", shape) from None


def _read_payload(model: ServiceModel, shape: Shape, name: str, body: bytes, values: dict[str, Any]) -> None:
    """Put the member that is the whole body into ``values``; an empty body is a member that was not given."""
    if not body:
        return
    member = shape.members[name]
    target = model.shapes[member.shape]
    if target.type == "blob":
        values[name] = body
    elif target.type == "string":
        values[name] = body.decode(errors="replace")
    else:
        document = _decode(body)
        if document is not None:
            values[name] = _from_json(model, member, document)


def _from_json(model: ServiceModel, member: Member, value: Any) -> Any:
    """A JSON value, not null, as the Python value of a member. Raises SerializationException if the types differ."""
    shape = model.shapes[member.shape]
    match shape.type:
        case "string" if type(value) is str:
            return value
        case "integer" | "long" if type(value) is int or (type(value) is float and value.is_integer()):
            return int(value)
        case "float" | "double" if type(value) in (int, float):
            return float(value)
        case "boolean" if type(value) is bool:
            return value
        case "structure":
            fields = _object(value)
            given = ((name, part, fields.get(part.location_name or name)) for name, part in shape.members.items())
            return {name: _from_json(model, part, raw) for name, part, raw in given if raw is not None}
        case "map" if shape.value is not None:
            part = shape.value
            return {key: None if raw is None else _from_json(model, part, raw) for key, raw in _object(value).items()}
        case "list" if shape.member is not None:
            part = shape.member
            return [None if raw is None else _from_json(model, part, raw) for raw in _array(value)]
        case "blob" if isinstance(value, bytes):
            return value
        case "blob" if type(value) is str:
            return _from_base64(value)
        case "timestamp" if isinstance(value, datetime):
            return value
        case "timestamp" if type(value) in (int, float, str):
            return _timestamp(member, shape, value)
        case _:
            raise _not_convertible(_token(value), shape)


def _timestamp(member: Member, shape: Shape, value: float | str) -> Any:
    try:
        if isinstance(value, str):
            return timestamps.parse(value, member.timestamp_format or shape.timestamp_format or "iso8601")
        return timestamps.from_epoch(value)
    except ValueError:
        raise _not_convertible(_token(value), shape) from None


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        detail = f"Could not parse request body into json: {failure}"
        raise ServiceError("SerializationException", detail) from None


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ServiceError("SerializationException", "STRING_VALUE can not be converted to a Blob") from None


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    if isinstance(value, list):
        raise ServiceError("SerializationException", "Start of list found where not expected")
    raise ServiceError("SerializationException", "Expected map or null")


def _array(value: Any) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    if isinstance(value, dict):
        raise ServiceError("SerializationException", "Start of structure or map found where not expected.")
    raise ServiceError("SerializationException", "Expected list or null")


_NOUNS = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "blob": "a Blob",
    "timestamp": "a Timestamp",
}


def _token(value: Any) -> str:
    """AWS's name for the kind of a JSON value."""
    match value:
        case bool():
            return "TRUE_VALUE" if value else "FALSE_VALUE"
        case int():
            return "NUMBER_VALUE"
        case float():
            return "DECIMAL_VALUE"
        case str():
            return "STRING_VALUE"
        case list():
            return "START_ARRAY"
        case _:
            return "START_OBJECT"


def _not_convertible(token: str, shape: Shape) -> ServiceError:
    if token == "START_ARRAY":  # noqa: S105 - a JSON token
        return ServiceError("SerializationException", "Start of list found where not expected")
    if token == "START_OBJECT":  # noqa: S105 - a JSON token
        return ServiceError("SerializationException", "Start of structure or map found where not expected.")
    return ServiceError("SerializationException", f"{token} can not be converted to {_NOUNS[shape.type]}")
