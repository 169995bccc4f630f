"""Resource policies of functions, versions and aliases, statement by statement. Kept; nothing evaluates them yet.

A policy has a revision of its own; before there is one, the revision of what it will be attached to counts.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api.control_plane import ControlPlane, new_revision
from midge.api.functions import find
from midge.api.names import Named, resolve
from midge.api.services import CallContext
from midge.api.statements import as_text, check_size, render_policy, render_statement, statement_of
from midge.model.errors import ServiceError, conflict, invalid_parameter, stale_revision
from midge.model.functions import LATEST
from midge.model.policies import ResourcePolicy


def _not_there(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, Type="User")


def _resolve(action: str, values: Mapping[str, Any], context: CallContext) -> Named:
    named = resolve(action, values["FunctionName"], values.get("Qualifier"), context)
    if named.qualifier == LATEST:
        raise invalid_parameter("We currently do not support adding policies for $LATEST.")
    return named


async def policy_of(plane: ControlPlane, named: Named) -> ResourcePolicy | None:
    """The policy of exactly what is named."""
    return await plane.services.store.resource(ResourcePolicy, named.function.place(named.qualifier))


async def _revision(plane: ControlPlane, named: Named) -> str:
    """Of the function, the version or the alias itself. Raises ResourceNotFoundException."""
    alias = None if named.qualifier is None else await plane.services.store.alias(named.function, named.qualifier)
    return (alias or await find(plane, named)).revision_id


async def add_permission(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Answers the statement as JSON."""
    named = _resolve("AddPermission", values, context)
    statement = statement_of(values)
    lock = plane.locks.of(named.function)
    async with lock:
        attached_to = await _revision(plane, named)
        current = await policy_of(plane, named)
        if values.get("RevisionId") not in (None, "", attached_to if current is None else current.revision_id):
            raise stale_revision("GetPolicy")
        statements = () if current is None else current.statements
        if any(statement.sid == other.sid for other in statements):
            raise conflict(
                f"The statement id ({statement.sid}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement."
            )
        changed = replace(
            current
            or ResourcePolicy(function=named.function, qualifier=named.qualifier, statements=(), revision_id=""),
            statements=(*statements, statement),
            revision_id=new_revision(),
        )
        check_size(render_policy(changed), plane.services.limits)
        await plane.services.store.put_resource(changed)
        if current is None:
            plane.say_kept(named.function.arn, ["Policy"])
    return {"Statement": as_text(render_statement(statement, changed.resource))}


async def remove_permission(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """With its last statement a policy is gone."""
    named = _resolve("RemovePermission", values, context)
    store = plane.services.store
    lock = plane.locks.of(named.function)
    async with lock:
        await find(plane, named)
        current = await policy_of(plane, named)
        if current is None:
            raise _not_there("No policy is associated with the given resource.")
        sid = values["StatementId"]
        left = tuple(statement for statement in current.statements if statement.sid != sid)
        if left == current.statements:
            raise _not_there(f"Statement {sid} is not found in resource policy.")
        if values.get("RevisionId") not in (None, "", current.revision_id):
            raise stale_revision("GetPolicy")
        if left:
            await store.put_resource(replace(current, statements=left, revision_id=new_revision()))
        else:
            await store.delete_resource(ResourcePolicy, current.place)
    return {}


async def get_policy(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """The policy of exactly what is named: a function's is not its versions'."""
    named = resolve("GetPolicy", values["FunctionName"], values.get("Qualifier"), context)
    await find(plane, named)
    found = None if named.qualifier == LATEST else await policy_of(plane, named)
    if found is None:
        raise _not_there("The resource you requested does not exist.")
    return {"Policy": render_policy(found), "RevisionId": found.revision_id}
