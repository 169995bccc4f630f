"""The Extensions API's rules, without any I/O: which call an extension may make when, and what it is told otherwise.

An extension registers, asks for events one after the other (GET /event/next), and may give up with an error. Every call
is a move in ``TABLE``; a pair of state and call that the table does not hold is refused and changes nothing. The names
of the states, and the refusals, are those of AWS's own emulator of the runtime interface.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from enum import IntEnum


class ExtensionState(IntEnum):
    """Where an extension stands."""

    STARTED = 0
    """Its process is being started, or runs; it has not registered yet."""
    REGISTERED = 1
    """It has registered, and not asked for an event yet."""
    READY = 2
    """Its GET /event/next hangs."""
    RUNNING = 3
    """It has an event and has not asked for the next one."""
    INIT_ERROR = 4
    """It has reported that it cannot initialise; nothing more is expected of it."""
    EXIT_ERROR = 5
    """It has reported that it gives up."""
    LAUNCH_ERROR = 6
    """Its process could not be started."""
    EXITED = 7
    """Its process has ended."""


class ExtensionCall(IntEnum):
    """What moves it: four calls of the extension, and four events on our side."""

    REGISTER = 0
    NEXT = 1
    INIT_ERROR = 2
    EXIT_ERROR = 3
    EVENT = 4
    """An event is handed to the hanging GET /event/next."""
    HANG_UP = 5
    """The connection whose GET /event/next hung is gone."""
    LAUNCH_FAILED = 6
    """Its process cannot be started."""
    EXIT = 7
    """Its process has ended."""


_S, _C = ExtensionState, ExtensionCall
_ALLOWED: dict[tuple[ExtensionState, ExtensionCall], ExtensionState] = {
    (_S.STARTED, _C.REGISTER): _S.REGISTERED,
    (_S.STARTED, _C.LAUNCH_FAILED): _S.LAUNCH_ERROR,
    (_S.STARTED, _C.EXIT): _S.EXITED,
    (_S.REGISTERED, _C.NEXT): _S.READY,
    (_S.REGISTERED, _C.INIT_ERROR): _S.INIT_ERROR,
    (_S.REGISTERED, _C.EXIT_ERROR): _S.EXIT_ERROR,
    (_S.REGISTERED, _C.EXIT): _S.EXITED,
    (_S.READY, _C.EVENT): _S.RUNNING,
    (_S.READY, _C.HANG_UP): _S.RUNNING,
    (_S.READY, _C.EXIT_ERROR): _S.EXIT_ERROR,
    (_S.READY, _C.EXIT): _S.EXITED,
    (_S.RUNNING, _C.NEXT): _S.READY,
    (_S.RUNNING, _C.EXIT_ERROR): _S.EXIT_ERROR,
    (_S.RUNNING, _C.EXIT): _S.EXITED,
    (_S.INIT_ERROR, _C.INIT_ERROR): _S.INIT_ERROR,
    (_S.INIT_ERROR, _C.EXIT): _S.INIT_ERROR,
    (_S.EXIT_ERROR, _C.EXIT_ERROR): _S.EXIT_ERROR,
    (_S.EXIT_ERROR, _C.EXIT): _S.EXIT_ERROR,
}
TABLE: tuple[tuple[ExtensionState | None, ...], ...] = tuple(
    tuple(_ALLOWED.get((state, call)) for call in ExtensionCall) for state in ExtensionState
)
"""``TABLE[state][call]`` is the state that follows, or None where the call is refused."""

STATE_NAMES = ("Started", "Registered", "Ready", "Running", "InitError", "ExitError", "LaunchError", "Exited")
_AIMS = {
    ExtensionCall.REGISTER: "Registered",
    ExtensionCall.NEXT: "Ready",
    ExtensionCall.INIT_ERROR: "InitError",
    ExtensionCall.EXIT_ERROR: "Exited",
}
ALIVE = frozenset({_S.STARTED, _S.REGISTERED, _S.READY, _S.RUNNING})
"""In these nothing has gone wrong with it yet."""


def refusal(state: ExtensionState, call: ExtensionCall, name: str) -> tuple[str, str]:
    """Error type and message for a call that ``TABLE`` refuses (HTTP 403); ``name`` is the extension's."""
    moved = f"from {STATE_NAMES[state]} to {_AIMS.get(call, call.name)}"
    message = f"State transition {moved} failed for extension {name}. Error: State transition is not allowed"
    return "Extension.InvalidExtensionState", message
