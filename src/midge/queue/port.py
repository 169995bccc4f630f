"""The queue of asynchronous invocations.

An event is on disk before its acceptance is answered, and until it is removed. Whoever works on it *holds* it; a hold
ends with the server that has it, so an event may be worked on more than once and is never lost. Functions do not share
a line: each is asked for by itself, so that none waits for another's.
Implementations: ``sqlite`` and, for tests, ``memory``.
"""

from dataclasses import dataclass
from typing import Protocol

from midge.model.functions import FunctionId


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncEvent:
    """One accepted event. Times are wall time, in seconds since 1970 UTC: they outlive the process."""

    number: int = 0
    """Given by the queue, in the order of acceptance."""
    function: FunctionId
    qualifier: str | None
    request_id: str
    trace_id: str
    payload: bytes
    client_context: bytes | None = None
    tenant_id: str | None = None
    accepted_seconds: float
    due_seconds: float
    """Not before this moment is it invoked."""
    attempts: int = 0
    """Invocations that ended with an error of the function."""
    delays: int = 0
    """Times that it could not be invoked: throttled, or by a fault of midge's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvents:
    """That there are events of a function that nobody holds, and when the first of them is due."""

    function: FunctionId
    due_seconds: float


class EventQueue(Protocol):
    """Every method returns when what it did is on disk. All raise StoreUnavailableError or StorageFullError."""

    async def put(self, event: AsyncEvent, *, held: bool) -> AsyncEvent:
        """Accept an event; it comes back with its number. ``held``: the caller works on it."""
        ...

    async def take(self, function: FunctionId, now_seconds: float, count: int, most_bytes: int) -> list[AsyncEvent]:
        """Hold the events of a function that are due, in their order.

        At most ``count``, and no more after their payloads have come to ``most_bytes``.
        """
        ...

    async def put_back(self, event: AsyncEvent) -> None:
        """Let go of an event, with its new ``due_seconds``, ``attempts`` and ``delays``. One that is gone stays gone."""
        ...

    async def remove(self, event: AsyncEvent) -> None:
        """It is done. Harmless if it is gone."""
        ...

    async def waiting(self) -> list[WaitingEvents]:
        """Every function that has events which nobody holds."""
        ...

    async def next_due(self, function: FunctionId) -> float | None:
        """When the first event of a function that nobody holds is due; None if there is none."""
        ...

    async def count(self) -> int:
        """Of all events."""
        ...

    async def close(self) -> None: ...
