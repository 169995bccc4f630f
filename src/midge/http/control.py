"""From a whole request for the Lambda API to an operation and back: routing, parsing, constraints, the call, rendering.

Knows the order of these steps and none of their details; what an operation does is ``api``'s.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from midge.http.ports import Scope
from midge.invoke.request_ids import RequestIds
from midge.model.errors import ServiceError
from midge.wire import constraints
from midge.wire.messages import Request, Response
from midge.wire.model import ServiceModel
from midge.wire.parsing import parse_request
from midge.wire.rendering import render_error, render_result
from midge.wire.routing import Router, unknown_operation


class Operations(Protocol):
    """Performs an operation of the API, by its name. Raises ServiceError."""

    def __call__(
        self, operation: str, values: Mapping[str, Any], *, account: str, region: str, request_id: str, base_url: str
    ) -> Awaitable[Mapping[str, Any]]: ...


class ControlPlane:
    """Answers requests for the Lambda API, but for invocations, which the listener begins itself."""

    def __init__(
        self,
        model: ServiceModel,
        operations: Operations,
        ids: RequestIds,
        *,
        account: str,
        region: str,
        address: str,
    ) -> None:
        """``account``, ``region`` and ``address`` (host and port) stand in where a request names none."""
        self._model = model
        self._router = Router(model)
        self._operations = operations
        self._ids = ids
        self._account = account
        self._region = region
        self._address = address

    async def __call__(self, request: Request, scope: Scope | None) -> Response:
        """The response to ``request``; errors of the API are responses as well."""
        request_id = self._ids.request_id().decode("ascii")
        try:
            match = self._router.match(request.method, request.path, request.query)
            if match is None:
                raise unknown_operation()
            values = parse_request(self._model, match, request)
            constraints.check(self._model, match.operation, values)
            result = await self._operations(
                match.operation.name,
                values,
                account=self._account if scope is None else scope.account(self._account),
                region=self._region if scope is None else scope.region,
                request_id=request_id,
                base_url=f"http://{request.headers.get('host') or self._address}",
            )
            return render_result(self._model, match.operation, result, request_id)
        except ServiceError as error:
            return render_error(self._model, error, request_id)

    def error(self, error: ServiceError) -> Response:
        """The response for an error met outside of an operation."""
        return render_error(self._model, error, self._ids.request_id().decode("ascii"))
