"""What is to be known of the environments that are provisioned for a function version."""

from dataclasses import dataclass

from midge.invoke.lifecycle import EnvironmentState

INITIALISED = frozenset({EnvironmentState.READY, EnvironmentState.BUSY, EnvironmentState.ANSWERED})

FAILED_BY_ITSELF = frozenset(
    {
        (EnvironmentState.RESET, EnvironmentState.INIT),
        (EnvironmentState.ENDED, EnvironmentState.INIT),
        (EnvironmentState.RESET, EnvironmentState.READY),
        (EnvironmentState.ENDED, EnvironmentState.READY),
    }
)
"""The state that an environment is in now, and was in before: nobody called, and it is of no use any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedEnvironments:
    """``failed``: the last initialisation did; another attempt follows after a while."""

    available: int
    failed: bool
