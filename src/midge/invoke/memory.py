"""The memory of the machine that functions may have: who holds how much of it, and who waits for some. Pure arithmetic.

What is held never exceeds what there is. Who asks when there is not enough waits, first come first served: nobody who
asks later is given anything before, however little he wants, so that large functions are not starved by small ones.
Whoever is served is told by a call; who waits too long, or may not wait at all, is for ``room`` to say.
"""

from collections import deque
from collections.abc import Callable


class Ask:
    """A wish for memory. ``granted`` is called once, when it is held; ``refused`` when it never will be."""

    __slots__ = ("granted", "number", "refused", "size_mb")

    def __init__(
        self, size_mb: int, number: int, granted: Callable[["Ask"], None], refused: Callable[["Ask"], None]
    ) -> None:
        self.size_mb = size_mb
        self.number = number
        self.granted = granted
        self.refused = refused


class MemoryBudget:
    """See the module. ``total_mb`` of 0 sets no limit."""

    def __init__(self, total_mb: int) -> None:
        self.total_mb = total_mb
        self.held_mb = 0
        self.asks = 0
        """How many have ever been made: an ask's number tells whether it came before another."""
        self._waiting: deque[Ask] = deque()

    @property
    def first(self) -> Ask | None:
        """Who has waited longest."""
        return self._waiting[0] if self._waiting else None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def fits_first(self) -> bool:
        """Whether somebody waits for what is free."""
        return bool(self._waiting) and (not self.total_mb or self._waiting[0].size_mb <= self.free_mb)

    @property
    def missing_mb(self) -> int:
        """What must become free for the first to be served."""
        return max(0, self._waiting[0].size_mb - self.free_mb) if self._waiting else 0

    @property
    def free_mb(self) -> int:
        """What nobody holds. Raises ValueError where there is no limit."""
        if not self.total_mb:
            raise ValueError("memory is not limited")
        return self.total_mb - self.held_mb

    def fits(self, size_mb: int) -> bool:
        """Whether it is free and nobody waits for it."""
        return not self.total_mb or (not self._waiting and self.held_mb + size_mb <= self.total_mb)

    def could_fit(self, size_mb: int) -> bool:
        """Whether it would be, if nobody held anything."""
        return not self.total_mb or size_mb <= self.total_mb

    def hold(self, size_mb: int) -> bool:
        """Hold it, if it fits."""
        if not self.fits(size_mb):
            return False
        self.held_mb += size_mb
        return True

    def ask(self, size_mb: int, granted: Callable[[Ask], None], refused: Callable[[Ask], None]) -> Ask:
        """Wait for it, behind all others. Raises ValueError for more than there is."""
        if not self.could_fit(size_mb):
            raise ValueError("more memory than there is")
        self.asks += 1
        ask = Ask(size_mb, self.asks, granted, refused)
        self._waiting.append(ask)
        return ask

    def withdraw(self, ask: Ask) -> None:
        """It waits no more. Raises ValueError if it did not wait."""
        self._waiting.remove(ask)

    def give_back(self, size_mb: int) -> None:
        """Hold so much less. Raises ValueError if that was not held."""
        if size_mb > self.held_mb:
            raise ValueError("gave back memory that was not held")
        self.held_mb -= size_mb

    def next_served(self) -> Ask | None:
        """The first of those who wait, if it fits now; then it waits no more and is held."""
        if not self.fits_first:
            return None
        ask = self._waiting.popleft()
        self.held_mb += ask.size_mb
        return ask
