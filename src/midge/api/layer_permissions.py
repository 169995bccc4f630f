"""The policy of a layer version: which other accounts may use it. Obeyed where a layer is looked at or used.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_AddLayerVersionPermission.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api.control_plane import ControlPlane, new_revision
from midge.api.layer_names import check_number
from midge.api.layers import own_layer
from midge.api.services import CallContext
from midge.api.statements import as_text, check_size, render_document, render_statement, statement_of
from midge.model.errors import ServiceError, conflict, stale_revision
from midge.model.layers import LayerId, LayerVersion


def _not_there(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, Type="User")


def _resolve(action: str, values: Mapping[str, Any], context: CallContext) -> LayerId:
    layer = own_layer(action, values["LayerName"], context)
    check_number(values["VersionNumber"])
    return layer


async def _version(plane: ControlPlane, layer: LayerId, number: int) -> LayerVersion:
    found = await plane.services.store.layer_version(layer, number)
    if found is None:
        raise _not_there(f"Layer version {layer.version_arn(number)} does not exist.")
    return found


def _check_revision(values: Mapping[str, Any], version: LayerVersion) -> None:
    if values.get("RevisionId") not in (None, "", version.revision_id):
        raise stale_revision("GetLayerPolicy")


async def add_layer_version_permission(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers the statement as JSON, and the policy's new revision."""
    layer = _resolve("AddLayerVersionPermission", values, context)
    statement = statement_of({**values, "PrincipalOrgID": values.get("OrganizationId")})
    lock = plane.layer_locks.of(layer)
    async with lock:
        current = await _version(plane, layer, values["VersionNumber"])
        _check_revision(values, current)
        if any(statement.sid == other.sid for other in current.statements):
            raise conflict(
                f"The statement id ({statement.sid}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement."
            )
        changed = replace(current, statements=(*current.statements, statement), revision_id=new_revision())
        check_size(render_document(changed.statements, changed.arn), plane.services.limits)
        await plane.services.store.replace_layer_version(changed, current.revision_id)
    return {"Statement": as_text(render_statement(statement, changed.arn)), "RevisionId": changed.revision_id}


async def remove_layer_version_permission(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """With its last statement a policy is gone. Functions that have the layer keep it."""
    layer = _resolve("RemoveLayerVersionPermission", values, context)
    lock = plane.layer_locks.of(layer)
    async with lock:
        current = await _version(plane, layer, values["VersionNumber"])
        if not current.statements:
            raise _not_there("No policy is associated with the given resource.")
        sid = values["StatementId"]
        left = tuple(statement for statement in current.statements if statement.sid != sid)
        if left == current.statements:
            raise _not_there(f"Statement {sid} is not found in resource policy.")
        _check_revision(values, current)
        changed = replace(current, statements=left, revision_id=new_revision() if left else "")
        await plane.services.store.replace_layer_version(changed, current.revision_id)
    return {}


async def get_layer_version_policy(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    layer = _resolve("GetLayerVersionPolicy", values, context)
    version = await _version(plane, layer, values["VersionNumber"])
    if not version.statements:
        raise _not_there("No policy is associated with the given resource.")
    return {"Policy": render_document(version.statements, version.arn), "RevisionId": version.revision_id}
