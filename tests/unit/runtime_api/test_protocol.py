"""The Runtime API's table, walked as the full product of state and call."""

import pytest

from midge.runtime_api.protocol import TABLE, Call, RuntimeState, refusal

S, C = RuntimeState, Call
ALLOWED = {
    (S.STARTED, C.NEXT): S.READY,
    (S.STARTED, C.INIT_ERROR): S.INIT_ERROR,
    (S.STARTED, C.RESTORE): S.RESTORING,
    (S.RESTORING, C.NEXT): S.READY,
    (S.RESTORING, C.RESTORE_ERROR): S.INIT_ERROR,
    (S.READY, C.EVENT): S.RUNNING,
    (S.READY, C.HANG_UP): S.RESPONSE_SENT,
    (S.RUNNING, C.RESPONSE): S.RESPONSE_SENT,
    (S.RUNNING, C.ERROR): S.ERROR_SENT,
    (S.RUNNING, C.STREAM): S.STREAMING,
    (S.STREAMING, C.STREAM_END): S.RESPONSE_SENT,
    (S.STREAMING, C.STREAM_ERROR): S.ERROR_SENT,
    (S.RESPONSE_SENT, C.NEXT): S.READY,
    (S.ERROR_SENT, C.NEXT): S.READY,
}


@pytest.mark.parametrize("state", RuntimeState)
@pytest.mark.parametrize("call", Call)
def test_every_pair_is_allowed_or_refused_as_listed(state: RuntimeState, call: Call) -> None:
    """Every pair of state and call leads where it should, and every pair not listed is refused."""
    assert TABLE[state][call] == ALLOWED.get((state, call))


def test_nothing_leads_out_of_a_failed_initialisation() -> None:
    """A runtime that has reported an init error is refused everything."""
    assert set(TABLE[S.INIT_ERROR]) == {None}


def test_refusals_name_both_states() -> None:
    """A refusal says from where to where the runtime wanted to go."""
    kind, message = refusal(S.STARTED, C.RESPONSE)
    assert kind == "InvalidStateTransition"
    assert "from Started to InvocationResponse" in message
