"""The life of an environment, walked as the full product of state and event."""

import pytest

from midge.invoke.lifecycle import EnvironmentEvent, EnvironmentState, IllegalMoveError, follow

S, E = EnvironmentState, EnvironmentEvent
ALLOWED = {
    S.INIT: {E.NEXT: S.READY, E.FAULT: S.RESET, E.STOP: S.SHUTDOWN, E.EXIT: S.ENDED},
    S.READY: {E.RUN: S.BUSY, E.HANG_UP: S.ANSWERED, E.FAULT: S.RESET, E.STOP: S.SHUTDOWN, E.EXIT: S.ENDED},
    S.BUSY: {E.ANSWER: S.ANSWERED, E.FAULT: S.RESET, E.STOP: S.SHUTDOWN, E.EXIT: S.ENDED},
    S.ANSWERED: {E.NEXT: S.READY, E.FAULT: S.RESET, E.STOP: S.SHUTDOWN, E.EXIT: S.ENDED},
    S.RESET: {E.EXIT: S.ENDED},
    S.SHUTDOWN: {E.EXIT: S.ENDED},
    S.ENDED: {},
}


@pytest.mark.parametrize("state", EnvironmentState)
@pytest.mark.parametrize("event", EnvironmentEvent)
def test_every_pair_is_allowed_or_refused_as_listed(state: EnvironmentState, event: EnvironmentEvent) -> None:
    """Every pair of state and event leads where it should, and every pair not listed is an error."""
    after = ALLOWED[state].get(event)
    if after is None:
        with pytest.raises(IllegalMoveError):
            follow(state, event)
    else:
        assert follow(state, event) is after


def test_every_state_but_the_last_can_end() -> None:
    """A process may end at any time: no state but ENDED refuses it."""
    assert all(E.EXIT in ALLOWED[state] for state in EnvironmentState if state is not S.ENDED)
