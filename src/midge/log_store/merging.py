"""Puts events of many sources into one order, opening a source only when its turn has come. Pure."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar


class Ordered(Protocol):
    """Something with a place in the order; ``key`` begins with the time in ms."""

    @property
    def key(self) -> tuple[Any, ...]: ...


E = TypeVar("E", bound="Ordered")
Source = tuple[int, Callable[[], Iterable[E]]]
"""A time before (descending: after) which the source has nothing; what gives its events, in order."""


class _Descending:
    """A key that sorts the other way."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def __lt__(self, other: "_Descending") -> bool:
        return other.key < self.key


def merge(sources: Iterable[Source[E]], *, descending: bool = False) -> Iterator[E]:
    """The events of all ``sources`` by key; each source is in this order itself."""
    waiting = sorted(sources, key=lambda source: source[0], reverse=not descending)  # the next one at the end
    heap: list[tuple[Any, int, E, Iterator[E]]] = []
    number = 0
    while heap or waiting:
        while waiting and (not heap or _due(waiting[-1][0], heap[0][2].key[0], descending)):
            iterator = iter(waiting.pop()[1]())
            event = next(iterator, None)
            if event is not None:
                number += 1
                heapq.heappush(heap, (_sort_key(event, descending), number, event, iterator))
        if not heap:
            continue
        _, place, event, iterator = heap[0]
        yield event
        following = next(iterator, None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (_sort_key(following, descending), place, following, iterator))


def _due(bound: int, time: int, descending: bool) -> bool:
    return bound >= time if descending else bound <= time


def _sort_key(event: Ordered, descending: bool) -> Any:
    return _Descending(event.key) if descending else event.key
