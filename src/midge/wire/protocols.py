"""Which protocols a service speaks, from its service model: the pieces of this room as one object for each.

The constraints are the same for all of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from midge.model.errors import ServiceError
from midge.wire.aws_json import AwsJson
from midge.wire.messages import Request, Response
from midge.wire.model import Operation, ServiceModel
from midge.wire.parsing import parse_request
from midge.wire.query import Query
from midge.wire.rendering import render_error, render_result
from midge.wire.routing import Match, Router, unknown_operation
from midge.wire.rpc_v2_cbor import RpcV2Cbor


class Wire(Protocol):
    """How one service is asked, and answers."""

    def match(self, request: Request) -> Match:
        """The operation that ``request`` names. Raises ServiceError if it names none."""
        ...

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """The input of the operation that ``match`` names. Raises ServiceError for one that cannot be read."""
        ...

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """The response for a successful ``operation``."""
        ...

    def error(self, error: ServiceError, request_id: str) -> Response:
        """The response for ``error``."""
        ...


class RestJson:
    """The protocol ``rest-json``: operations by method and path."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._router = Router(model)

    def match(self, request: Request) -> Match:
        """See ``Wire``."""
        match = self._router.match(request.method, request.path, request.query)
        if match is None:
            raise unknown_operation()
        return match

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """See ``Wire``."""
        return parse_request(self._model, match, request)

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """See ``Wire``."""
        return render_result(self._model, operation, values, request_id)

    def error(self, error: ServiceError, request_id: str) -> Response:
        """See ``Wire``."""
        return render_error(self._model, error, request_id)


_PROTOCOLS: Mapping[str, Callable[[ServiceModel], Wire]] = {
    "rest-json": RestJson,
    "json": AwsJson,
    "query": Query,
    "smithy-rpc-v2-cbor": RpcV2Cbor,
}


class Wires:
    """Every protocol of a service, and which of them a request speaks."""

    def __init__(self, model: ServiceModel) -> None:
        """Raises ValueError for a model in protocols that midge does not speak."""
        names = model.metadata.protocols or (model.metadata.protocol,)
        self._wires = {name: _PROTOCOLS[name](model) for name in names if name in _PROTOCOLS}
        if not self._wires:
            raise ValueError(f"{model.metadata.service_id} speaks {', '.join(names)}")
        self._usual = next(iter(self._wires.values()))

    def of(self, request: Request) -> Wire:
        """The protocol that ``request`` speaks."""
        if len(self._wires) == 1:
            return self._usual
        if "smithy-protocol" in request.headers:
            name = "smithy-rpc-v2-cbor"
        elif "x-amz-target" in request.headers:
            name = "json"
        else:
            name = "query"
        return self._wires.get(name, self._usual)
