"""The Extensions API's table, walked as the full product of state and call."""

import pytest

from midge.runtime_api.extension_protocol import ALIVE, TABLE, ExtensionCall, ExtensionState, refusal

S, C = ExtensionState, ExtensionCall
ALLOWED = {
    S.STARTED: {C.REGISTER: S.REGISTERED, C.LAUNCH_FAILED: S.LAUNCH_ERROR, C.EXIT: S.EXITED},
    S.REGISTERED: {C.NEXT: S.READY, C.INIT_ERROR: S.INIT_ERROR, C.EXIT_ERROR: S.EXIT_ERROR, C.EXIT: S.EXITED},
    S.READY: {C.EVENT: S.RUNNING, C.HANG_UP: S.RUNNING, C.EXIT_ERROR: S.EXIT_ERROR, C.EXIT: S.EXITED},
    S.RUNNING: {C.NEXT: S.READY, C.EXIT_ERROR: S.EXIT_ERROR, C.EXIT: S.EXITED},
    S.INIT_ERROR: {C.INIT_ERROR: S.INIT_ERROR, C.EXIT: S.INIT_ERROR},
    S.EXIT_ERROR: {C.EXIT_ERROR: S.EXIT_ERROR, C.EXIT: S.EXIT_ERROR},
    S.LAUNCH_ERROR: {},
    S.EXITED: {},
}


@pytest.mark.parametrize("state", ExtensionState)
@pytest.mark.parametrize("call", ExtensionCall)
def test_every_pair_is_allowed_or_refused_as_listed(state: ExtensionState, call: ExtensionCall) -> None:
    """Every pair of state and call leads where it should, and every pair not listed is refused."""
    assert TABLE[state][call] == ALLOWED[state].get(call)


def test_nothing_leads_back_to_life() -> None:
    """An extension that has failed or ended is none that the platform counts on, whatever it calls."""
    gone = [state for state in S if state not in ALIVE]
    assert not any(after in ALIVE for state in gone for after in TABLE[state])


def test_refusals_name_both_states() -> None:
    """A refusal says which extension wanted to go from where to where, in AWS's words."""
    kind, message = refusal(S.STARTED, C.NEXT, "watcher")
    assert kind == "Extension.InvalidExtensionState"
    assert message == (
        "State transition from Started to Ready failed for extension watcher. Error: State transition is not allowed"
    )
