"""Looks after environments every so often, so that nothing of it has to happen while an invocation is waited for.

What stands idle for a moment is frozen until its next event, as on AWS; what computes for longer than a moment is held
to the CPU time that its memory size buys. One timer for all, and none while every environment is frozen.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from itertools import islice
from typing import Protocol

from midge.clock import Clock, Timer
from midge.model.limits import Limits


class Watched(Protocol):
    """An environment, to the watch."""

    def attend(self, now: float) -> bool:
        """Do what ``now`` (monotonic seconds) asks for; False when nothing will, until it is added again."""
        ...


class Watch:
    """Holds the environments that are awake, those that were looked after longest ago first."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._awake: dict[Watched, None] = {}
        self._timer: Timer | None = None

    def add(self, environment: Watched) -> None:
        """From now on look after it, until it says that there is nothing to do."""
        self._awake[environment] = None
        if self._timer is None:
            self._arm()

    def close(self) -> None:
        """Look no more."""
        self._awake.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        self._timer = self._clock.call_later(self._limits.environment_watch_seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for environment in list(islice(self._awake, self._limits.environment_watch_count)):
            del self._awake[environment]
            if environment.attend(now):
                self._awake[environment] = None
        if self._awake:
            self._arm()
