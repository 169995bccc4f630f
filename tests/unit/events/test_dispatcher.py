"""Asynchronous invocation: what is retried when, who is told of the end, and that nobody waits for another's events."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit.events.post import Post
from unit.world import FUNCTION, World, in_world

from midge.invoke.lineage import mark
from midge.model.errors import ServiceError
from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import LATEST
from midge.model.limits import Limits
from midge.queue.memory import MemoryEventQueue
from midge.queue.port import AsyncEvent
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing
from midge.store.errors import StoreUnavailableError

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:out"
DEAD = "arn:aws:sqs:eu-west-1:123456789012:dead"
OTHER = replace(FUNCTION, name="other")
ERROR = b'{"errorType":"ValueError","errorMessage":"no"}'

Scenario = Callable[[Post], Awaitable[None]]


def fail(runtime: FakeRuntime, event: Event) -> None:
    """A function that always fails."""
    del event
    runtime.fail("ValueError", ERROR)
    runtime.next()


def run(tmp_path: Path, scenario: Scenario, sandbox: FakeSandbox | None = None, limits: Limits | None = None) -> None:
    """Run ``scenario`` with a function that is there."""

    async def main(world: World) -> None:
        world.put()
        post = Post(world)
        await post.dispatcher.start()
        try:
            await scenario(post)
        finally:
            await post.close()

    in_world(tmp_path, main, sandbox, limits)


def config(post: Post, **values: object) -> None:
    post.configs[FUNCTION, LATEST] = EventInvokeConfig(
        function=FUNCTION,
        qualifier=LATEST,
        last_modified_seconds=0.0,
        **values,  # pyright: ignore[reportArgumentType]
    )


def seen(post: Post) -> list[bytes]:
    """Payloads that were given to environments, in order."""
    return [event.payload for runtime in post.world.sandbox.runtimes for event in runtime.events]


def counts(post: Post) -> tuple[int, int, int, int]:
    figures = post.world.metrics.function("work")
    return (
        figures.async_events_received,
        figures.async_events_dropped,
        figures.destination_delivery_failures,
        figures.dead_letter_errors,
    )


def test_an_event_is_invoked_and_forgotten(tmp_path: Path) -> None:
    """The function gets the payload, once; with nobody to tell, a success is told to nobody and nothing is left."""

    async def scenario(post: Post) -> None:
        await post.send(b'{"a": 1}')
        assert seen(post) == [b'{"a": 1}']
        assert post.queue.events == {}
        assert post.deliveries.sent == []
        assert counts(post) == (1, 0, 0, 0)

    run(tmp_path, scenario)


def test_a_function_error_is_retried_twice(tmp_path: Path) -> None:
    """A minute and two minutes later, with the same request id; then the failure's destination gets the record."""

    async def scenario(post: Post) -> None:
        config(post, on_failure=QUEUE)
        request_id = await post.send()
        for seconds, attempts in ((59.9, 1), (0.2, 2), (119.0, 2), (1.1, 3), (100_000.0, 3)):
            await post.world.advance(seconds)
            assert len(seen(post)) == attempts
        ids = {event.request_id for runtime in post.world.sandbox.runtimes for event in runtime.events}
        assert ids == {request_id}
        ((arn, message),) = post.deliveries.sent
        record = json.loads(message.body)
        assert (arn, message.success) == (QUEUE, False)
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 3
        assert record["responsePayload"] == json.loads(ERROR)
        assert counts(post) == (1, 0, 0, 0)

    run(tmp_path, scenario, FakeSandbox(on_event=fail))


def test_settings_act(tmp_path: Path) -> None:
    """Without retries the first failure is the last; a success goes to its own destination."""

    async def scenario(post: Post) -> None:
        config(post, maximum_retry_attempts=0, on_failure=QUEUE)
        await post.send()
        assert len(post.deliveries.sent) == 1
        post.world.sandbox.on_event = lambda runtime, event: runtime.respond(b"7", then_next=True)
        config(post, on_success=DEAD)
        await post.world.advance(1.1)  # a configuration holds for a second
        await post.send()
        assert [(arn, message.success) for arn, message in post.deliveries.sent] == [(QUEUE, False), (DEAD, True)]

    run(tmp_path, scenario, FakeSandbox(on_event=fail))


def test_an_event_that_becomes_too_old_is_not_invoked_again(tmp_path: Path) -> None:
    """Its end comes at its maximum age, not before, and says so."""

    async def scenario(post: Post) -> None:
        config(post, maximum_event_age_seconds=90, on_failure=QUEUE)
        await post.send()
        await post.world.advance(60.0)
        assert len(seen(post)) == 2
        await post.world.advance(29.9)
        assert post.deliveries.sent == []
        await post.world.advance(0.2)
        assert len(seen(post)) == 2
        ((_, message),) = post.deliveries.sent
        assert json.loads(message.body)["requestContext"]["condition"] == "EventAgeExceeded"

    run(tmp_path, scenario, FakeSandbox(on_event=fail))


def test_an_event_that_becomes_too_old_while_it_waits_for_memory_does_not_run(tmp_path: Path) -> None:
    """It is taken back and told of at its maximum age; room that comes later is not used for it."""

    async def scenario(post: Post) -> None:
        post.world.put(function=OTHER, memory_size_mb=128, timeout_seconds=300)
        config(post, maximum_event_age_seconds=60, on_failure=QUEUE)
        await post.send(b'"holds the room"', OTHER)
        await post.send(b'{"a": 1}')
        await post.world.advance(59.9)
        assert post.deliveries.sent == []
        await post.world.advance(0.2)
        ((_, message),) = post.deliveries.sent
        assert json.loads(message.body)["requestContext"]["condition"] == "EventAgeExceeded"
        await post.world.advance(300.0)
        assert set(seen(post)) == {b'"holds the room"'}
        assert post.world.platform.concurrency.function(FUNCTION).in_flight == 0

    run(tmp_path, scenario, FakeSandbox(do_nothing), Limits(functions_memory_mb=200, memory_wait_seconds=1_000.0))


def test_a_dead_letter_carries_the_event_itself(tmp_path: Path) -> None:
    """The queue gets the payload with AWS's attributes; a destination may be told as well."""

    async def scenario(post: Post) -> None:
        config(post, maximum_retry_attempts=0)
        post.dead_letter_targets[FUNCTION] = DEAD
        request_id = await post.send(b'{"b": 2}')
        ((arn, message),) = post.deliveries.sent
        assert (arn, message.body) == (DEAD, b'{"b": 2}')
        assert message.attributes is not None
        assert message.attributes["RequestID"]["StringValue"] == request_id
        assert message.attributes["ErrorMessage"]["StringValue"] == "no"

    run(tmp_path, scenario, FakeSandbox(on_event=fail))


def test_an_end_that_nobody_takes_is_counted(tmp_path: Path) -> None:
    """A destination is tried four times; then the failure and the drop are counted, and the event is gone."""

    async def scenario(post: Post) -> None:
        config(post, maximum_retry_attempts=0, on_failure=QUEUE)
        post.dead_letter_targets[FUNCTION] = DEAD
        asked: list[str] = []
        post.deliveries.refuses = lambda arn: asked.append(arn) is None
        await post.send()
        await post.world.pass_time(60.0)
        assert asked == [QUEUE] * 4 + [DEAD] * 4
        assert counts(post) == (1, 1, 1, 1)
        assert post.queue.events == {}

    run(tmp_path, scenario, FakeSandbox(on_event=fail))


def test_a_function_can_be_the_destination(tmp_path: Path) -> None:
    """It gets the record as an event of its own."""

    async def scenario(post: Post) -> None:
        post.world.put(function=OTHER)
        config(post, on_success=OTHER.arn)
        await post.send(b'{"a": 1}')
        await post.world.settle()
        first, second = seen(post)
        assert first == b'{"a": 1}'
        assert json.loads(second)["requestPayload"] == {"a": 1}
        assert post.queue.events == {}

    run(tmp_path, scenario)


def test_a_recursive_loop_ends_at_the_dead_letter_queue(tmp_path: Path) -> None:
    """An event that goes on with a loop is told to the failure's destination and the dead-letter queue, not invoked, and counted."""

    async def scenario(post: Post) -> None:
        config(post, on_failure=QUEUE)
        post.dead_letter_targets[FUNCTION] = DEAD
        chain = f"Root=1-5759e988-bd862e3fe1be46a994272793;Lineage={mark(FUNCTION.arn).decode()}:"
        await post.send(b'{"n": 16}', trace_id=f"{chain}14")
        assert seen(post) == [b'{"n": 16}']
        assert post.world.runtime.events[0].headers["lambda-runtime-trace-id"] == f"{chain}15"
        post.deliveries.sent.clear()
        await post.send(b'{"n": 17}', trace_id=f"{chain}15")
        assert seen(post) == [b'{"n": 16}']
        (_, record), (dead, letter) = post.deliveries.sent
        assert json.loads(record.body)["requestContext"]["condition"] == "RecursiveLoop"
        assert (dead, letter.body) == (DEAD, b'{"n": 17}')
        assert letter.attributes is not None
        assert letter.attributes["ErrorMessage"]["StringValue"] == "Recursive loop detected"
        assert post.world.metrics.function(FUNCTION.name).recursive_invocations_dropped == 1
        post.looping.add(FUNCTION)
        await post.send(b'{"n": 18}', trace_id=f"{chain}16")
        assert seen(post) == [b'{"n": 16}', b'{"n": 18}']

    run(tmp_path, scenario)


def test_a_destination_s_function_goes_on_with_the_chain(tmp_path: Path) -> None:
    """A loop that goes through a destination is a loop: the function that is told has the event's chain behind it."""

    async def scenario(post: Post) -> None:
        post.world.put(function=OTHER)
        config(post, on_success=OTHER.arn)
        await post.send(trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")
        await post.world.settle()
        events = [event for runtime in post.world.sandbox.runtimes for event in runtime.events]
        first, second = (event.headers["lambda-runtime-trace-id"] for event in events)
        assert second == f"{first}|{mark(OTHER.arn).decode()}:0"

    run(tmp_path, scenario)


def test_a_throttled_event_waits_and_loses_nothing(tmp_path: Path) -> None:
    """With no concurrency events stay, are tried after growing pauses, count no attempt, and run when there is some."""

    async def scenario(post: Post) -> None:
        post.world.router.reserve(FUNCTION, 0)
        for number in range(5):
            await post.send(b"%d" % number)
        await post.world.pass_time(600.0)
        throttles = post.world.metrics.function("work").throttles
        assert 5 <= throttles <= 15
        assert len(post.queue.events) == 5
        post.world.router.reserve(FUNCTION, None)
        await post.world.pass_time(600.0)
        assert sorted(seen(post)) == [b"0", b"1", b"2", b"3", b"4"]
        assert post.queue.events == {}

    run(tmp_path, scenario)


def test_a_throttled_event_becomes_too_old_all_the_same(tmp_path: Path) -> None:
    """Also those behind the first, which are not tried while there is no concurrency."""

    async def scenario(post: Post) -> None:
        post.world.router.reserve(FUNCTION, 0)
        config(post, maximum_event_age_seconds=60, on_failure=QUEUE)
        for number in range(5):
            await post.send(b"%d" % number)
        await post.world.pass_time(400.0)
        assert len(post.deliveries.sent) == 5
        assert seen(post) == []

    run(tmp_path, scenario)


def test_one_function_s_flood_does_not_delay_another_s_event(tmp_path: Path) -> None:
    """With hundreds of events waiting for a function that may not run, another's is invoked at once."""

    async def scenario(post: Post) -> None:
        post.world.put(function=OTHER)
        post.world.router.reserve(FUNCTION, 0)
        for _ in range(300):
            await post.dispatcher.accept(post.event())
        await post.world.settle()
        await post.send(b'"mine"', OTHER)
        assert seen(post) == [b'"mine"']
        assert len(post.queue.events) == 300

    run(tmp_path, scenario)


def test_few_events_are_in_memory_and_all_are_invoked(tmp_path: Path) -> None:
    """Those that do not fit wait on disk; each is invoked once, and no more at once than the lane has places."""
    limits = Limits(async_events_in_memory=8, async_concurrency_at_first=3, async_concurrency=5)
    most = 0

    def answer_later(runtime: FakeRuntime, event: Event) -> None:
        asyncio.get_running_loop().call_soon(lambda: runtime.respond(event.payload, then_next=True))

    async def scenario(post: Post) -> None:
        nonlocal most
        for number in range(100):
            await post.dispatcher.accept(post.event(b"%d" % number))
            most = max(most, post.world.platform.concurrency.total())
        for _ in range(200):
            await post.world.advance(0.1)
            most = max(most, post.world.platform.concurrency.total())
        assert sorted(seen(post), key=int) == [b"%d" % number for number in range(100)]
        assert post.queue.events == {}
        assert 1 <= most <= 5

    run(tmp_path, scenario, FakeSandbox(on_event=answer_later), limits)


def test_more_run_at_once_while_they_wait(tmp_path: Path) -> None:
    """While slow invocations hold all places, a lane gets more of them every tenth of a second, up to the limit."""
    limits = Limits(async_concurrency_at_first=2, async_concurrency=7)

    async def scenario(post: Post) -> None:
        for _ in range(20):
            await post.dispatcher.accept(post.event())
        await post.world.settle()
        running = [len(seen(post))]
        for _ in range(5):
            await post.world.advance(0.1)
            running.append(len(seen(post)))
        assert running == [2, 4, 6, 7, 7, 7]

    run(tmp_path, scenario, FakeSandbox(on_event=do_nothing), limits)


def test_what_was_accepted_is_done_after_a_restart(tmp_path: Path) -> None:
    """A server that ends in the middle leaves its events to the next one, those that it held included."""

    async def main(world: World) -> None:
        world.put()
        queue = MemoryEventQueue()
        first = Post(world, queue)
        world.router.reserve(FUNCTION, 0)
        for number in range(3):
            await first.send(b"%d" % number)
        await first.close()
        queue.restart()
        world.router.reserve(FUNCTION, None)
        second = Post(world, queue)
        await second.dispatcher.start()
        await world.advance(0.1)
        assert sorted(seen(second)) == [b"0", b"1", b"2"]
        assert queue.events == {}
        await second.close()

    in_world(tmp_path, main)


def test_a_deleted_function_s_events_are_counted(tmp_path: Path) -> None:
    """There is nobody to run them and nobody to tell: they are dropped, aloud."""

    async def scenario(post: Post) -> None:
        await post.send(function=OTHER)
        assert post.queue.events == {}
        assert post.world.metrics.function("other").async_events_dropped == 1

    run(tmp_path, scenario)


def test_a_full_queue_throttles(tmp_path: Path) -> None:
    """No more events are accepted than the limit says; the refusal asks to try again, and accepted work goes on."""

    async def scenario(post: Post) -> None:
        post.world.router.reserve(FUNCTION, 0)
        for _ in range(2):
            await post.send()
        with pytest.raises(ServiceError) as caught:
            await post.send()
        assert caught.value.code == "TooManyRequestsException"
        post.world.router.reserve(FUNCTION, None)
        await post.world.advance(5.0)
        await post.send()
        assert post.queue.events == {}

    run(tmp_path, scenario, limits=Limits(async_events=2))


class SickQueue(MemoryEventQueue):
    """Refuses to write while ``sick``."""

    sick = False

    async def put(self, event: AsyncEvent, *, held: bool) -> AsyncEvent:
        self._ail()
        return await super().put(event, held=held)

    async def remove(self, event: AsyncEvent) -> None:
        self._ail()
        await super().remove(event)

    def _ail(self) -> None:
        if self.sick:
            raise StoreUnavailableError("the disk is gone")


def test_a_sick_disk_refuses_new_work_and_keeps_the_old(tmp_path: Path) -> None:
    """While nothing can be written nothing is accepted; what was accepted is not lost, at the price of a second run."""

    async def main(world: World) -> None:
        world.put()
        queue = SickQueue()
        post = Post(world, queue)
        await post.dispatcher.accept(post.event(b'"first"'))
        queue.sick = True
        await world.settle()
        with pytest.raises(StoreUnavailableError):
            await post.send()
        queue.sick = False
        await world.advance(2.0)
        assert set(seen(post)) == {b'"first"'}
        assert queue.events == {}
        await post.close()

    in_world(tmp_path, main)
