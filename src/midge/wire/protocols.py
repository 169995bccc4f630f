"""Which protocol a service speaks, from its service model: the pieces of this room as one object for each.

Reading a request's input is the same for all of them (``parsing``), and so are the constraints.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from midge.model.errors import ServiceError
from midge.wire.aws_json import AwsJson
from midge.wire.messages import Request, Response
from midge.wire.model import Operation, ServiceModel
from midge.wire.rendering import render_error, render_result
from midge.wire.routing import Match, Router, unknown_operation


class Wire(Protocol):
    """How one service is asked, and answers."""

    def match(self, request: Request) -> Match:
        """The operation that ``request`` names. Raises ServiceError if it names none."""
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

    def result(self, operation: Operation, values: Mapping[str, Any], request_id: str) -> Response:
        """See ``Wire``."""
        return render_result(self._model, operation, values, request_id)

    def error(self, error: ServiceError, request_id: str) -> Response:
        """See ``Wire``."""
        return render_error(self._model, error, request_id)


_PROTOCOLS = {"rest-json": RestJson, "json": AwsJson}


def wire_of(model: ServiceModel) -> Wire:
    """The protocol of ``model``. Raises ValueError for one that midge does not speak."""
    protocol = _PROTOCOLS.get(model.metadata.protocol)
    if protocol is None:
        raise ValueError(f"{model.metadata.service_id} speaks {model.metadata.protocol}")
    return protocol(model)
