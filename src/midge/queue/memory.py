"""The queue without a disk: for tests. ``restart`` is what a new server would find."""

from dataclasses import replace

from midge.model.functions import FunctionId
from midge.queue.port import AsyncEvent, WaitingEvents
from midge.store.errors import StoreUnavailableError


class MemoryEventQueue:
    """See ``port.EventQueue``."""

    def __init__(self) -> None:
        self.events: dict[int, AsyncEvent] = {}
        self._held: set[int] = set()
        self._last = 0
        self._closed = False

    def restart(self) -> None:
        """Forget who held what."""
        self._held.clear()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the queue is closed")

    def _free(self, function: FunctionId) -> list[AsyncEvent]:
        free = [e for e in self.events.values() if e.function == function and e.number not in self._held]
        return sorted(free, key=lambda event: (event.due_seconds, event.number))

    async def put(self, event: AsyncEvent, *, held: bool) -> AsyncEvent:
        self._check()
        self._last += 1
        numbered = self.events[self._last] = replace(event, number=self._last)
        if held:
            self._held.add(self._last)
        return numbered

    async def take(self, function: FunctionId, now_seconds: float, count: int, most_bytes: int) -> list[AsyncEvent]:
        self._check()
        taken: list[AsyncEvent] = []
        size = 0
        for event in self._free(function):
            if event.due_seconds > now_seconds or len(taken) >= count or size >= most_bytes:
                break
            self._held.add(event.number)
            taken.append(event)
            size += len(event.payload)
        return taken

    async def put_back(self, event: AsyncEvent) -> None:
        self._check()
        if event.number in self.events:
            self.events[event.number] = event
            self._held.discard(event.number)

    async def remove(self, event: AsyncEvent) -> None:
        self._check()
        self.events.pop(event.number, None)
        self._held.discard(event.number)

    async def waiting(self) -> list[WaitingEvents]:
        self._check()
        functions = dict.fromkeys(event.function for event in self.events.values())
        heads = [free[0] for function in functions if (free := self._free(function))]
        return [WaitingEvents(function=head.function, due_seconds=head.due_seconds) for head in heads]

    async def next_due(self, function: FunctionId) -> float | None:
        self._check()
        free = self._free(function)
        return free[0].due_seconds if free else None

    async def count(self) -> int:
        self._check()
        return len(self.events)

    async def close(self) -> None:
        self._closed = True
