"""Telemetry: what subscribers are told, in which words, and what becomes of what they do not take. Virtual time."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.clock import VirtualClock
from midge.model.limits import Limits
from midge.model.telemetry import Buffering, TelemetrySubscription
from midge.observe import telemetry_events as events
from midge.observe.log_records import InvocationEnd, LogStyle
from midge.observe.telemetry import Telemetry, TelemetrySurroundings
from midge.observe.telemetry_buffer import TelemetryBudget, TelemetryBuffer
from midge.observe.telemetry_events import TelemetryEvent, render, wanted

ALL = ("platform", "function", "extension")
SMALL = Buffering(max_items=3, max_bytes=100, timeout_seconds=1.0)
SUBSCRIPTION = TelemetrySubscription(
    extension="ext",
    schema_version="2022-12-13",
    types=ALL,
    port=1,
    path="/",
    buffering=replace(SMALL, max_bytes=10_000),
)
LOGS = replace(SUBSCRIPTION, logs_api=True, schema_version="2021-03-18")
STYLE = LogStyle(version="7", memory_size_mb=128)
TRACING = {"type": "X-Amzn-Trace-Id", "value": "Root=1"}
END = InvocationEnd(2.0, b"id", 0.5, 3 << 20, 0.25, "error", "X.Y")

RECORDS: list[tuple[TelemetryEvent, dict[str, Any]]] = [
    (
        events.init_start(1.0, init_type="on-demand", phase="init", version=("f", "7"), runtime="python3.11"),
        {"initializationType": "on-demand", "phase": "init", "functionName": "f", "functionVersion": "7",
         "runtimeVersion": "python3.11"},
    ),
    (
        events.init_runtime_done(1.0, init_type="on-demand", phase="init", status="success", error_type=None),
        {"initializationType": "on-demand", "phase": "init", "status": "success"},
    ),
    (
        events.init_report(1.0, init_type="on-demand", phase="invoke", status="error", seconds=0.1, error_type="A.B"),
        {"initializationType": "on-demand", "phase": "invoke", "status": "error", "metrics": {"durationMs": 100.0},
         "errorType": "A.B"},
    ),
    (events.start(1.0, "id", "7", TRACING), {"requestId": "id", "version": "7", "tracing": TRACING}),
    (
        events.runtime_done(1.0, "id", status="success", seconds=0.5, produced_bytes=9, tracing=TRACING),
        {"requestId": "id", "status": "success", "tracing": TRACING, "metrics": {"durationMs": 500.0, "producedBytes": 9},
         "spans": [{"name": "responseLatency", "start": "1970-01-01T00:00:00.500Z", "durationMs": 500.0},
                   {"name": "responseDuration", "start": "1970-01-01T00:00:01.000Z", "durationMs": 0.0}]},
    ),
    (
        events.report(END, STYLE, TRACING),
        {"requestId": "id", "status": "error", "errorType": "X.Y", "tracing": TRACING,
         "metrics": {"durationMs": 500.0, "billedDurationMs": 750, "memorySizeMB": 128, "maxMemoryUsedMB": 3,
                     "initDurationMs": 250.0}},
    ),
    (
        events.extension(1.0, "e", "Ready", ("INVOKE",), None),
        {"name": "e", "state": "Ready", "events": ["INVOKE"]},
    ),
    (events.subscribed(1.0, SUBSCRIPTION, "Subscribed"), {"name": "ext", "state": "Subscribed", "types": list(ALL)}),
    (events.dropped(1.0, 2, 30, "slow"), {"droppedRecords": 2, "droppedBytes": 30, "reason": "slow"}),
]  # fmt: skip


@pytest.mark.parametrize(("event", "record"), RECORDS, ids=[event.kind for event, _ in RECORDS])
def test_platform_events_have_awss_schema(event: TelemetryEvent, record: dict[str, Any]) -> None:
    """Each platform event is a document of time, type and a record with AWS's members."""
    document = json.loads(render(event, SUBSCRIPTION, json_format=False))
    assert document["type"] == event.kind
    assert document["time"].startswith("1970-01-01T00:00:0")
    assert document["record"] == record
    assert wanted(event, SUBSCRIPTION)
    assert not wanted(event, replace(SUBSCRIPTION, types=("function",)))


def test_the_logs_api_has_fewer_events_in_other_words() -> None:
    """Of the Telemetry API's events it has those that it had before, with their members of then."""
    kinds = {event.kind for event, _ in RECORDS if wanted(event, LOGS)}
    started = json.loads(render(events.start(1.0, "id", "7", TRACING), LOGS, json_format=False))
    subscribed = json.loads(render(events.subscribed(1.0, LOGS, "Subscribed"), LOGS, json_format=False))
    assert not {"platform.initStart", "platform.initRuntimeDone", "platform.initReport"} & kinds
    assert started["record"] == {"requestId": "id", "version": "7"}
    assert subscribed["type"] == "platform.logsSubscription"
    for event in (events.end(1.0, "id"), events.fault(1.0, "it broke\n")):
        assert wanted(event, LOGS)
        assert not wanted(event, SUBSCRIPTION)
    assert not wanted(RECORDS[4][0], replace(LOGS, schema_version="2020-08-15"))


@pytest.mark.parametrize(
    ("schema", "json_format", "line", "record"),
    [
        ("2022-12-13", True, '{"a": 1}', {"a": 1}),
        ("2022-07-01", True, '{"a": 1}', '{"a": 1}'),
        ("2022-12-13", False, '{"a": 1}', '{"a": 1}'),
        ("2022-12-13", True, "plain", "plain"),
    ],
)
def test_structured_output_is_told_as_objects(schema: str, json_format: bool, line: str, record: Any) -> None:
    """With the JSON log format, and from schema 2022-12-13 on, a line of JSON is an object."""
    subscription = replace(SUBSCRIPTION, schema_version=schema)
    assert (
        json.loads(render(TelemetryEvent(1.0, "function", line), subscription, json_format=json_format))["record"]
        == record
    )


# the buffer


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=60), st.integers(1, 5), st.integers(50, 120))
def test_the_buffer_loses_nothing_uncounted(given_events: list[bytes], items: int, size: int) -> None:
    """What went in comes out in order, in batches within both limits, or has been counted as dropped."""
    budget = TelemetryBudget(150)
    buffer = TelemetryBuffer(Buffering(max_items=items, max_bytes=size, timeout_seconds=1.0), budget)
    for event in given_events:
        buffer.add(event)
    records, size_bytes = buffer.take_drops()
    out: list[bytes] = []
    while len(buffer):
        batch = buffer.take()
        assert 1 <= len(batch) <= items
        assert sum(map(len, batch)) <= size or len(batch) == 1
        out += batch
    assert len(out) + records == len(given_events)
    assert sum(map(len, out)) + size_bytes == sum(map(len, given_events))
    assert sum(map(len, out)) <= 2 * size
    assert sum(map(len, out)) <= 150
    assert buffer.take_drops() == (0, 0)
    assert budget.held_bytes == 0


def test_a_full_batch_is_due() -> None:
    """As soon as either limit is reached a batch need not wait for its time."""
    buffer = TelemetryBuffer(SMALL, TelemetryBudget(1_000))
    buffer.add(b"x" * 99)
    assert not buffer.due
    buffer.add(b"x")
    assert buffer.due


# delivery


class Ears:
    """A sink on loopback that keeps what it hears, and answers as it is told."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.status = 200
        self.silent = False
        self.connections = self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.listen(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self.ended += 1
        finally:
            writer.close()

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"POST /events HTTP/1.1\r\nHost: sandbox.localdomain:")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            if self.silent:
                return
            if self.status == 200:
                self.batches.append(body)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)


class Stage:
    """Telemetry with a real sink on loopback and virtual time."""

    def __init__(self, port: int, ears: Ears) -> None:
        self.clock = VirtualClock()
        self.ears = ears
        self.tasks: list[asyncio.Task[None]] = []
        self.subscription = replace(SUBSCRIPTION, port=port, path="/events")
        limits = Limits(telemetry_line_bytes=10, telemetry_lines_per_second=30)
        self.budget = TelemetryBudget(10_000)
        surroundings = TelemetrySurroundings(
            clock=self.clock, limits=limits, budget=self.budget, open_socket=self.open_socket, start_task=self.start
        )
        self.telemetry = Telemetry(surroundings, STYLE)

    async def open_socket(self) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        return made

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def until(self, fact: Callable[[], bool]) -> None:
        """Let things happen until ``fact`` holds."""
        async with asyncio.timeout(10):
            while not fact():  # noqa: ASYNC110 (the other side is a socket)
                await asyncio.sleep(0)

    def kinds(self) -> list[str]:
        return [event["type"] for batch in self.ears.batches for event in batch]


def on_stage(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        ears = Ears()
        server = await asyncio.start_server(ears.serve, "127.0.0.1", 0)
        stage = Stage(server.sockets[0].getsockname()[1], ears)
        try:
            await scenario(stage)
        finally:
            stage.telemetry.close()
            await asyncio.gather(*stage.tasks)
            server.close()

    asyncio.run(main())


def test_who_subscribes_in_time_hears_the_beginning() -> None:
    """What happened before a subscription during initialisation is delivered; after it is over nobody may subscribe."""

    async def scenario(stage: Stage) -> None:
        stage.telemetry.emit(RECORDS[0][0])
        assert stage.telemetry.subscribe(stage.subscription)
        stage.clock.advance(1.0)
        await stage.until(lambda: len(stage.ears.batches) == 1)
        assert stage.kinds() == ["platform.initStart", "platform.telemetrySubscription"]
        stage.telemetry.initialised()
        assert not stage.telemetry.subscribe(replace(stage.subscription, extension="late"))

    on_stage(scenario)


def test_one_api_excludes_the_other() -> None:
    """An extension that has subscribed through one API cannot through the other; a second time the same is no error."""

    async def scenario(stage: Stage) -> None:
        assert stage.telemetry.subscribe(stage.subscription)
        assert not stage.telemetry.subscribe(replace(stage.subscription, logs_api=True))
        assert stage.telemetry.subscribe(stage.subscription)
        stage.clock.advance(1.0)
        await stage.until(lambda: bool(stage.ears.batches))
        assert [e["record"]["state"] for e in stage.ears.batches[0]] == ["Subscribed", "Already subscribed"]

    on_stage(scenario)


def test_output_is_told_by_lines() -> None:
    """Each line is an event; one without an end waits for the invocation's, one that is too long does not."""

    async def scenario(stage: Stage) -> None:
        stage.telemetry.subscribe(replace(stage.subscription, types=("function",)))
        stage.telemetry.output("function", b"one\ntw")
        stage.telemetry.output("function", b"o\n\nend")
        stage.telemetry.output("extension", b"not wanted\n")
        stage.telemetry.end_lines()
        stage.telemetry.output("function", b"x" * 11)
        stage.telemetry.flush()
        await stage.until(lambda: sum(map(len, stage.ears.batches)) == 4)
        records = [event["record"] for batch in stage.ears.batches for event in batch]
        assert records == ["one", "two", "end", "x" * 11]

    on_stage(scenario)


def test_a_framed_message_is_one_event() -> None:
    """What the runtime client framed is one event without its frame, however a pipe cuts it; extensions frame nothing."""

    async def scenario(stage: Stage) -> None:
        stage.telemetry.subscribe(replace(stage.subscription, types=("function", "extension")))
        frame = (0xA55A0003).to_bytes(4, "big") + (8).to_bytes(4, "big") + bytes(8) + b"one\ntwo\n"
        stage.telemetry.output("function", b"before\n" + frame[:14])
        stage.telemetry.output("extension", b"between\n")
        stage.telemetry.output("function", frame[14:] + b"after\n")
        stage.telemetry.flush()
        await stage.until(lambda: sum(map(len, stage.ears.batches)) == 4)
        records = [event["record"] for batch in stage.ears.batches for event in batch]
        assert records == ["before", "between", "one\ntwo", "after"]

    on_stage(scenario)


def test_a_sink_that_fails_gets_the_batch_again() -> None:
    """A batch that was not accepted comes again, later and later, over a new connection, and is not lost."""

    async def scenario(stage: Stage) -> None:
        stage.ears.status = 500
        stage.telemetry.subscribe(stage.subscription)
        stage.telemetry.flush()
        await stage.until(lambda: stage.ears.ended == 1)
        stage.ears.status = 200
        stage.clock.advance(0.24)
        assert stage.ears.connections == 1
        stage.clock.advance(0.02)
        await stage.until(lambda: len(stage.ears.batches) == 1)
        assert stage.ears.connections == 2

    on_stage(scenario)


def test_a_sink_that_never_answers_is_told_what_it_missed() -> None:
    """Beyond its bound events are dropped; once the sink answers again it hears of how many, as AWS says it."""

    async def scenario(stage: Stage) -> None:
        stage.ears.silent = True
        stage.telemetry.subscribe(stage.subscription)
        stage.telemetry.flush()
        await stage.until(lambda: stage.ears.connections == 1)
        for number in range(20):
            stage.telemetry.output("function", b"%d\n" % number)
        stage.ears.silent = False
        async with asyncio.timeout(10):
            while "platform.logsDropped" not in stage.kinds():
                stage.clock.advance(1.0)
                await asyncio.sleep(0)
        drop = next(e for batch in stage.ears.batches for e in batch if e["type"] == "platform.logsDropped")
        assert drop["record"]["droppedRecords"] == 14
        assert drop["record"]["reason"].startswith("Consumer seems to have fallen behind")

    on_stage(scenario)


def test_a_connection_is_kept() -> None:
    """Batch after batch goes over one connection."""

    async def scenario(stage: Stage) -> None:
        stage.telemetry.subscribe(stage.subscription)
        for count in range(1, 4):
            stage.telemetry.flush()
            await stage.until(lambda count=count: len(stage.ears.batches) == count)
            stage.telemetry.output("function", b"more\n")
        assert stage.ears.connections == 1

    on_stage(scenario)


def test_a_flood_of_lines_is_cut_off_and_counted() -> None:
    """Beyond so many lines a second output is not told; how much is."""

    async def scenario(stage: Stage) -> None:
        stage.telemetry.subscribe(replace(stage.subscription, types=("platform", "function")))
        stage.telemetry.initialised()
        stage.telemetry.flush()
        await stage.until(lambda: len(stage.ears.batches) == 1)
        stage.telemetry.output("function", b"x\n" * 28)
        stage.telemetry.output("function", b"y\n" * 100 + b"z")
        stage.clock.advance(1.0)
        await stage.until(lambda: "platform.logsDropped" in stage.kinds())
        stage.telemetry.output("function", b"z\n")
        stage.telemetry.flush()
        await stage.until(lambda: stage.ears.batches[-1][-1]["record"] == "zz")
        events = [event for batch in stage.ears.batches for event in batch]
        told = sum(event["type"] == "function" for event in events)
        dropped = sum(e["record"]["droppedRecords"] for e in events if e["type"] == "platform.logsDropped")
        assert told + dropped == 129
        assert told <= 31

    on_stage(scenario)


def test_what_waits_is_given_back_in_the_end() -> None:
    """A subscriber whose environment ends holds nothing of what all of them may hold."""

    async def scenario(stage: Stage) -> None:
        stage.ears.silent = True
        stage.telemetry.subscribe(stage.subscription)
        stage.telemetry.output("function", b"a\nb\n")
        assert stage.budget.held_bytes > 0
        assert stage.telemetry.pending
        stage.telemetry.close()
        assert stage.budget.held_bytes == 0

    on_stage(scenario)
