"""The APIs that midge answers itself, by the service that a request is signed for.

A request that is not signed and still came here has one of Lambda's paths.
"""

from collections.abc import Mapping

from midge.http.ports import ApiHandler, Scope
from midge.wire.messages import Request, Response


class Apis:
    """An ``ApiHandler`` that hands each request to its service's; to ``default`` where none has it."""

    def __init__(self, default: ApiHandler, others: Mapping[str, ApiHandler]) -> None:
        """``others`` by the service's name in credential scopes."""
        self._default = default
        self._others = others

    async def __call__(self, request: Request, scope: Scope | None) -> Response:
        """The response to ``request``; errors of the API are responses as well."""
        handler = self._default if scope is None else self._others.get(scope.service, self._default)
        return await handler(request, scope)
