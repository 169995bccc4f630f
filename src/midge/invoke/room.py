"""Room in memory for execution environments: taken at once, or waited for while others make some.

Where there is none, environments that stand still are held to what they have used at most, and then idle ones are
ended, those used longest ago first. Whoever wants room meanwhile waits, for a limited time and in a limited number.
"""

from collections.abc import Callable
from typing import Protocol

from midge.clock import Clock, Timer
from midge.invoke.memory import Ask, MemoryBudget
from midge.invoke.outcome import service_failure, throttled
from midge.model.errors import ServiceError
from midge.model.limits import Limits


class Giver(Protocol):
    """Who has environments, some of them idle: a pool."""

    @property
    def leaving_mb(self) -> int:
        """What environments hold that will soon be gone."""
        ...

    def shrink(self) -> None:
        """Hold environments that stand still to what they have used at most."""
        ...

    def spare(self) -> list[tuple[float, Callable[[], None]]]:
        """Of each idle environment that is not to be kept: when it was used last, and what ends it."""
        ...


class MemoryRoom:
    """See the module. ``givers`` lists who may make room."""

    def __init__(self, clock: Clock, limits: Limits, total_mb: int) -> None:
        """``total_mb`` is what functions may have; 0 sets no limit."""
        self._clock = clock
        self._limits = limits
        self._timers: dict[Ask, Timer] = {}
        self._serving = False
        self.budget = MemoryBudget(total_mb)
        self.givers: Callable[[], list[Giver]] = list
        self.refused = 0
        """How many have waited in vain, or might not wait."""

    def refusal(self, size_mb: int) -> ServiceError | None:
        """Why nobody may even wait for so much; None if one may, or need not."""
        if self.budget.fits(size_mb):
            return None
        if not self.budget.could_fit(size_mb):
            self.refused += 1
            return service_failure(
                f"An execution environment of {size_mb} MB does not fit: "
                f"on this machine there are {self.budget.total_mb} MB for functions."
            )
        return None if self.budget.waiting < self._limits.memory_waiting else self.exhausted(size_mb)

    def exhausted(self, size_mb: int) -> ServiceError:
        """What is told to who has waited in vain. AWS has no word for it: it is a lack of places, as far as callers go."""
        self.refused += 1
        message = f"No memory became free on this machine for an execution environment of {size_mb} MB."
        seconds = max(1, round(self._limits.memory_wait_seconds))
        return throttled(retry_after_seconds=seconds, message=message)

    def ask(self, size_mb: int, granted: Callable[[Ask], None], refused: Callable[[Ask], None]) -> Ask:
        """Wait for it: ``granted`` is called when so much is held, ``refused`` after too long; neither within this.

        ``serve`` has to be called afterwards.
        """
        ask = self.budget.ask(size_mb, granted, refused)
        self._timers[ask] = self._clock.call_later(self._limits.memory_wait_seconds, self._too_late, ask)
        return ask

    def withdraw(self, ask: Ask) -> None:
        """It is not wanted any more, and neither call follows."""
        self._timers.pop(ask).cancel()
        self.budget.withdraw(ask)
        self.serve()

    def give_back(self, size_mb: int) -> None:
        """Hold so much less; whoever waits for it gets it now."""
        self.budget.give_back(size_mb)
        self.serve()

    def serve(self) -> None:
        """Grant what fits, and have room made for the first that does not."""
        if self._serving or not self.budget.waiting:
            return  # whoever is at it looks again
        self._serving = True
        try:
            while self._grant() or (self.budget.waiting and self._make_room()):
                pass
        finally:
            self._serving = False

    def _grant(self) -> bool:
        ask = self.budget.next_served()
        if ask is None:
            return False
        self._timers.pop(ask).cancel()
        ask.granted(ask)
        return True

    def _make_room(self) -> bool:
        budget, givers = self.budget, self.givers()
        for giver in givers:
            giver.shrink()
        if budget.missing_mb:
            spare = sorted((each for giver in givers for each in giver.spare()), key=lambda each: each[0])
            for _, end in spare:
                if budget.missing_mb <= sum(giver.leaving_mb for giver in givers):
                    break
                end()
        return not budget.missing_mb

    def _too_late(self, ask: Ask) -> None:
        del self._timers[ask]
        self.budget.withdraw(ask)
        ask.refused(ask)
        self.serve()
