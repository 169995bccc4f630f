"""The protocol ``query``: a form with ``Action`` and dotted names, answered in XML.

Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from midge.model.errors import ServiceError
from midge.wire import timestamps
from midge.wire.messages import Request, Response
from midge.wire.model import Member, Operation, ServiceModel, Shape
from midge.wire.routing import Match

_MOST_FIELDS = 200_000
_MOST_ELEMENTS = 100_000
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STATUS = {"InternalFailure": 500, "ServiceUnavailableException": 503, "RequestEntityTooLargeException": 413}
_Tree = dict[str, "str | _Tree"]


class QueryError(NamedTuple):
    """An error as this protocol names it; ``fault`` is Sender or Receiver."""

    code: str
    fault: str
    status: int


def query_error(model: ServiceModel, error: ServiceError) -> QueryError:
    """The code, which is often not the shape's name, and whose fault it is."""
    shape = model.shapes.get(error.code)
    if shape is None or shape.error is None:
        status = _STATUS.get(error.code, 400)
        return QueryError(error.code, "Receiver" if status >= 500 else "Sender", status)
    trait = shape.error
    return QueryError(trait.code or error.code, "Sender" if trait.sender_fault else "Receiver", trait.http_status_code)


class Query:
    """One service's side of the protocol: see ``protocols.Wire``."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._namespace = model.metadata.xml_namespace or ""

    def match(self, request: Request) -> Match:
        """See ``Wire``."""
        name = dict(_fields(request)).get("Action", "")
        operation = self._model.operations.get(name)
        if operation is None:
            raise ServiceError("InvalidAction", f"Could not find operation {name} for version {self._version}")
        return Match(operation=operation, labels={})

    @property
    def _version(self) -> str:
        return self._model.metadata.api_version

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """See ``Wire``."""
        shape = self._model.input_of(match.operation)
        if shape is None:
            return {}
        tree: _Tree = {}
        for name, value in _fields(request):
            _plant(tree, name, value)
        return self._structure(shape, tree)

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """See ``Wire``."""
        parts = [f'<{operation.name}Response xmlns="{escape(self._namespace)}">']
        shape = self._model.output_of(operation)
        if shape is not None and operation.output is not None:
            wrapper = operation.output.result_wrapper or f"{operation.name}Result"
            parts.append(f"<{wrapper}>")
            self._write_members(shape, values, parts)
            parts.append(f"</{wrapper}>")
        parts.append(
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
        )
        return _xml(200, parts, request_id)

    def error(self, error: ServiceError, request_id: str) -> Response:
        """See ``Wire``."""
        told = query_error(self._model, error)
        parts = [
            f'<ErrorResponse xmlns="{escape(self._namespace)}"><Error><Type>{told.fault}</Type>',
            f"<Code>{_text(told.code)}</Code><Message>{_text(error.message)}</Message></Error>",
            f"<RequestId>{request_id}</RequestId></ErrorResponse>",
        ]
        return _xml(told.status, parts, request_id)

    # reading

    def _structure(self, shape: Shape, tree: _Tree) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, member in shape.members.items():
            raw = tree.get(member.location_name or name)
            if raw is not None:
                values[name] = self._value(member, raw)
        return values

    def _value(self, member: Member, raw: "str | _Tree") -> Any:
        shape = self._model.shapes[member.shape]
        if shape.type == "list" and shape.member is not None:
            if raw == "":
                return []
            name = shape.member.location_name or "member"
            part = shape.member
            return [self._value(part, element) for element in _numbered(raw, None if shape.flattened else name)]
        if shape.type == "map" and shape.key is not None and shape.value is not None:
            entries = _numbered(raw, None if shape.flattened else "entry")
            key, value = shape.key.location_name or "key", shape.value.location_name or "value"
            pairs = [entry for entry in entries if isinstance(entry, dict) and key in entry and value in entry]
            return {str(entry[key]): self._value(shape.value, entry[value]) for entry in pairs}
        if shape.type == "structure":
            return self._structure(shape, _branch(raw))
        if not isinstance(raw, str):
            raise _malformed()
        return _scalar(member, shape, raw)

    # writing

    def _write_members(self, shape: Shape, values: Mapping[str, Any], parts: list[str]) -> None:
        for name, value in values.items():
            if value is not None:
                self._write(shape.members[name], shape.members[name].location_name or name, value, parts)

    def _write(self, member: Member, name: str, value: Any, parts: list[str]) -> None:
        shape = self._model.shapes[member.shape]
        parts.append(f"<{name}>")
        match shape.type:
            case "structure":
                self._write_members(shape, cast("Mapping[str, Any]", value), parts)
            case "list" if shape.member is not None:
                for element in value:
                    self._write(shape.member, shape.member.location_name or "member", element, parts)
            case "map" if shape.key is not None and shape.value is not None:
                for key, element in cast("Mapping[str, Any]", value).items():
                    parts.append("<entry>")
                    self._write(shape.key, shape.key.location_name or "key", key, parts)
                    self._write(shape.value, shape.value.location_name or "value", element, parts)
                    parts.append("</entry>")
            case "timestamp":
                parts.append(timestamps.render(cast("datetime", value), "iso8601"))
            case "boolean":
                parts.append("true" if value else "false")
            case _:
                parts.append(_text(str(value)))
        parts.append(f"</{name}>")


def _fields(request: Request) -> list[tuple[str, str]]:
    text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _malformed() from None


def _plant(tree: _Tree, name: str, value: str) -> None:
    """Put a value where its dotted name says."""
    *path, last = name.split(".", 16)
    for step in path:
        branch = tree.setdefault(step, {})
        if isinstance(branch, str):
            raise _malformed()
        tree = branch
    tree[last] = value


def _branch(raw: "str | _Tree") -> _Tree:
    if isinstance(raw, str):
        if raw:
            raise _malformed()
        return {}
    return raw


def _numbered(raw: "str | _Tree", name: str | None) -> list["str | _Tree"]:
    """The elements of a list, by their numbers."""
    tree = _branch(raw)
    if name is not None:
        tree = _branch(tree.get(name, {}))
    if len(tree) > _MOST_ELEMENTS or not all(key.isascii() and key.isdecimal() and len(key) < 10 for key in tree):
        raise _malformed()
    return [tree[key] for key in sorted(tree, key=int)]


def _scalar(member: Member, shape: Shape, text: str) -> Any:
    try:
        match shape.type:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "blob":
                return base64.b64decode(text, validate=True)
            case "timestamp":
                return timestamps.parse(text, member.timestamp_format or shape.timestamp_format or "iso8601")
            case _:
                return text
    except (ValueError, KeyError):
        raise ServiceError("MalformedInput", f"{text[:100]!r} is no {shape.type}") from None


def _malformed() -> ServiceError:
    return ServiceError("MalformedQueryString", "The query string is malformed.")


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value))


def _xml(status: int, parts: list[str], request_id: str) -> Response:
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "text/xml"}
    return Response(status=status, headers=headers, body="".join(parts).encode())
