"""Asynchronous invocation: accepts events, invokes them when they are due, retries, reports where each one ended.

An event is removed from the queue only after it has been invoked with success, reported to a destination or to a
dead-letter queue, or counted as dropped. Until then it is on disk, and a server that is started anew works on it again.
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from midge.clock import Clock
from midge.events import retry
from midge.events.lane import Lane
from midge.events.port import Configs
from midge.events.reports import Ending, Reports
from midge.events.retry import Attempt, Policy
from midge.invoke import lineage
from midge.invoke.invocation import Invocation
from midge.invoke.outcome import Outcome
from midge.invoke.recursion import RecursiveLoops
from midge.invoke.request_ids import RequestIds
from midge.invoke.router import Router
from midge.model.errors import ServiceError
from midge.model.functions import LATEST, FunctionId
from midge.model.limits import Limits
from midge.observe.metrics import Metrics
from midge.queue.port import AsyncEvent, EventQueue
from midge.store.errors import StoreError
from midge.tasks import TaskOwner

_log = structlog.get_logger("midge.events")

_CONFIG_SECONDS = 1.0
"""How long a configuration that was read holds for the events that follow."""
_MANY_CONFIGS = 4096
_GONE = "ResourceNotFoundException"
_TOO_OLD = ServiceError("EventAgeExceeded", "The event became too old while it waited for an environment.")
_EARLY_SECONDS = 0.001
"""So much before it is too old an event is taken back, so that it does not run at that very moment."""


def too_many_events() -> ServiceError:
    """The queue is full; the caller may try again."""
    return ServiceError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        Reason="CallerRateLimitExceeded",
        Type="User",
        retryAfterSeconds="1",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    read_seconds: float
    rules: Policy
    on_success: str | None
    on_failure: str | None


class Dispatcher:
    """See the module. ``load`` lets the router know what a function and a qualifier name; it raises ServiceError."""

    def __init__(
        self,
        queue: EventQueue,
        router: Router,
        load: Callable[[FunctionId, str | None], Awaitable[None]],
        configs: Configs,
        reports: Reports,
        *,
        loops: RecursiveLoops,
        clock: Clock,
        limits: Limits,
        metrics: Metrics,
        ids: RequestIds,
        tasks: TaskOwner,
    ) -> None:
        self._queue = queue
        self._router = router
        self._load = load
        self._configs = configs
        self._reports = reports
        self._loops = loops
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._ids = ids
        self._tasks = tasks
        self._lanes: dict[FunctionId, Lane] = {}
        self._known: dict[tuple[FunctionId, str], _Config] = {}
        self._count = 0
        self._closed = False
        metrics.add("midge_async_events", "Events that wait for their invocation or run.", lambda: {"": self._count})

    @property
    def working(self) -> int:
        """What goes on with events at this moment; what is to be waited for before time is turned on."""
        return sum(lane.working for lane in self._lanes.values())

    async def start(self) -> None:
        """Go on with what an earlier server accepted. Raises StoreError."""
        self._count = await self._queue.count()
        for waiting in await self._queue.waiting():
            self._lane(waiting.function).wake_at(waiting.due_seconds)

    async def close(self) -> None:
        """Begin nothing more; what runs is not waited for, and is done again after the next start."""
        self._closed = True
        for lane in self._lanes.values():
            lane.close()
        await self._tasks.close()

    async def accept(self, event: AsyncEvent) -> None:
        """Returns when the event is on disk. Raises StoreError, or TooManyRequestsException when the queue is full."""
        if self._count >= self._limits.async_events:
            raise too_many_events()
        self._count += 1
        lane = self._lane(event.function)
        held = lane.has_room and not self._closed
        lane.coming += 1
        try:
            event = await self._queue.put(event, held=held)
        except BaseException:
            self._count -= 1
            raise
        finally:
            lane.coming -= 1
        self._metrics.function(event.function.name).async_events_received += 1
        self._metrics.event(event.function, event.qualifier, "AsyncEventsReceived")
        if held:
            lane.add(event)
        else:
            lane.more_on_disk()

    # attempts

    def _lane(self, function: FunctionId) -> Lane:
        lane = self._lanes.get(function)
        if lane is None:
            lane = self._lanes[function] = Lane(
                function, self._queue, self._clock, self._limits, self._tasks.start, self._begin, self._is_expired
            )
        return lane

    def _begin(self, lane: Lane, event: AsyncEvent) -> None:
        self._tasks.start(self._attempt(lane, event))

    def _is_expired(self, event: AsyncEvent) -> bool:
        known = self._known.get((event.function, event.qualifier or LATEST))
        rules = retry.policy(None, None, self._limits) if known is None else known.rules
        return retry.expired(event.accepted_seconds, self._clock.now(), rules)

    async def _attempt(self, lane: Lane, event: AsyncEvent) -> None:
        try:
            ran = await self._try(lane, event)
        except StoreError as error:
            # It is still in the queue, held by us: it keeps its turn until the disk is well again.
            _log.error("the queue of events failed", error=str(error))
            lane.throttled(event)
            return
        except Exception:  # noqa: BLE001 - a mistake of ours must not lose the event nor its place in the lane
            _log.exception("an event could not be worked on", function=event.function.arn)
            lane.throttled(event)
            return
        if ran is not None:
            lane.ended(ran=ran)
            if lane.idle:
                self._lanes.pop(lane.function, None)

    async def _try(self, lane: Lane, event: AsyncEvent) -> bool | None:
        """One attempt: whether the function ran, or None if there was no place and the event goes back to its lane."""
        config = await self._config(event)
        too_old = Ending(condition=retry.EVENT_AGE_EXCEEDED, invocations=event.attempts)
        if retry.expired(event.accepted_seconds, self._clock.now(), config.rules):
            await self._end(event, config, too_old)
            return False
        led_here = event.trace_id.encode("latin-1") or self._ids.trace_id(self._clock.now())
        trace_id, goes_on = self._loops.follow(led_here, lineage.mark(event.function.arn))
        if goes_on and await self._loops.ends(event.function):
            await self._end(event, config, Ending(condition=retry.RECURSIVE_LOOP, invocations=event.attempts))
            return False
        age_seconds = self._clock.now() - event.accepted_seconds
        result = await self._invoke(event, trace_id, config.rules.age_seconds - age_seconds - _EARLY_SECONDS)
        if isinstance(result, Outcome):
            self._metrics.event(event.function, event.qualifier, "AsyncEventAge", age_seconds * 1000, "Milliseconds")
            attempt = Attempt.SUCCEEDED if result.function_error is None else Attempt.FUNCTION_FAILED
            await self._decide(lane, event, config, attempt, result)
            return True
        if result.code == "TooManyRequestsException":
            lane.throttled(event)
            return None
        if result is _TOO_OLD:
            await self._end(event, config, too_old)
        elif result.code == _GONE:
            await self._end(event, config, None)
        else:
            await self._decide(lane, event, config, Attempt.NOT_RUN, None)
        return False

    async def _invoke(self, event: AsyncEvent, trace_id: bytes, wait_seconds: float) -> Outcome | ServiceError:
        """Run it, if its turn comes within ``wait_seconds``."""
        try:
            target = self._router.find(event.function, event.qualifier)
            if target is None:
                await self._load(event.function, event.qualifier)
                target = self._router.find(event.function, event.qualifier)
            if target is None:
                return ServiceError(_GONE, "The function does not exist any more.")
            done: asyncio.Future[Outcome | ServiceError] = asyncio.get_running_loop().create_future()
            invocation = Invocation(
                target,
                event.request_id.encode(),
                trace_id,
                event.payload,
                lambda result: None if done.done() else done.set_result(result),
                client_context=event.client_context,
                tenant_id=None if event.tenant_id is None else event.tenant_id.encode("ascii"),
                asynchronous=True,
            )
            target.pool.submit(invocation)
            timer = self._clock.call_later(wait_seconds, target.pool.withdraw, invocation, _TOO_OLD)
            try:
                return await done
            finally:
                timer.cancel()
        except ServiceError as error:
            return error

    async def _decide(
        self, lane: Lane, event: AsyncEvent, config: _Config, attempt: Attempt, outcome: Outcome | None
    ) -> None:
        now = self._clock.now()
        verdict = retry.decide(
            attempt,
            attempts=event.attempts,
            delays=event.delays,
            accepted_seconds=event.accepted_seconds,
            now_seconds=now,
            rules=config.rules,
            limits=self._limits,
        )
        if isinstance(verdict, retry.Again):
            again = replace(event, due_seconds=verdict.due_seconds, attempts=verdict.attempts, delays=verdict.delays)
            await self._queue.put_back(again)
            lane.wake_at(verdict.due_seconds)
            return
        metrics = self._metrics.function(event.function.name)
        metrics.async_event_age_seconds += now - event.accepted_seconds
        invocations = event.attempts + (outcome is not None)
        await self._end(event, config, Ending(condition=verdict.condition, invocations=invocations, outcome=outcome))

    async def _end(self, event: AsyncEvent, config: _Config, ending: Ending | None) -> None:
        """Report, then remove: in between a crash means that both are done again. None: there is nobody to report to."""
        reported = False
        succeeded = ending is not None and ending.condition == retry.SUCCESS
        if ending is not None:
            destination = config.on_success if succeeded else config.on_failure
            reported = await self._reports.send(event, ending, destination, self.accept)
        if not succeeded and not reported:
            self._metrics.function(event.function.name).async_events_dropped += 1
            self._metrics.event(event.function, event.qualifier, "AsyncEventsDropped")
        await self._queue.remove(event)
        self._count -= 1

    async def _config(self, event: AsyncEvent) -> _Config:
        key = (event.function, event.qualifier or LATEST)
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known.read_seconds < _CONFIG_SECONDS:
            return known
        found = await self._configs(*key)
        if len(self._known) >= _MANY_CONFIGS:
            self._known.clear()
        read = self._known[key] = _Config(
            read_seconds=now,
            rules=retry.policy(
                None if found is None else found.maximum_retry_attempts,
                None if found is None else found.maximum_event_age_seconds,
                self._limits,
            ),
            on_success=None if found is None else found.on_success,
            on_failure=None if found is None else found.on_failure,
        )
        return read
