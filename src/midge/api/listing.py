"""How listings are paged: at most 50 items at a time, whatever the caller asks for.

Source: ``MaxItems`` on https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.services import ApiServices
from midge.model.limits import Limits
from midge.store.paging import Page
from midge.store.port import R, ResourceScope


def page_size(values: Mapping[str, Any], limits: Limits) -> int:
    """How many items to show."""
    return min(values.get("MaxItems") or limits.list_items, limits.list_items)


def marker(values: Mapping[str, Any]) -> str | None:
    """Where to continue; an empty marker is none."""
    return values.get("Marker") or None


def page(name: str, items: list[dict[str, Any]], next_marker: str | None) -> dict[str, Any]:
    """The answer of a listing whose items are called ``name``."""
    return {name: items} if next_marker is None else {name: items, "NextMarker": next_marker}


async def resources(services: ApiServices, kind: type[R], scope: ResourceScope, values: Mapping[str, Any]) -> Page[R]:
    """The page of resources that a request for a listing asks for. Raises BadMarkerError."""
    return await services.store.list_resources(kind, scope, marker(values), page_size(values, services.limits))
