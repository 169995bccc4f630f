"""From a whole request for an API of midge's own to an operation and back: routing, parsing, constraints, the call, rendering.

Knows the order of these steps and none of their details; what an operation does is ``api``'s.
"""

from collections.abc import Awaitable, Collection, Mapping
from typing import Any, Protocol

from midge.http.ports import Scope
from midge.invoke.request_ids import RequestIds
from midge.model.errors import ServiceError
from midge.wire import constraints
from midge.wire.compression import unpacked
from midge.wire.messages import Request, Response
from midge.wire.model import ServiceModel
from midge.wire.protocols import Wires


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
        owned: Collection[str] | None = None,
        unpacked_bytes: int = 0,
    ) -> None:
        """``account``, ``region`` and ``address`` (host and port) stand in where a request names none.

        ``invalid`` is the service's error for input that breaks the model's constraints. ``owned`` are the operations
        that are performed here, where the others are somebody else's. A request that is compressed may have
        ``unpacked_bytes``. Raises ValueError for a model in protocols that midge does not speak.
        """
        self._model = model
        self._wires = Wires(model)
        self._owned = owned
        self._unpacked_bytes = unpacked_bytes
        self._invalid = invalid
        self._operations = operations
        self._ids = ids
        self._account = account
        self._region = region
        self._address = address

    async def __call__(self, request: Request, scope: Scope | None) -> Response:
        """The response to ``request``; errors of the API are responses as well."""
        request_id = self._ids.request_id().decode("ascii")
        wire = self._wires.of(request)
        try:
            if self._unpacked_bytes and "content-encoding" in request.headers:
                request = unpacked(request, self._unpacked_bytes)
            match = wire.match(request)
            values = wire.parse(match, request)
            constraints.check(self._model, match.operation, values, self._invalid)
            result = await self._operations(
                match.operation.name,
                values,
                account=self._account if scope is None else scope.account(self._account),
                region=self._region if scope is None else scope.region,
                request_id=request_id,
                base_url=f"http://{request.headers.get('host') or self._address}",
            )
            return wire.result(match.operation, result, request_id)
        except ServiceError as error:
            return wire.error(error, request_id)

    def owns(self, request: Request) -> bool:
        """Whether ``request`` is for an operation that is performed here."""
        if self._owned is None:
            return True
        try:
            whole = unpacked(request, self._unpacked_bytes) if "content-encoding" in request.headers else request
            return self._wires.of(request).match(whole).operation.name in self._owned
        except ServiceError:
            return False

    def error(self, error: ServiceError) -> Response:
        """The response for an error met outside of an operation."""
        return self._wires.of(Request(method="", path="")).error(error, self._ids.request_id().decode("ascii"))
