"""From a whole request for an API of midge's own to an operation and back: routing, parsing, constraints, the call, rendering.

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
from midge.wire.protocols import wire_of


class Operations(Protocol):
    """Performs an operation of the API, by its name. Raises ServiceError."""

    def __call__(
        self, operation: str, values: Mapping[str, Any], *, account: str, region: str, request_id: str, base_url: str
    ) -> Awaitable[Mapping[str, Any]]: ...


class ControlPlane:
    """Answers requests for one API, but for Lambda's invocations, which the listener begins itself."""

    def __init__(
        self,
        model: ServiceModel,
        operations: Operations,
        ids: RequestIds,
        *,
        account: str,
        region: str,
        address: str,
        invalid: str = "ValidationException",
    ) -> None:
        """``account``, ``region`` and ``address`` (host and port) stand in where a request names none.

        ``invalid`` is the service's error for input that breaks the model's constraints. Raises ValueError for a model
        in a protocol that midge does not speak.
        """
        self._model = model
        self._wire = wire_of(model)
        self._invalid = invalid
        self._operations = operations
        self._ids = ids
        self._account = account
        self._region = region
        self._address = address

    async def __call__(self, request: Request, scope: Scope | None) -> Response:
        """The response to ``request``; errors of the API are responses as well."""
        request_id = self._ids.request_id().decode("ascii")
        try:
            match = self._wire.match(request)
            values = parse_request(self._model, match, request)
            constraints.check(self._model, match.operation, values, self._invalid)
            result = await self._operations(
                match.operation.name,
                values,
                account=self._account if scope is None else scope.account(self._account),
                region=self._region if scope is None else scope.region,
                request_id=request_id,
                base_url=f"http://{request.headers.get('host') or self._address}",
            )
            return self._wire.result(match.operation, result, request_id)
        except ServiceError as error:
            return self._wire.error(error, request_id)

    def error(self, error: ServiceError) -> Response:
        """The response for an error met outside of an operation."""
        return self._wire.error(error, self._ids.request_id().decode("ascii"))
