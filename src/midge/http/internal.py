"""midge's own pages below ``/_midge/``: health, metrics, and handlers that others pass in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from midge.http.ports import PageHandler
from midge.observe.metrics import Metrics
from midge.wire.messages import Request, Response


class InternalPages:
    """``pages`` maps the first word behind ``/_midge/`` to a handler of GET and HEAD, ``posts`` to one of every method."""

    def __init__(
        self,
        metrics: Metrics,
        health: Callable[[], Awaitable[Mapping[str, Any]]],
        pages: Mapping[str, PageHandler],
        posts: Mapping[str, PageHandler] | None = None,
    ) -> None:
        """``health`` gives the document of /_midge/health."""
        self._metrics = metrics
        self._health = health
        self._pages = pages
        self._posts = posts or {}

    async def __call__(self, request: Request) -> Response:
        """Answer a request. 404 for pages that do not exist, 405 for other methods."""
        word = request.path.removeprefix("/_midge/").partition("/")[0]
        if word in self._posts:
            return await self._posts[word](request)
        if request.method not in {"GET", "HEAD"}:
            return _json(405, {"message": "Method not allowed"})
        if word == "health":
            return _json(200, await self._health())
        if word == "metrics":
            headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
            return Response(headers=headers, body=self._metrics.render())
        page = self._pages.get(word)
        return await page(request) if page is not None else _json(404, {"message": "Not found"})


def _json(status: int, document: Mapping[str, Any]) -> Response:
    return Response(
        status=status, headers={"Content-Type": "application/json"}, body=msgspec.json.encode(dict(document)) + b"\n"
    )
