"""The life of one execution environment as a table that refuses by default. Pure: no time, no processes, no I/O.

Init, then ready and busy by turns; it ends by a fault (reset: killed, the next invocation gets a new one), because it
is not needed any more (shutdown), or by itself.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from enum import IntEnum


class EnvironmentState(IntEnum):
    """Where an execution environment stands."""

    INIT = 0
    """Being made; its runtime and its extensions have not all asked for an event."""
    READY = 1
    """Its runtime, and every extension that is registered for them, wait for an event."""
    BUSY = 2
    """An invocation runs in it."""
    ANSWERED = 3
    """Its invocation has been answered; not all have asked for the next event."""
    RESET = 4
    """Of no more use after a fault; its processes have not all ended yet."""
    SHUTDOWN = 5
    """Ended because it is not needed; its process has not ended yet."""
    ENDED = 6
    """Nothing of it is left."""


class EnvironmentEvent(IntEnum):
    """What happens to it."""

    NEXT = 0
    """The runtime, and with it the last of the extensions, asks for an event."""
    RUN = 1
    """An invocation is handed to it."""
    ANSWER = 2
    """The runtime answers the invocation, with a result or an error."""
    HANG_UP = 3
    """The runtime's request for an event is gone, or that of an extension."""
    FAULT = 4
    """Time-out, a failed init, an extension that fails: it is ended."""
    STOP = 5
    """It is not needed any more."""
    EXIT = 6
    """Its process has ended, or could not be started."""


class IllegalMoveError(AssertionError):
    """An event that the state does not allow: a programming error."""


_S, _E = EnvironmentState, EnvironmentEvent
_ALLOWED: dict[tuple[EnvironmentState, EnvironmentEvent], EnvironmentState] = {
    (_S.INIT, _E.NEXT): _S.READY,
    (_S.INIT, _E.FAULT): _S.RESET,
    (_S.INIT, _E.STOP): _S.SHUTDOWN,
    (_S.INIT, _E.EXIT): _S.ENDED,
    (_S.READY, _E.RUN): _S.BUSY,
    (_S.READY, _E.HANG_UP): _S.ANSWERED,
    (_S.READY, _E.FAULT): _S.RESET,
    (_S.READY, _E.STOP): _S.SHUTDOWN,
    (_S.READY, _E.EXIT): _S.ENDED,
    (_S.BUSY, _E.ANSWER): _S.ANSWERED,
    (_S.BUSY, _E.FAULT): _S.RESET,
    (_S.BUSY, _E.STOP): _S.SHUTDOWN,
    (_S.BUSY, _E.EXIT): _S.ENDED,
    (_S.ANSWERED, _E.NEXT): _S.READY,
    (_S.ANSWERED, _E.FAULT): _S.RESET,
    (_S.ANSWERED, _E.STOP): _S.SHUTDOWN,
    (_S.ANSWERED, _E.EXIT): _S.ENDED,
    (_S.RESET, _E.EXIT): _S.ENDED,
    (_S.SHUTDOWN, _E.EXIT): _S.ENDED,
}
TABLE: tuple[tuple[EnvironmentState | None, ...], ...] = tuple(
    tuple(_ALLOWED.get((state, event)) for event in EnvironmentEvent) for state in EnvironmentState
)


def follow(state: EnvironmentState, event: EnvironmentEvent) -> EnvironmentState:
    """The state after ``event``. Raises IllegalMoveError where the table has none."""
    after = TABLE[state][event]
    if after is None:
        raise IllegalMoveError(f"{event.name} while {state.name}")
    return after
