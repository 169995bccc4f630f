"""The Runtime API's rules, without any I/O: which call a runtime may make when, and what it is told otherwise.

A runtime asks for an event (GET /next), answers it (POST /response or /error) and asks again. Every call is a move in
``TABLE``; a pair of state and call that the table does not hold is refused and changes nothing. The names of the
states in the refusals are those that AWS's own emulator of the runtime interface uses.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from enum import IntEnum


class RuntimeState(IntEnum):
    """Where a runtime stands."""

    STARTED = 0
    """The process runs; it has not asked for an event yet."""
    READY = 1
    """Its GET /next hangs."""
    RUNNING = 2
    """It has an event and owes an answer."""
    RESPONSE_SENT = 3
    """It has answered and not asked again."""
    ERROR_SENT = 4
    """It has answered with an error and not asked again."""
    INIT_ERROR = 5
    """It has reported that it cannot initialise; nothing more is expected of it."""
    STREAMING = 6
    """It has begun to answer, part by part."""
    RESTORING = 7
    """Its GET /restore/next hangs, or has been answered: its hooks run, and it has not asked for an event yet."""


class Call(IntEnum):
    """What moves it: calls of the runtime, and events on our side."""

    NEXT = 0
    RESPONSE = 1
    ERROR = 2
    INIT_ERROR = 3
    EVENT = 4
    """An event is handed to the hanging GET /next."""
    HANG_UP = 5
    """The connection whose GET /next hung is gone."""
    STREAM = 6
    """The first part of a streamed response has come."""
    STREAM_END = 7
    """It has come to its end."""
    STREAM_ERROR = 8
    """It has broken off, or ended with an error."""
    RESTORE = 9
    """GET /restore/next, under SnapStart."""
    RESTORE_ERROR = 10


_S, _C = RuntimeState, Call
_ALLOWED: dict[tuple[RuntimeState, Call], RuntimeState] = {
    (_S.STARTED, _C.NEXT): _S.READY,
    (_S.STARTED, _C.INIT_ERROR): _S.INIT_ERROR,
    (_S.STARTED, _C.RESTORE): _S.RESTORING,
    (_S.RESTORING, _C.NEXT): _S.READY,
    (_S.RESTORING, _C.RESTORE_ERROR): _S.INIT_ERROR,
    (_S.READY, _C.EVENT): _S.RUNNING,
    (_S.READY, _C.HANG_UP): _S.RESPONSE_SENT,
    (_S.RUNNING, _C.RESPONSE): _S.RESPONSE_SENT,
    (_S.RUNNING, _C.ERROR): _S.ERROR_SENT,
    (_S.RUNNING, _C.STREAM): _S.STREAMING,
    (_S.STREAMING, _C.STREAM_END): _S.RESPONSE_SENT,
    (_S.STREAMING, _C.STREAM_ERROR): _S.ERROR_SENT,
    (_S.RESPONSE_SENT, _C.NEXT): _S.READY,
    (_S.ERROR_SENT, _C.NEXT): _S.READY,
}
TABLE: tuple[tuple[RuntimeState | None, ...], ...] = tuple(
    tuple(_ALLOWED.get((state, call)) for call in Call) for state in RuntimeState
)
"""``TABLE[state][call]`` is the state that follows, or None where the call is refused."""

STATE_NAMES = ("Started", "Ready", "Running", "ResponseSent", "ResponseSent", "InitError", "InvocationResponse",
               "Restoring")  # fmt: skip
_AIMS = {
    Call.NEXT: "Ready",
    Call.RESPONSE: "InvocationResponse",
    Call.ERROR: "InvocationErrorResponse",
    Call.INIT_ERROR: "InitError",
    Call.RESTORE: "RestoreReady",
    Call.RESTORE_ERROR: "RestoreError",
}


def refusal(state: RuntimeState, call: Call) -> tuple[str, str]:
    """Error type and message for a call that ``TABLE`` refuses (HTTP 403)."""
    aim = _AIMS.get(call, call.name)
    return (
        "InvalidStateTransition",
        f"State transition from {STATE_NAMES[state]} to {aim} failed for runtime. Error: State transition is not allowed",
    )
