"""Resource policies as whole documents; the same policies that AddPermission makes. Kept; nothing evaluates them yet.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutResourcePolicy.html and its neighbours
"""

from collections.abc import Mapping
from typing import Any

from midge.api.control_plane import ControlPlane, new_revision
from midge.api.functions import find
from midge.api.names import Named, resolve
from midge.api.permissions import policy_of
from midge.api.policy_documents import parse_policy
from midge.api.services import CallContext
from midge.api.statements import check_size, render_policy
from midge.model.errors import ServiceError, invalid_parameter, not_supported, stale_revision
from midge.model.functions import LATEST
from midge.model.policies import ResourcePolicy


def _resolve(action: str, values: Mapping[str, Any], context: CallContext) -> Named:
    arn: str = values["ResourceArn"]
    if ":function:" not in arn:
        raise not_supported("resource policies of custom runtimes")
    named = resolve(action, arn, None, context)
    if named.qualifier == LATEST:
        raise invalid_parameter("We currently do not support adding policies for $LATEST.")
    return named


def _render(policy: ResourcePolicy) -> dict[str, Any]:
    return {"Policy": render_policy(policy), "RevisionId": policy.revision_id}


def _none() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


async def put_resource_policy(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Replaces every statement there was."""
    named = _resolve("PutResourcePolicy", values, context)
    name, statements = parse_policy(values["Policy"], named.arn)
    lock = plane.locks.of(named.function)
    async with lock:
        await find(plane, named)
        current = await policy_of(plane, named)
        _check_revision(values, current)
        changed = ResourcePolicy(
            function=named.function,
            qualifier=named.qualifier,
            statements=statements,
            revision_id=new_revision(),
            id=name,
        )
        check_size(render_policy(changed), plane.services.limits)
        await plane.services.store.put_resource(changed)
        if current is None:
            plane.say_kept(named.function.arn, ["Policy"])
    return _render(changed)


def _check_revision(values: Mapping[str, Any], current: ResourcePolicy | None) -> None:
    wanted = values.get("RevisionId")
    if wanted is not None and (current is None or wanted != current.revision_id):
        raise stale_revision("GetResourcePolicy")


async def get_resource_policy(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    named = _resolve("GetResourcePolicy", values, context)
    await find(plane, named)
    found = await policy_of(plane, named)
    if found is None:
        raise _none()
    return _render(found)


async def delete_resource_policy(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = _resolve("DeleteResourcePolicy", values, context)
    lock = plane.locks.of(named.function)
    async with lock:
        await find(plane, named)
        current = await policy_of(plane, named)
        if current is None:
            raise _none()
        _check_revision(values, current)
        await plane.services.store.delete_resource(ResourcePolicy, current.place)
    return {}
