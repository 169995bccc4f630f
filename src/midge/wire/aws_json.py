"""The protocol ``json``: one path, the operation named by ``X-Amz-Target``, everything else in a JSON document.

Reading the document is ``parsing``'s: an operation without located members is all body there. Here are the routing by
header and the answers. The error's name stands in the body, as ``__type``.
Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from midge.model.errors import ServiceError
from midge.wire.messages import Request, Response
from midge.wire.model import Operation, ServiceModel
from midge.wire.parsing import parse_request
from midge.wire.query import query_error
from midge.wire.rendering import to_json
from midge.wire.routing import Match

_CAPITAL_MESSAGE = frozenset({"SerializationException", "AccessDeniedException"})
_STATUS = {"InternalFailure": 500, "ServiceUnavailableException": 503, "RequestEntityTooLargeException": 413}
"""Of errors that are not 400, where the service model does not say."""


class AwsJson:
    """One service's side of the protocol: see ``protocols.Wire``."""

    def __init__(self, model: ServiceModel) -> None:
        """Raises ValueError if the service has no name for its targets."""
        metadata = model.metadata
        if metadata.target_prefix is None or metadata.json_version is None:
            raise ValueError(f"{metadata.service_id} is not asked by X-Amz-Target")
        self._model = model
        self._prefix = metadata.target_prefix + "."
        self._type = f"application/x-amz-json-{metadata.json_version}"

    def match(self, request: Request) -> Match:
        """The operation that ``request`` names. Raises ServiceError UnknownOperationException."""
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(self._prefix)
        operation = self._model.operations.get(name)
        if request.method != "POST" or operation is None or name == target:
            raise ServiceError("UnknownOperationException", "")
        return Match(operation=operation, labels={})

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """See ``Wire``."""
        return parse_request(self._model, match, request)

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """The response for a successful ``operation``; members that are None are left out, no output is an empty body.

        Raises ValueError for a member that the model does not have, TypeError for a value of the wrong type.
        """
        response = Response(headers={"x-amzn-RequestId": request_id, "Content-Type": self._type})
        shape = self._model.output_of(operation)
        if shape is None:
            if values:
                raise ValueError(f"{operation.name} has no output")
            return response
        unknown = values.keys() - shape.members.keys()
        if unknown:
            raise ValueError(f"{operation.name} has no output member {', '.join(sorted(unknown))}")
        members = {name: shape.members[name] for name in values}
        response.body = msgspec.json.encode(
            {
                members[name].location_name or name: to_json(self._model, members[name], value)
                for name, value in values.items()
                if value is not None
            }
        )
        return response

    def error(self, error: ServiceError, request_id: str) -> Response:
        """The response for ``error``: 400, or 500 where the fault is the service's."""
        shape = self._model.shapes.get(error.code)
        if shape is not None and shape.error is not None:
            status = shape.error.http_status_code
        else:
            status = _STATUS.get(error.code, 500 if shape is not None and shape.fault else 400)
        body: dict[str, Any] = {"__type": error.code, **error.fields}
        if error.message:
            body["Message" if error.code in _CAPITAL_MESSAGE else "message"] = error.message
        headers = {"x-amzn-RequestId": request_id, "Content-Type": self._type}
        if self._model.metadata.aws_query_compatible is not None:
            told = query_error(self._model, error)
            headers["x-amzn-query-error"] = f"{told.code};{told.fault}"
        return Response(status=status, headers=headers, body=msgspec.json.encode(body))
