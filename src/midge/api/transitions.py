"""The step between a changed event source mapping and one at rest: Creating to Enabled, Updating to Enabled, Deleting to gone.

Runs beside the answer to the caller, which shows the state in between. What a stop or a crash interrupts is taken up
again by the next start, because the state in the store says so.
"""

from dataclasses import replace

import structlog

from midge.api.locks import KeyedLocks
from midge.api.services import ApiServices
from midge.clock import pause
from midge.model.event_source_mappings import AT_REST, EventSourceMapping, settled
from midge.model.resources import Place
from midge.store.errors import StoreError
from midge.tasks import TaskOwner


class Transitions:
    """Brings mappings to rest, each in a task of its own."""

    def __init__(self, services: ApiServices, locks: KeyedLocks[Place], tasks: TaskOwner) -> None:
        """Whoever changes a mapping holds the one of ``locks`` that belongs to its place."""
        self._services = services
        self._locks = locks
        self._tasks = tasks
        self._log = structlog.get_logger("midge.api")

    def begin(self, mapping: EventSourceMapping) -> None:
        """Bring ``mapping``, as the store now holds it, to rest in the background."""
        self._tasks.start(self._complete(mapping))

    async def _complete(self, mapping: EventSourceMapping) -> None:
        """Record the state; tries again while the store refuses to be written."""
        while True:
            lock = self._locks.of(mapping.place)
            async with lock:
                try:
                    await self._record(mapping)
                except StoreError as error:
                    self._log.error("state_not_stored", mapping=mapping.arn, reason=str(error))
                else:
                    return
            await pause(self._services.clock, self._services.limits.store_retry_seconds)

    async def _record(self, mapping: EventSourceMapping) -> None:
        store = self._services.store
        current = await store.resource(EventSourceMapping, mapping.place)
        if current is None or current.state in AT_REST:
            return
        rest = settled(current)
        if rest is None:
            await store.delete_resource(EventSourceMapping, current.place)
        else:
            await store.put_resource(replace(rest, last_modified_seconds=self._services.clock.now()))
