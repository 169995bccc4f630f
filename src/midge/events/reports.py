"""Where an event's end is told: a destination, a dead-letter queue, both, or neither.

A destination that is a function gets the record as an event of its own. What cannot be delivered is tried a few times
and then counted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from midge.clock import Clock, pause
from midge.events import records
from midge.events.port import DeadLetterTargets, Deliveries, DeliveryError, Message
from midge.events.retry import SUCCESS
from midge.invoke import lineage
from midge.invoke.outcome import Outcome
from midge.invoke.request_ids import RequestIds
from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError
from midge.model.functions import LATEST, FunctionId
from midge.model.limits import Limits
from midge.observe.metrics import Metrics
from midge.queue.port import AsyncEvent
from midge.store.errors import StoreError

_log = structlog.get_logger("midge.events")

Accept = Callable[[AsyncEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why nothing more is tried. ``invocations`` have run; ``outcome`` is the last one's, None if the last did not run."""

    condition: str
    invocations: int
    outcome: Outcome | None = None


class Reports:
    """See the module."""

    def __init__(
        self,
        deliveries: Deliveries,
        dead_letter_targets: DeadLetterTargets,
        *,
        clock: Clock,
        limits: Limits,
        metrics: Metrics,
        ids: RequestIds,
    ) -> None:
        self._deliveries = deliveries
        self._dead_letter_targets = dead_letter_targets
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._ids = ids
        self._at_once = asyncio.Semaphore(limits.async_deliveries)

    async def send(self, event: AsyncEvent, ending: Ending, destination: str | None, accept: Accept) -> bool:
        """Tell of the end to whom it is to be told; whether anybody has taken it. Raises StoreError."""
        metrics = self._metrics.function(event.function.name)
        taken = False
        if destination is not None:
            body = self._record(event, ending)
            delivered = await self._deliver(destination, self._message(event, ending, body), accept)
            if not delivered:
                metrics.destination_delivery_failures += 1
                self._metrics.event(event.function, event.qualifier, "DestinationDeliveryFailures")
            taken = delivered
        if ending.condition != SUCCESS:
            target = await self._dead_letter_targets(event.function, event.qualifier)
            if target is not None:
                response = None if ending.outcome is None else ending.outcome.payload
                attributes = records.dead_letter_attributes(event, response, ending.condition)
                letter = self._message(event, ending, event.payload, attributes)
                delivered = await self._deliver(target, letter, accept)
                if not delivered:
                    metrics.dead_letter_errors += 1
                    self._metrics.event(event.function, event.qualifier, "DeadLetterErrors")
                taken = taken or delivered
        return taken

    def _record(self, event: AsyncEvent, ending: Ending) -> bytes:
        outcome = ending.outcome
        return records.record(
            event,
            ending.condition,
            self._clock.now(),
            invocations=ending.invocations,
            executed_version=None if outcome is None else outcome.executed_version.decode(),
            function_error=None if outcome is None else outcome.function_error,
            response=None if outcome is None else outcome.payload,
        )

    def _message(
        self, event: AsyncEvent, ending: Ending, body: bytes, attributes: dict[str, dict[str, str]] | None = None
    ) -> Message:
        return Message(
            function=event.function,
            function_arn=event.function.qualified_arn(event.qualifier or LATEST),
            body=body,
            success=ending.condition == SUCCESS,
            request_id=event.request_id,
            trace_id=_chain(event),
            attributes=attributes,
            now_seconds=self._clock.now(),
        )

    async def _deliver(self, arn: str, message: Message, accept: Accept) -> bool:
        for attempt in range(self._limits.async_delivery_attempts):
            if attempt:
                await pause(self._clock, self._limits.async_delay_base_seconds * 2 ** (attempt - 1))
            try:
                if ":lambda:" in arn:
                    await self._hand_over(arn, message, accept)
                else:
                    async with self._at_once:
                        await self._deliveries.send(arn, message)
            except DeliveryError as error:
                _log.warning("a destination did not take an event's end", destination=arn, reason=str(error))
            else:
                return True
        return False

    async def _hand_over(self, arn: str, message: Message, accept: Accept) -> None:
        reference = parse_function_reference(arn)
        if reference is None or reference.account is None or reference.region is None:
            raise DeliveryError("not the ARN of a function")
        if len(message.body) > self._limits.async_payload_bytes:
            raise DeliveryError("the record is too large for an asynchronous invocation")
        now = self._clock.now()
        event = AsyncEvent(
            function=FunctionId(account=reference.account, region=reference.region, name=reference.name),
            qualifier=reference.qualifier,
            request_id=self._ids.request_id().decode(),
            trace_id=message.trace_id,
            payload=message.body,
            accepted_seconds=now,
            due_seconds=now,
        )
        try:
            await accept(event)
        except (ServiceError, StoreError) as error:
            raise DeliveryError(str(error)) from error


def _chain(event: AsyncEvent) -> str:
    """The trace header of what follows from an event."""
    header, _ = lineage.follow(event.trace_id.encode("latin-1"), lineage.mark(event.function.arn))
    return header.decode("latin-1")
