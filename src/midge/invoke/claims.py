"""What memory the execution environments of one function version hold.

All of its memory size, from before it is started until its processes are gone: the kernel lets it use that much. One
that stands still cannot use more than it ever has, by the kernel's account; where room is short it holds only that,
and must have the rest again before it runs.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from midge.invoke.lifecycle import EnvironmentState
from midge.invoke.room import MemoryRoom
from midge.model.limits import MIB


class Claimant(Protocol):
    """An environment, as far as its memory goes."""

    state: EnvironmentState

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        ...

    @property
    def memory_peak_bytes(self) -> int | None:
        """The most that it has used so far; None where nobody counts."""
        ...


_Environment = TypeVar("_Environment", bound=Claimant)


class EnvironmentClaims(Generic[_Environment]):
    """See the module; ``size_mb`` is the memory size of each."""

    def __init__(self, room: MemoryRoom, size_mb: int) -> None:
        self._room = room
        self._size_mb = size_mb
        self.held_mb: dict[_Environment, int] = {}
        """By environment; all there are."""
        self.shrunk: set[_Environment] = set()
        """Those that must have the rest again before they run."""

    def add(self, environment: _Environment) -> None:
        """Its memory has been held for it."""
        self.held_mb[environment] = self._size_mb

    def drop(self, environment: _Environment) -> None:
        """It is gone."""
        self.shrunk.discard(environment)
        held = self.held_mb.pop(environment, None)
        if held is not None:
            self._room.give_back(held)

    def grow(self, environment: _Environment) -> bool:
        """Let it have all of its memory again, so that it can run; False if there is no room for that."""
        if environment not in self.shrunk:
            return True
        lacking = self._size_mb - self.held_mb[environment]
        if lacking and not self._room.budget.hold(lacking):
            return False
        self._grown(environment)
        return True

    def exchange(self, environment: _Environment) -> None:
        """It has all of its memory again by room that was granted; what it held itself is given back."""
        held = self.held_mb[environment]
        self._grown(environment)
        self._room.give_back(held)

    def _grown(self, environment: _Environment) -> None:
        self.held_mb[environment] = self._size_mb
        self.shrunk.discard(environment)

    def shrink(self, idle: Iterable[_Environment]) -> None:
        """Hold those of ``idle`` that stand still to what they have used."""
        for environment in idle:
            if environment.frozen and environment not in self.shrunk:
                peak = environment.memory_peak_bytes
                used_mb = self._size_mb if peak is None else min(self._size_mb, -(-peak // MIB))
                self.shrunk.add(environment)
                spared = self.held_mb[environment] - used_mb
                self.held_mb[environment] = used_mb
                self._room.give_back(spared)

    @property
    def leaving_mb(self) -> int:
        """What those hold whose processes are being ended."""
        return sum(held for each, held in self.held_mb.items() if each.state >= EnvironmentState.RESET)
