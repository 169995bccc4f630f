"""What waits to be delivered to one subscriber of telemetry: batches, and the count of what found no place. Pure."""

from collections import deque

from midge.model.telemetry import Buffering

FALLEN_BEHIND = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."


class TelemetryBudget:
    """How many bytes all buffers together may hold."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int) -> bool:
        """Hold so many more; False if there is no room."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            return False
        self.held_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Hold so many less."""
        self.held_bytes -= size_bytes


class TelemetryBuffer:
    """Holds what the next batch will be made of: twice what ``buffering`` allows for one, and drops what comes then."""

    def __init__(self, buffering: Buffering, budget: TelemetryBudget) -> None:
        self._buffering = buffering
        self._budget = budget
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self.dropped_records = 0
        self.dropped_bytes = 0

    def add(self, event: bytes) -> None:
        """Keep an event, or count it as dropped."""
        buffering = self._buffering
        full = len(self._events) >= 2 * buffering.max_items or self._bytes + len(event) > 2 * buffering.max_bytes
        if full or not self._budget.take(len(event)):
            self.dropped_records += 1
            self.dropped_bytes += len(event)
        else:
            self._events.append(event)
            self._bytes += len(event)

    @property
    def due(self) -> bool:
        """Whether a batch is full and need not wait for its time."""
        return len(self._events) >= self._buffering.max_items or self._bytes >= self._buffering.max_bytes

    def __len__(self) -> int:
        return len(self._events)

    def take(self) -> list[bytes]:
        """The next batch: at least one event if there is any, and no more than the subscriber wants at once."""
        batch: list[bytes] = []
        size = 0
        while self._events and len(batch) < self._buffering.max_items:
            if batch and size + len(self._events[0]) > self._buffering.max_bytes:
                break
            event = self._events.popleft()
            size += len(event)
            batch.append(event)
        self._bytes -= size
        self._budget.give_back(size)
        return batch

    def clear(self) -> None:
        """Hold nothing any more."""
        self._events.clear()
        self._budget.give_back(self._bytes)
        self._bytes = 0

    def take_drops(self) -> tuple[int, int]:
        """Records and bytes dropped since the last call."""
        counts = self.dropped_records, self.dropped_bytes
        self.dropped_records = self.dropped_bytes = 0
        return counts
