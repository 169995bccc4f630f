"""What is counted of invocations: metered whole, provisioned by time, and in bounded memory."""

from typing import Any

from harness.metrics import Counted

from midge.clock import VirtualClock
from midge.model.functions import Code, FunctionId, FunctionVersion, Logging
from midge.model.usage import FREE_STREAM_BYTES, Metered, Usage
from midge.observe.invocation_figures import VersionFigures
from midge.observe.metrics import Metrics

VERSION = FunctionVersion(
    function=FunctionId(account="1", region="r", name="f"), version="3", runtime="python3.11", handler="a.b", role="r",
    code=Code(digest="", sha256="", size_bytes=0), logging=Logging(group="g"), revision_id="", last_modified="",
    memory_size_mb=256, ephemeral_storage_mb=1024, architecture="arm64",
)  # fmt: skip


def run(figures: VersionFigures, seconds: float, **more: Any) -> Counted:
    """One invocation from its beginning to its end."""
    invocation = Counted(VERSION.arn, **more)
    figures.begin(invocation)
    figures.end(invocation, seconds, error=False, timed_out=False)
    return invocation


def test_invocations_are_billed_by_the_millisecond() -> None:
    """Each is rounded up by itself, with its initialisation; one that never ran is not billed."""
    metrics = Metrics(VirtualClock(7_200.0))
    figures = metrics.version(VERSION)
    run(figures, 0.0101)
    run(figures, 0.0004, init_seconds=0.1001)
    run(figures, 0.0)
    run(figures, 0.001, streamed_bytes=FREE_STREAM_BYTES + 4)
    run(figures, 0.001, streamed_bytes=FREE_STREAM_BYTES)
    metrics.minutes.take()
    assert metrics.minutes.take_usage() == {
        Metered(
            account="1", region="r", function="f", architecture="arm64", memory_mb=256, storage_mb=1024, hour=7_200
        ): Usage(requests=4, billed_ms=11 + 101 + 2, init_ms=100, streamed_bytes=4)
    }


def test_provisioned_concurrency_is_billed_by_time() -> None:
    """For as long as it is provisioned, whether anybody calls or not, and to the end of the last five minutes."""
    clock = VirtualClock(7_200.0)
    metrics = Metrics(clock)
    figures = metrics.version(VERSION)
    figures.provision(2)
    clock.advance(400)
    figures.provision(3)
    clock.advance(30)
    assert run(figures, 0.5).provisioned
    figures.provision(0)
    clock.advance(4_000)
    metrics.minutes.take()
    (usage,) = metrics.minutes.take_usage().values()
    assert usage == Usage(requests=1, provisioned_billed_ms=500, provisioned_ms=2 * 600_000 + 3 * 300_000)


def test_hours_are_told_apart() -> None:
    """What is provisioned over the end of an hour is billed in both."""
    clock = VirtualClock(7_200.0)
    metrics = Metrics(clock)
    metrics.version(VERSION).provision(1)
    clock.advance(2 * 3_600)
    metrics.minutes.take()
    used = metrics.minutes.take_usage()
    assert {metered.hour: usage.provisioned_ms for metered, usage in used.items()} == {
        7_200: 3_600_000,
        10_800: 3_600_000,
    }


def test_memory_is_bounded() -> None:
    """However much happens in a minute, few durations are kept one by one, and all are counted."""
    metrics = Metrics(VirtualClock(7_200.0))
    figures = metrics.version(VERSION)
    for _ in range(3_000):
        run(figures, 0.001)
        assert all(len(target.durations) <= 512 for target in figures._targets.values())
    counted = {series.name: values for (series, _), values in metrics.minutes.take().items() if not series.dimensions}
    assert (counted["Invocations"].count, counted["Duration"].count) == (3_000, 3_000)
    assert counted["ConcurrentExecutions"].maximum == 1
    (usage,) = metrics.minutes.take_usage().values()
    assert usage.requests == 3_000
