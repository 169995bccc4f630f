"""Published versions: immutable copies of $LATEST, numbered.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html and configuration-versions.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import configuration, listing, states
from midge.api.control_plane import ControlPlane, new_revision
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.model.errors import invalid_parameter, stale_revision
from midge.model.functions import FunctionVersion
from midge.store.port import Scope


async def publish_version(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """A new version of what $LATEST is, or the newest one if nothing has changed since."""
    function = resolve_function("PublishVersion", values["FunctionName"], context)
    lock = plane.locks.of(function)
    async with lock:
        latest = await plane.latest(function)
        states.refuse_while_busy(latest)
        if values.get("RevisionId") not in (None, "", latest.revision_id):
            raise stale_revision()
        sha256 = values.get("CodeSha256")
        if sha256 and sha256 != latest.code.sha256:
            raise invalid_parameter(
                f"CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST ({latest.code.sha256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        published = await publish(plane, latest, description=values.get("Description"))
    return configuration.render(published, published.version)


async def publish(plane: ControlPlane, latest: FunctionVersion, *, description: str | None) -> FunctionVersion:
    """Publish ``latest`` as the store now holds it; the caller holds the function's lock."""
    source = configuration.fingerprint(latest)
    newest = await plane.services.store.newest_version(latest.function)
    if newest is not None and newest.published_from == source:
        return newest
    await plane.check_code_storage(latest.function.account, latest.function.region, latest.code.size_bytes)
    settled = latest.settled and not latest.snap_start
    draft = replace(
        latest,
        revision_id=new_revision(),
        description=latest.description if description is None else description,
        published_from=source,
    )
    draft = states.ready(draft, draft.revision_id)
    if not settled:
        draft = states.pending(draft)
    published = await plane.services.store.publish_version(draft, latest.revision_id)
    plane.codes.use_version(published)
    plane.services.put_in_router(published)
    if not settled:
        plane.preparation.begin(published)
    return published


async def list_versions_by_function(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """$LATEST first, then by number; every ARN is qualified."""
    services = plane.services
    function = resolve_function("ListVersionsByFunction", values["FunctionName"], context)
    await plane.latest(function)
    scope = Scope(account=function.account, region=function.region, name=function.name)
    found = await services.store.list_versions(
        scope, listing.marker(values), listing.page_size(values, services.limits)
    )
    items = [configuration.render_listed(version, version.version) for version in found.items]
    return listing.page("Versions", items, found.next_marker)
