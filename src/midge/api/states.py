"""How a version's State and LastUpdateStatus move on. Pure.

Pending -> Active | Failed on creation, InProgress -> Successful | Failed on update; every move makes a new revision.
Source: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from dataclasses import replace

from midge.model.errors import ServiceError, conflict
from midge.model.functions import FunctionVersion

_REASON = "The function is being created."
_CODE = "Creating"


def pending(version: FunctionVersion) -> FunctionVersion:
    """As it is while it is being created."""
    return replace(version, state="Pending", state_reason=_REASON, state_reason_code=_CODE)


def updating(version: FunctionVersion) -> FunctionVersion:
    """As it is while it is being changed. AWS gives the same reason as for a creation."""
    return replace(
        version,
        last_update_status="InProgress",
        last_update_status_reason=_REASON,
        last_update_status_reason_code=_CODE,
    )


def ready(version: FunctionVersion, revision_id: str) -> FunctionVersion:
    """Creation or update has succeeded."""
    return replace(
        version,
        revision_id=revision_id,
        state="Active",
        state_reason=None,
        state_reason_code=None,
        last_update_status="Successful",
        last_update_status_reason=None,
        last_update_status_reason_code=None,
    )


def failed(version: FunctionVersion, revision_id: str, reason: str, code: str) -> FunctionVersion:
    """Creation or update has failed; a function whose update failed stays in the state it was in."""
    if version.state != "Active" or version.last_update_status == "Successful":
        version = replace(version, state="Failed", state_reason=reason, state_reason_code=code)
    return replace(
        version,
        revision_id=revision_id,
        last_update_status="Failed",
        last_update_status_reason=reason,
        last_update_status_reason_code=code,
    )


def refuse_while_busy(version: FunctionVersion) -> None:
    """Raise ResourceConflictException while the function is being created or updated."""
    error = busy(version)
    if error is not None:
        raise error


def busy(version: FunctionVersion) -> ServiceError | None:
    """AWS's refusal of a change to a function that is not at rest; None if it is."""
    if version.state == "Pending":
        return conflict(
            "The operation cannot be performed at this time. "
            f"The function is currently in the following state: {version.state}"
        )
    if version.last_update_status == "InProgress":
        return conflict(
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {version.function.arn}"
        )
    return None
