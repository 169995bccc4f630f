"""The protocol ``smithy-rpc-v2-cbor``: the operation in the path, everything else in one map of CBOR.

Source: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from midge.model.errors import ServiceError
from midge.wire import cbor
from midge.wire.messages import Request, Response
from midge.wire.model import Member, Operation, ServiceModel
from midge.wire.parsing import parse_document
from midge.wire.query import query_error
from midge.wire.routing import Match

_PATH = re.compile(r"(?:/.*)?/service/(?P<service>[A-Za-z0-9_.]+)/operation/(?P<operation>[A-Za-z0-9_]+)")
_HEADERS = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}


class RpcV2Cbor:
    """One service's side of the protocol: see ``protocols.Wire``."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model

    def match(self, request: Request) -> Match:
        """See ``Wire``."""
        found = _PATH.fullmatch(request.path)
        operation = None if found is None else self._model.operations.get(found["operation"])
        if request.method != "POST" or operation is None:
            raise ServiceError("UnknownOperationException", "")
        return Match(operation=operation, labels={})

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """See ``Wire``."""
        if not request.body:
            return {}
        try:
            document = cbor.decode(request.body)
        except cbor.CborError as error:
            raise ServiceError("SerializationException", f"The request body is not valid CBOR: {error}") from None
        return parse_document(self._model, match.operation, document)

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """See ``Wire``."""
        headers = {"x-amzn-RequestId": request_id, **_HEADERS}
        shape = self._model.output_of(operation)
        if shape is None:
            return Response(headers=headers, body=cbor.encode({}))
        members = shape.members
        document = {
            name: _value(self._model, members[name], value) for name, value in values.items() if value is not None
        }
        return Response(headers=headers, body=cbor.encode(document))

    def error(self, error: ServiceError, request_id: str) -> Response:
        """See ``Wire``."""
        told = query_error(self._model, error)
        body = {"__type": error.code, "message": error.message, **error.fields}
        headers = {"x-amzn-RequestId": request_id, "x-amzn-query-error": f"{told.code};{told.fault}", **_HEADERS}
        return Response(status=told.status, headers=headers, body=cbor.encode(body))


def _value(model: ServiceModel, member: Member, value: Any) -> Any:
    """A value with the types of CBOR: whole numbers of a double are floats all the same."""
    shape = model.shapes[member.shape]
    match shape.type:
        case "structure":
            parts = cast("Mapping[str, Any]", value)
            return {name: _value(model, shape.members[name], part) for name, part in parts.items() if part is not None}
        case "list" if shape.member is not None:
            part = shape.member
            return [_value(model, part, element) for element in value]
        case "map" if shape.value is not None:
            part = shape.value
            return {key: _value(model, part, element) for key, element in cast("Mapping[str, Any]", value).items()}
        case "double" | "float":
            return float(value)
        case "timestamp" if not isinstance(value, datetime):
            raise TypeError(f"{member.shape} is a time")
        case _:
            return value
