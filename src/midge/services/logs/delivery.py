"""Sends what is written to a log group to those who subscribed: Lambda functions, as ``awslogs.data``.

Matching is done behind the writing, in the order of writing. What is handed over is the subscriber's own durable matter
(``functions``: an asynchronous invocation, with its retries); what it cannot take now waits here, bounded, and is tried
again for a day. What exceeds a bound is counted, said and lost to the subscriber, not to the log.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

import asyncio
import base64
import gzip
from collections import deque
from functools import partial
from typing import Protocol

import msgspec
import structlog

from midge.clock import Clock, pause
from midge.log_store.blocks import decode_lines
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.logs import LogGroupId, SubscriptionFilter
from midge.observe.logs import Appended
from midge.services.logs.archive import LogArchive
from midge.services.logs.events import event_id
from midge.services.logs.patterns import Pattern, parse
from midge.store.errors import StoreError
from midge.tasks import TaskOwner

_COMPRESSION = 1
_MOST_RETRY_SECONDS = 300.0


class Subscribers(Protocol):
    """Who is sent events, by ARN."""

    async def exists(self, arn: str) -> bool:
        """Whether there is such a subscriber."""
        ...

    async def deliver(self, arn: str, payload: bytes) -> None:
        """Hand over the JSON of an event. Raises StoreError, ServiceError when it cannot be taken now."""
        ...


_Key = tuple[LogGroupId, str]


class Subscriptions:
    """See the module. ``appended`` is the log writer's ``on_appended``; for the event loop's thread."""

    def __init__(self, subscribers: Subscribers, archive: LogArchive, clock: Clock, limits: Limits) -> None:
        self._subscribers = subscribers
        self._archive = archive
        self._clock = clock
        self._limits = limits
        self._log = structlog.get_logger("midge.logs")
        self._tasks = TaskOwner(self._failed)
        self._queues: dict[_Key, deque[bytes]] = {}
        self._waiting_bytes: dict[_Key, int] = {}
        self._patterns: dict[str, Pattern] = {}
        self._matching: deque[list[Appended]] = deque()
        self._matching_bytes = 0
        self._matcher: asyncio.Task[None] | None = None
        self._closed = False
        self.dropped_bytes = 0

    def appended(self, batch: list[Appended]) -> None:
        """Take events that have been written for their subscribers."""
        size = sum(len(part.lines) for part in batch)
        if self._closed:
            return
        if self._matching_bytes + size > self._limits.log_subscription_bytes:
            self._drop(size, batch[0].group, "*")
            return
        self._matching_bytes += size
        self._matching.append(batch)
        if self._matcher is None or self._matcher.done():
            self._matcher = self._tasks.start(self._match())

    async def exists(self, destination_arn: str) -> bool:
        """Whether there is somebody to be subscribed. Raises ServiceError."""
        return await self._subscribers.exists(destination_arn)

    async def settle(self) -> None:
        """Return when nothing waits or is under way, as far as that needs no time of the clock's."""
        await self._tasks.finish()

    async def close(self) -> None:
        """Deliver no more."""
        self._closed = True
        await self._tasks.close()

    def _failed(self, error: BaseException) -> None:
        self._log.error("events could not be sent to a subscriber", exc_info=error)

    def _drop(self, size: int, group: LogGroupId, name: str) -> None:
        self.dropped_bytes += size
        self._log.warning("events were not sent to a subscriber", group=group.name, filter=name, bytes=size)

    async def _match(self) -> None:
        while self._matching:
            batch = self._matching.popleft()
            self._matching_bytes -= sum(len(part.lines) for part in batch)
            for part in batch:
                for subscription in part.settings.subscriptions:
                    pattern = self._pattern(subscription.pattern)
                    limit = self._limits.log_subscription_event_bytes
                    for payload in await self._archive.run(partial(_payloads, part, subscription, pattern, limit)):
                        self._enqueue((part.group, subscription.name), subscription.destination_arn, payload)

    def _pattern(self, text: str) -> Pattern:
        found = self._patterns.get(text)
        if found is None:
            if len(self._patterns) >= self._limits.log_groups_remembered:
                self._patterns.clear()
            found = self._patterns[text] = parse(text)
        return found

    def _enqueue(self, key: _Key, destination_arn: str, payload: bytes) -> None:
        waiting = self._waiting_bytes.get(key, 0)
        if waiting + len(payload) > self._limits.log_subscription_bytes:
            self._drop(len(payload), *key)
            return
        self._waiting_bytes[key] = waiting + len(payload)
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(payload)
            return
        self._queues[key] = deque([payload])
        self._tasks.start(self._deliver_all(key, destination_arn))

    async def _deliver_all(self, key: _Key, destination_arn: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                payload = queue[0]
                await self._deliver(key, destination_arn, payload)
                queue.popleft()
                self._waiting_bytes[key] -= len(payload)
        finally:
            del self._queues[key], self._waiting_bytes[key]

    async def _deliver(self, key: _Key, destination_arn: str, payload: bytes) -> None:
        """Until it is taken, or there is no more point in trying."""
        begun = self._clock.monotonic()
        wait = 1.0
        while True:
            try:
                await self._subscribers.deliver(destination_arn, payload)
            except (ServiceError, StoreError) as error:
                if self._clock.monotonic() - begun > self._limits.log_subscription_seconds:
                    self._log.warning("a subscriber could not be reached", filter=key[1], reason=str(error))
                    self._drop(len(payload), *key)
                    return
            else:
                return
            await pause(self._clock, wait)
            wait = min(wait * 2, _MOST_RETRY_SECONDS)


def _payloads(part: Appended, subscription: SubscriptionFilter, pattern: Pattern, event_bytes: int) -> list[bytes]:
    """The events to invoke the subscriber with: what matches, at most ``event_bytes`` of messages at a time."""
    found: list[bytes] = []
    events: list[dict[str, object]] = []
    size = 0
    for number, line in enumerate(decode_lines(part.lines)):
        fields = pattern.match(line.message)
        if fields is None:
            continue
        if events and size + len(line.message) > event_bytes:
            found.append(_payload(part, subscription, events))
            events, size = [], 0
        identity = event_id(part.group, part.stream, line.timestamp, part.address + number)
        event: dict[str, object] = {"id": identity, "timestamp": line.timestamp, "message": line.message}
        if fields:
            event["extractedFields"] = fields
        events.append(event)
        size += len(line.message)
    if events:
        found.append(_payload(part, subscription, events))
    return found


def _payload(part: Appended, subscription: SubscriptionFilter, events: list[dict[str, object]]) -> bytes:
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": part.group.account,
        "logGroup": part.group.name,
        "logStream": part.stream,
        "subscriptionFilters": [subscription.name],
        "logEvents": events,
    }
    data = base64.b64encode(gzip.compress(msgspec.json.encode(document), _COMPRESSION, mtime=0)).decode()
    return msgspec.json.encode({"awslogs": {"data": data}})
