"""The function log: what is written, in which order, what is dropped, what survives."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from midge.clock import VirtualClock
from midge.log_store.blocks import BlockTimes
from midge.log_store.files import LogFiles
from midge.log_store.reading import EventRange, LogReader, StoredEvent
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId
from midge.model.usage import billed_ms
from midge.observe.log_records import InitReport, InvocationEnd, LogStyle
from midge.observe.logs import Appended, LogStream, LogWriter

ID = b"8476a536-e9f4-41e8-9739-2dfe598c3fcd"
STYLE = LogStyle(version="$LATEST", memory_size_mb=128)
GROUP = LogGroupId(account="000000000000", region="us-east-1", name="/aws/lambda/work")


def with_writer(
    root: Path, scenario: Callable[[LogWriter, VirtualClock], Awaitable[None]], limits: Limits | None = None
) -> None:
    async def main() -> None:
        clock = VirtualClock()
        writer = LogWriter(LogFiles(root / "logs", Limits()), clock, limits or Limits())
        try:
            await scenario(writer, clock)
        finally:
            await writer.close()

    asyncio.run(main())


def stored(root: Path, stream: str) -> list[StoredEvent]:
    reader = LogReader(root / "logs", Limits())
    return list(reader.events([found for found in reader.streams(GROUP) if found.name == stream], EventRange()))


def messages(root: Path, stream: str) -> list[str]:
    return [event.message for event in stored(root, stream)]


def invocation(stream: LogStream, output: bytes = b"", *, time: float = 1.0) -> None:
    stream.start(time, ID)
    if output:
        stream.output(time, output)
    stream.end(InvocationEnd(time + 0.5, ID, 0.5))


def test_flushing_lets_a_write_end_that_was_just_done(tmp_path: Path) -> None:
    """A flush that finds a write done, whose end nobody has heard of yet, yields and returns."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        done: asyncio.Future[list[Appended]] = asyncio.get_running_loop().create_future()
        done.set_result([])
        done.add_done_callback(writer._written)
        writer._writing = done
        writer._begun += 1
        await writer.flush()
        assert writer._writing is None

    with_writer(tmp_path, scenario)


def test_plain_and_rendered_invocations_read_the_same(tmp_path: Path) -> None:
    """The text made at once for an invocation without output is, to the byte, that made in the thread."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        plain, rendered = writer.open(GROUP, "plain", STYLE), writer.open(GROUP, "rendered", STYLE)
        for stream in (plain, rendered):
            stream.memory_peak_bytes = lambda: 35_000_000
        invocation(plain)
        invocation(rendered, b"x\n")
        await writer.flush()

    with_writer(tmp_path, scenario)
    rendered = messages(tmp_path, "rendered")
    assert rendered.pop(1) == "x\n"
    assert messages(tmp_path, "plain") == rendered
    assert rendered[2] == (
        f"REPORT RequestId: {ID.decode()}\tDuration: 500.00 ms\tBilled Duration: 500 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 34 MB\t\n"
    )


def test_events_have_their_own_times(tmp_path: Path) -> None:
    """Each event has the time of what it tells, in milliseconds."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        invocation(writer.open(GROUP, "s", STYLE), time=1_800_000_000.25)

    with_writer(tmp_path, scenario)
    assert [event.timestamp for event in stored(tmp_path, "s")] == [1_800_000_000_250] + [1_800_000_000_750] * 2


def test_lines_are_put_together_across_writes(tmp_path: Path) -> None:
    """Output is split at line ends, wherever it was cut; what has no end comes before the END line."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        stream.start(1.0, ID)
        for piece in (b"on", b"e\ntwo\n", b"", b"thr", b"ee"):
            stream.output(1.0, piece)
            await writer.flush()
        stream.end(InvocationEnd(2.0, ID, 1.0))

    with_writer(tmp_path, scenario)
    assert messages(tmp_path, "s")[1:4] == ["one\n", "two\n", "three"]
    assert messages(tmp_path, "s")[4].startswith("END")


@pytest.mark.parametrize("output", [b"", b"before\n"])
def test_pieces_of_a_line_read_after_the_answer_stay_together(tmp_path: Path, output: bytes) -> None:
    """What is read after the answer stands before the END line, in its order and in whole lines."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        invocation(stream, output)
        for piece in (b"late", b" ", b"2\n", b"later\n"):
            stream.output(1.6, piece)
        await writer.flush()
        stream.output(1.7, b"after\n")

    with_writer(tmp_path, scenario)
    lines = messages(tmp_path, "s")
    before = [output.decode()] if output else []
    assert lines[1 : 1 + len(before) + 2] == [*before, "late 2\n", "later\n"]
    assert [line.split(" ")[0] for line in lines[-3:]] == ["END", "REPORT", "after\n"]


@pytest.mark.parametrize("before", [b"", b"before\n"])
def test_pieces_of_a_line_stay_in_their_invocation(tmp_path: Path, before: bytes) -> None:
    """However soon an invocation follows another, all that is read while it runs stands between its START and END."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        invocation(stream, before)
        stream.start(2.0, ID)
        for piece in (b"round", b" ", b"2\n"):
            stream.output(2.1, piece)
        stream.end(InvocationEnd(2.5, ID, 0.5))

    with_writer(tmp_path, scenario)
    first = ["START", *([before.decode()] if before else []), "END", "REPORT"]
    assert [line.partition(" R")[0] for line in messages(tmp_path, "s")] == [
        *first,
        "START",
        "round 2\n",
        "END",
        "REPORT",
    ]


def test_long_lines_are_cut_at_the_size_of_an_event(tmp_path: Path) -> None:
    """A line above the size of an event becomes several; bytes that are no UTF-8 are replaced."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        stream.output(1.0, b"x" * 25 + b"\n\xff\n")

    with_writer(tmp_path, scenario, Limits(log_event_bytes=10))
    assert messages(tmp_path, "s") == ["x" * 10, "x" * 10, "x" * 5 + "\n", "\ufffd\n"]


def test_output_above_the_limit_is_dropped_and_said(tmp_path: Path) -> None:
    """Memory is bounded: what exceeds it is counted and the stream tells so, and later output is kept again."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        stream.output(1.0, b"x" * 9_000 + b"\n")
        stream.output(1.0, b"y" * 2_000 + b"\n")
        assert writer.dropped_bytes == 2_001
        assert writer.waiting_bytes <= 10_000
        await writer.flush()
        stream.output(clock.now(), b"z\n")

    with_writer(tmp_path, scenario, Limits(pending_log_bytes=10_000))
    assert [line[:20] for line in messages(tmp_path, "s")] == ["x" * 20, "midge: 2001 bytes of", "z\n"]


def test_records_are_dropped_when_nothing_is_written(tmp_path: Path) -> None:
    """Even records of invocations do not pile up without end."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        stream = writer.open(GROUP, "s", STYLE)
        for _ in range(100):
            invocation(stream)
        assert writer.dropped_records > 0
        assert writer.waiting_bytes < 25_000

    with_writer(tmp_path, scenario, Limits(pending_log_bytes=10_000))


def test_a_failed_initialisation_is_reported(tmp_path: Path) -> None:
    """INIT_REPORT has the duration, phase, status and type, in both formats."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        record = InitReport(1.0, 0.25, "init", "error", "Runtime.ExitError")
        writer.open(GROUP, "text", STYLE).add(record)
        writer.open(GROUP, "json", LogStyle(version="1", memory_size_mb=128, json_format=True)).add(record)

    with_writer(tmp_path, scenario)
    assert messages(tmp_path, "text") == [
        "INIT_REPORT Init Duration: 250.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"
    ]
    (document,) = [json.loads(line) for line in messages(tmp_path, "json")]
    assert document["type"] == "platform.initReport"
    assert document["record"]["metrics"] == {"durationMs": 250.0}


@pytest.mark.parametrize(
    ("level", "succeeds", "fails"),
    [
        ("DEBUG", ["start", "runtimeDone", "report"], ["start", "runtimeDone", "report"]),
        ("INFO", ["start", "report"], ["start", "runtimeDone", "report"]),
        ("WARN", [], ["runtimeDone", "report"]),
    ],
)
def test_the_system_level_leaves_platform_events_out(
    tmp_path: Path, level: str, succeeds: list[str], fails: list[str]
) -> None:
    """In the JSON format each platform event has a level; what failed is told at every one, with its error."""

    async def scenario(writer: LogWriter, clock: VirtualClock) -> None:
        style = LogStyle(version="1", memory_size_mb=128, json_format=True, system_level=level)
        invocation(writer.open(GROUP, "good", style))
        stream = writer.open(GROUP, "bad", style)
        stream.start(2.0, ID)
        stream.end(InvocationEnd(3.0, ID, 1.0, None, None, "timeout", "Sandbox.Timedout", by_platform=True))

    with_writer(tmp_path, scenario)
    good = [json.loads(line) for line in messages(tmp_path, "good")]
    bad = [json.loads(line) for line in messages(tmp_path, "bad")]
    assert [event["type"] for event in good] == [f"platform.{kind}" for kind in succeeds]
    assert [event["type"] for event in bad] == [f"platform.{kind}" for kind in fails]
    for event in bad[-2:]:
        assert (event["record"]["status"], event["record"]["errorType"]) == ("timeout", "Sandbox.Timedout")
        assert event["record"]["requestId"] == ID.decode()
        assert event["record"]["metrics"]["durationMs"] == 1000.0


def test_the_hot_path_never_writes(tmp_path: Path) -> None:
    """Files are only touched in the writer's thread, after the flush time."""
    threads: set[int] = set()

    class Watched(LogFiles):
        def append(
            self, group: LogGroupId, stream: str, lines: bytes, times: BlockTimes, now_ms: int
        ) -> tuple[LogGroup, int]:
            threads.add(threading.get_ident())
            return super().append(group, stream, lines, times, now_ms)

    async def main() -> None:
        clock = VirtualClock()
        writer = LogWriter(Watched(tmp_path / "logs", Limits()), clock, Limits())
        invocation(writer.open(GROUP, "s", STYLE))
        assert not threads
        clock.advance(1.0)
        await writer.flush()
        assert threads
        assert threading.get_ident() not in threads
        await writer.close()

    asyncio.run(main())


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    """When writing fails the writer says so, and writes again when it can."""
    (tmp_path / "logs").write_text("in the way")

    async def main() -> None:
        clock = VirtualClock()
        writer = LogWriter(LogFiles(tmp_path / "logs", Limits()), clock, Limits())
        stream = writer.open(GROUP, "s", STYLE)
        invocation(stream)
        with pytest.raises(OSError, match="logs"):
            await writer.flush()
        (tmp_path / "logs").unlink()
        stream.output(5.0, b"again\n")
        await writer.close()

    asyncio.run(main())
    assert messages(tmp_path, "s") == ["again\n"]


@pytest.mark.parametrize(
    ("seconds", "init", "billed"), [(0.0, None, 1), (0.0011, None, 2), (0.001, None, 1), (0.5, 0.0801, 581)]
)
def test_billing_rounds_up_and_includes_init(seconds: float, init: float | None, billed: int) -> None:
    """Billed duration is run time plus initialisation, rounded up to the millisecond."""
    assert billed_ms(seconds, init) == billed
