"""The APIs that midge answers itself, by the service that a request is signed for.

A request that is not signed and still came here has one of Lambda's paths.
"""

from collections.abc import Awaitable, Mapping
from typing import Protocol

from midge.http.ports import ApiHandler, Scope
from midge.wire.messages import Request, Response


class SharedApi(Protocol):
    """An ``ApiHandler`` that performs some of a service's operations."""

    def __call__(self, request: Request, scope: Scope | None, /) -> Awaitable[Response]: ...

    def owns(self, request: Request) -> bool:
        """Whether ``request`` is for one of these."""
        ...


class Apis:
    """An ``ApiHandler`` that hands each request to its service's; to ``default`` where none has it."""

    def __init__(
        self, default: ApiHandler, others: Mapping[str, ApiHandler], shared: Mapping[str, SharedApi] | None = None
    ) -> None:
        """``others``, and those that are ``shared`` with other services, by the name in credential scopes."""
        self._default = default
        self._shared = shared or {}
        self._others = {**others, **self._shared}

    def owns(self, request: Request, scope: Scope | None) -> bool:
        """Whether a request for a service that is shared is for one of our operations."""
        return scope is not None and self._shared[scope.service].owns(request)

    async def __call__(self, request: Request, scope: Scope | None) -> Response:
        """The response to ``request``; errors of the API are responses as well."""
        handler = self._default if scope is None else self._others.get(scope.service, self._default)
        return await handler(request, scope)
