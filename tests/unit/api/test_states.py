"""State and LastUpdateStatus: every way from one to the next."""

from dataclasses import replace

import pytest

from midge.api import states
from midge.model.functions import LATEST, Code, FunctionId, FunctionVersion, Logging

RESTING = FunctionVersion(
    function=FunctionId(account="000000000000", region="us-east-1", name="f"),
    version=LATEST,
    runtime="python3.12",
    handler="a.b",
    role="r",
    code=Code(digest="d", sha256="s", size_bytes=1),
    logging=Logging(group="g"),
    revision_id="r1",
    last_modified="",
    state="Active",
)
BROKEN = replace(RESTING, state="Failed", last_update_status="Failed")


@pytest.mark.parametrize(
    ("before", "state", "status"),
    [
        (states.pending(RESTING), "Failed", "Failed"),
        (states.updating(RESTING), "Active", "Failed"),
        (states.updating(BROKEN), "Failed", "Failed"),
        (RESTING, "Failed", "Failed"),
    ],
)
def test_failure(before: FunctionVersion, state: str, status: str) -> None:
    """A creation, or a function found broken at rest, ends Failed; a failed update leaves an Active function Active."""
    after = states.failed(before, "r2", "why", "InternalError")
    assert (after.state, after.last_update_status, after.revision_id) == (state, status, "r2")
    assert (after.last_update_status_reason, after.last_update_status_reason_code) == ("why", "InternalError")
    assert (after.state_reason is not None) == (state == "Failed" and before is not BROKEN)


@pytest.mark.parametrize("before", [states.pending(RESTING), states.updating(RESTING), states.updating(BROKEN)])
def test_success(before: FunctionVersion) -> None:
    """Whatever was going on, success ends in Active and Successful without reasons."""
    assert not before.settled
    assert states.busy(before) is not None
    after = states.ready(before, "r1")
    assert after == RESTING
    assert after.settled
    assert states.busy(after) is None


def test_a_broken_function_can_be_changed() -> None:
    """A Failed function is at rest: an update is how it is repaired."""
    assert states.busy(BROKEN) is None
