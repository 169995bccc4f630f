"""One runtime's conversation with the platform, over whatever connections it opens.

Holds the state of ``protocol.TABLE``, the request id that is open, and the connection whose GET /next hangs. Tells a
``RuntimeOwner`` what the runtime did. Knows nothing of sockets, HTTP syntax, time or functions.
"""

from typing import Protocol

from midge.runtime_api import replies
from midge.runtime_api.protocol import TABLE, Call, RuntimeState, refusal

_READY, _RUNNING = RuntimeState.READY, RuntimeState.RUNNING
_NEXT, _RESPONSE, _ERROR, _INIT_ERROR = Call.NEXT, Call.RESPONSE, Call.ERROR, Call.INIT_ERROR

_TRUNCATED = (
    b'{"errorType":"Runtime.TruncatedResponse","errorMessage":"The response stream was closed before it was complete."}'
)


class StreamSource(Protocol):
    """The connection that a streamed response comes over."""

    def pause_reading(self) -> None:
        """Let the runtime wait with the next part."""
        ...

    def resume_reading(self) -> None: ...


class StreamTaker(Protocol):
    """Takes the parts of a streamed response."""

    def feed(self, data: bytes) -> None: ...


class RuntimeOwner(Protocol):
    """Who hears what a runtime does: the execution environment."""

    def runtime_ready(self) -> None:
        """GET /next hangs: ``RuntimeSession.send`` may be called."""
        ...

    def runtime_responded(self, payload: bytes) -> None:
        """The open invocation was answered."""
        ...

    def runtime_failed(self, error_type: str, payload: bytes) -> None:
        """The open invocation was answered with an error."""
        ...

    def runtime_init_failed(self, error_type: str, payload: bytes) -> None:
        """The runtime cannot initialise."""
        ...

    def runtime_streams(self, content_type: bytes, source: StreamSource) -> StreamTaker | None:
        """The open invocation is being answered part by part: who takes them? None if they are to be collected.

        The end is told by ``runtime_responded`` or ``runtime_failed``.
        """
        ...

    def runtime_broke_off(self) -> None:
        """The connection of a streamed response is gone; ``RuntimeSession.give_up_stream`` is to be called soon."""
        ...

    def runtime_restorable(self, port: int) -> bool:
        """GET /restore/next has come over the connection from ``port``: True answers it, else it hangs for ever."""
        ...

    def runtime_restore_failed(self, error_type: str, payload: bytes) -> None:
        """What was to run after the restoration has failed."""
        ...

    def runtime_gone(self) -> None:
        """The connection whose GET /next hung is closed: no event can be sent until the runtime asks again."""
        ...


class EventSink(Protocol):
    """The connection that waits for an event."""

    def send_event(self, head: bytes, payload: bytes) -> None: ...


class RuntimeSession:
    """State of one runtime. The calls return the reply to write, or None when the reply is the usual one."""

    __slots__ = ("broken_off", "connections", "owner", "request_id", "snap_start", "state", "waiting")

    def __init__(self, owner: RuntimeOwner, *, snap_start: bool = False) -> None:
        """``snap_start``: there is a GET /restore/next."""
        self.owner = owner
        self.snap_start = snap_start
        self.state = RuntimeState.STARTED
        self.request_id: bytes | None = None
        self.waiting: EventSink | None = None
        self.connections = 0
        self.broken_off = False
        """The connection of a streamed response is gone, and nobody has been told yet how the invocation ended."""

    def next(self, connection: EventSink) -> bytes | None:
        """GET /next: None means that the reply is an event, later, through ``connection``."""
        if self.broken_off:
            self.give_up_stream()
        state = TABLE[self.state][_NEXT]
        if state is None:
            return self._refuse(_NEXT)
        self.state = state
        self.waiting = connection
        self.owner.runtime_ready()
        return None

    def restore_next(self, port: int) -> bytes | None:
        """GET /restore/next over the connection from ``port``: None means that it hangs."""
        if not self.snap_start:
            return replies.NOT_FOUND
        state = TABLE[self.state][Call.RESTORE]
        if state is None:
            return self._refuse(Call.RESTORE)
        self.state = state
        return replies.OK if self.owner.runtime_restorable(port) else None

    def restore_error(self, error_type: str, payload: bytes) -> bytes | None:
        """POST /restore/error: None means accepted."""
        if not self.snap_start:
            return replies.NOT_FOUND
        state = TABLE[self.state][Call.RESTORE_ERROR]
        if state is None:
            return self._refuse(Call.RESTORE_ERROR)
        self.state = state
        self.owner.runtime_restore_failed(error_type, payload)
        return None

    def send(self, request_id: bytes, head: bytes, payload: bytes) -> None:
        """Hand over an event: ``head`` is its whole HTTP response head. Asserts that GET /next hangs."""
        connection = self.waiting
        assert connection is not None
        assert self.state is _READY
        self.state = _RUNNING
        self.waiting = None
        self.request_id = request_id
        connection.send_event(head, payload)

    def response(self, request_id: bytes, payload: bytes) -> bytes | None:
        """POST /response: None means accepted."""
        refused = self._answer(request_id, _RESPONSE)
        if refused is None:
            self.owner.runtime_responded(payload)
        return refused

    def error(self, request_id: bytes, error_type: str, payload: bytes) -> bytes | None:
        """POST /error: None means accepted."""
        refused = self._answer(request_id, _ERROR)
        if refused is None:
            self.owner.runtime_failed(error_type, payload)
        return refused

    def stream(self, request_id: bytes, content_type: bytes, source: StreamSource) -> StreamTaker | None:
        """The first part of a streamed POST /response: who takes it and what follows.

        None if the response is to be collected and given to ``response``, which also refuses what is out of turn.
        """
        state = TABLE[self.state][Call.STREAM]
        if state is None or request_id != self.request_id:
            return None
        taker = self.owner.runtime_streams(content_type, source)
        if taker is not None:
            self.state = state
        return taker

    def end_stream(self) -> None:
        """A response that ``stream`` has begun is complete."""
        self._leave_stream(Call.STREAM_END)
        self.owner.runtime_responded(b"")

    def fail_stream(self, error_type: str, payload: bytes) -> None:
        """A response that ``stream`` has begun has ended with an error."""
        self._leave_stream(Call.STREAM_ERROR)
        self.owner.runtime_failed(error_type, payload)

    def break_off_stream(self) -> None:
        """The connection of a response that ``stream`` has begun is gone. Perhaps the runtime is, and says soon why."""
        self.broken_off = True
        self.owner.runtime_broke_off()

    def give_up_stream(self) -> None:
        """If a stream has broken off, end its invocation."""
        if self.broken_off:
            self.broken_off = False
            self.fail_stream("Runtime.TruncatedResponse", _TRUNCATED)

    def _leave_stream(self, call: Call) -> None:
        state = TABLE[self.state][call]
        assert state is not None
        self.state = state

    def init_error(self, error_type: str, payload: bytes) -> bytes | None:
        """POST /init/error: None means accepted."""
        state = TABLE[self.state][_INIT_ERROR]
        if state is None:
            return self._refuse(_INIT_ERROR)
        self.state = state
        self.owner.runtime_init_failed(error_type, payload)
        return None

    def hang_up(self, connection: EventSink) -> None:
        """``connection`` is closed."""
        if self.waiting is not connection:
            return
        self.waiting = None
        state = TABLE[self.state][Call.HANG_UP]
        assert state is not None
        self.state = state
        self.owner.runtime_gone()

    def _answer(self, request_id: bytes, call: Call) -> bytes | None:
        state = TABLE[self.state][call]  # looked at before the id, as AWS's runtime interface emulator does
        if state is None:
            return self._refuse(call)
        if request_id != self.request_id:
            return replies.INVALID_REQUEST_ID
        self.state = state
        return None

    def _refuse(self, call: Call) -> bytes:
        kind, message = refusal(self.state, call)
        return replies.error(403, kind, message)
