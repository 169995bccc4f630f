"""How the restoration of an environment from its snapshot fails: whoever waits for it is told, and nobody tries again.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-troubleshooting.html
"""

from typing import TypeVar

from midge.invoke.outcome import Failure
from midge.invoke.platform import EnvironmentOwner
from midge.invoke.running import RunningInvocation
from midge.model.errors import ServiceError

_Environment = TypeVar("_Environment")


def fail_restoration(
    owner: EnvironmentOwner[_Environment], running: RunningInvocation[_Environment], failure: Failure, wall: float
) -> None:
    """End the invocation that waits for the environment, if there is one; ``wall`` is the time."""
    invocation = owner.give_up()
    if invocation is None:
        return
    if failure.status == "timeout":
        owner.invocation_ended(invocation, 0.0, error=True, timed_out=True)
        text = "Lambda couldn't restore the snapshot within the timeout limit."
        invocation.done(ServiceError("SnapStartTimeoutException", text, Type="User"))
    else:
        running.fail(invocation, failure.fault_of(invocation.request_id.decode()), wall)
