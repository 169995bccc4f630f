"""Asynchronous invocation in a world on virtual time: a queue in memory, destinations that remember."""

from collections.abc import Callable

from unit.world import FUNCTION, World

from midge.events.dispatcher import Dispatcher
from midge.events.port import DeliveryError, Message
from midge.events.reports import Reports
from midge.invoke.recursion import RecursiveLoops
from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import FunctionId
from midge.queue.memory import MemoryEventQueue
from midge.queue.port import AsyncEvent
from midge.tasks import TaskOwner


class FakeDeliveries:
    """Remembers what was sent; ``refuses`` says which sends fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.refuses: Callable[[str], bool] = lambda arn: False

    async def send(self, arn: str, message: Message) -> None:
        if self.refuses(arn):
            raise DeliveryError("told to refuse")
        self.sent.append((arn, message))


class Post:
    """One life of the server's asynchronous side; ``queue`` outlives it."""

    def __init__(
        self, world: World, queue: MemoryEventQueue | None = None, deliveries: FakeDeliveries | None = None
    ) -> None:
        self.world = world
        self.queue = queue if queue is not None else MemoryEventQueue()
        self.deliveries = deliveries or FakeDeliveries()
        self.configs: dict[tuple[FunctionId, str], EventInvokeConfig] = {}
        self.looping: set[FunctionId] = set()
        self.dead_letter_targets: dict[FunctionId, str] = {}
        self.failures: list[BaseException] = []
        self.tasks = TaskOwner(self.failures.append)
        reports = Reports(
            self.deliveries,
            self.dead_letter_target,
            clock=world.clock,
            limits=world.limits,
            metrics=world.metrics,
            ids=world.ids,
        )
        self.dispatcher = Dispatcher(
            self.queue,
            world.router,
            self.load,
            self.config,
            reports,
            loops=RecursiveLoops(world.limits.recursive_invocations, self.loops_allowed, world.metrics),
            clock=world.clock,
            limits=world.limits,
            metrics=world.metrics,
            ids=world.ids,
            tasks=self.tasks,
        )

    async def load(self, function: FunctionId, qualifier: str | None) -> None:
        """Everything there is has been put into the router."""
        del function, qualifier

    async def loops_allowed(self, function: FunctionId) -> bool:
        return function in self.looping

    async def config(self, function: FunctionId, qualifier: str) -> EventInvokeConfig | None:
        return self.configs.get((function, qualifier))

    async def dead_letter_target(self, function: FunctionId, qualifier: str | None) -> str | None:
        del qualifier
        return self.dead_letter_targets.get(function)

    def event(
        self,
        payload: bytes = b"{}",
        function: FunctionId = FUNCTION,
        qualifier: str | None = None,
        trace_id: str = "Root=1",
    ) -> AsyncEvent:
        """One that is due now."""
        now = self.world.clock.now()
        return AsyncEvent(
            function=function,
            qualifier=qualifier,
            request_id=self.world.ids.request_id().decode(),
            trace_id=trace_id,
            payload=payload,
            accepted_seconds=now,
            due_seconds=now,
        )

    async def send(
        self,
        payload: bytes = b"{}",
        function: FunctionId = FUNCTION,
        qualifier: str | None = None,
        trace_id: str = "Root=1",
    ) -> str:
        """Have an event accepted, and let happen what needs no time; its request id."""
        event = self.event(payload, function, qualifier, trace_id)
        await self.dispatcher.accept(event)
        await self.world.settle()
        return event.request_id

    async def close(self) -> None:
        await self.dispatcher.close()
        assert not self.failures, self.failures
