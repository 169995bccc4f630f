"""Ownership of tasks: every task is started by an owner that hears of its failure and ends it on close.

The one place that calls the event loop's ``create_task``. Knows nothing of what the tasks do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(job: "asyncio.Future[T]", *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Return, or be cancelled, only when ``job`` is over: a thread's work cannot be called off from outside.

    ``on_cancel`` hears of the wish at once.
    """
    cancelled = False
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:
            cancelled = True
            on_cancel()
    if cancelled:
        raise asyncio.CancelledError
    return job.result()


class TaskOwner:
    """Starts tasks, keeps them alive, reports those that fail, cancels and awaits the rest in ``close``."""

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        """``on_failure`` is called with the exception of a task that raised one; cancellation is no failure."""
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` until it ends or until ``close``. Raises RuntimeError after ``close``."""
        if self._closed:
            work.close()
            raise RuntimeError("the owner of this task is closed")
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    async def finish(self) -> None:
        """Wait for what runs to end by itself."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        self._closed = True
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
