"""How long idle environments are kept: the rules alone, and what the pools make of them on virtual time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.world import FUNCTION, World, in_world

from midge.invoke.keep_alive import FixedTime, IdleTimeHistogram, KeepAlive, Usage, Windows, keep_alive_rule
from midge.model.limits import Limits

LIMITS = Limits()
FIXED = Windows(keep_alive_seconds=600.0)
MINUTE, HOUR = 60.0, 3_600.0


def learnt(idle_seconds: list[float], limits: Limits = LIMITS) -> Windows:
    rule = IdleTimeHistogram(limits)
    for seconds in idle_seconds:
        rule.was_idle(seconds)
    return rule.windows()


@pytest.mark.parametrize(
    ("idle", "expected"),
    [
        ([], FIXED),
        ([15 * MINUTE] * 9, FIXED),  # too few
        ([15 * MINUTE] * 10, Windows(pre_warm_seconds=810.0, keep_alive_seconds=1_056.0 - 810.0)),
        ([5.0] * 10, Windows(pre_warm_seconds=0.0, keep_alive_seconds=66.0)),
        ([5 * HOUR] * 100, FIXED),  # all beyond the range
        ([15 * MINUTE] * 10 + [5 * HOUR] * 11, FIXED),  # most of them
        ([15 * MINUTE] * 10 + [5 * HOUR] * 10, Windows(pre_warm_seconds=810.0, keep_alive_seconds=246.0)),
        ([minute * MINUTE for minute in range(240)], FIXED),  # as good as random
        ([1.0] * 5 + [30 * MINUTE] * 95, Windows(pre_warm_seconds=0.0, keep_alive_seconds=31 * MINUTE * 1.1)),
        ([1.0] * 4 + [30 * MINUTE] * 96, Windows(pre_warm_seconds=1_620.0, keep_alive_seconds=2_046.0 - 1_620.0)),
        ([30 * MINUTE] * 99 + [40 * MINUTE], Windows(pre_warm_seconds=1_620.0, keep_alive_seconds=2_046.0 - 1_620.0)),
    ],
)
def test_a_histogram_says_when_a_function_will_be_needed(idle: list[float], expected: Windows) -> None:
    """From the 5th to the 99th percentile of idle times, a tenth of margin on both sides; else the fixed time."""
    found = learnt(idle)
    assert found.pre_warm_seconds == pytest.approx(expected.pre_warm_seconds)
    assert found.keep_alive_seconds == pytest.approx(expected.keep_alive_seconds)


@given(st.lists(st.floats(0.0, 5 * HOUR), max_size=60))
def test_whatever_is_learnt_covers_most_of_what_was(idle: list[float]) -> None:
    """Where the histogram speaks, nine tenths of the idle times in its range would have found an environment."""
    found = learnt(idle)
    assert found.pre_warm_seconds >= 0
    assert found.keep_alive_seconds > 0
    if found != FIXED:
        end = found.pre_warm_seconds + found.keep_alive_seconds
        inside = [seconds for seconds in idle if seconds < 240 * MINUTE]
        warm = [seconds for seconds in inside if found.pre_warm_seconds <= seconds <= end]
        assert len(warm) >= 0.9 * len(inside)


def test_a_fixed_time_learns_nothing() -> None:
    """It is what it is, whatever happened, and what other names than the histogram's stand for."""
    rule = keep_alive_rule("fixed", LIMITS)()
    assert isinstance(rule, FixedTime)
    rule.was_idle(1.0)
    assert rule.windows() == FIXED
    assert not rule.learns


class Told(KeepAlive):
    """A rule that says what the test says, and remembers."""

    learns = True

    def __init__(self, windows: Windows) -> None:
        self.heard: list[float] = []
        self._windows = windows

    def was_idle(self, seconds: float) -> None:
        self.heard.append(seconds)

    def windows(self) -> Windows:
        return self._windows


def test_idle_is_from_the_last_end_to_the_next_beginning() -> None:
    """Invocations beside each other are no idle time, nor is the time before the first."""
    rule = Told(FIXED)
    usage = Usage(rule)
    usage.begins(100.0)
    usage.ended(110.0)
    usage.begins(130.0)
    usage.ended(131.0)
    usage.begins(131.5)
    assert rule.heard == [20.0, 0.5]


def test_an_environment_is_wanted_between_head_and_tail() -> None:
    """Before, and after, every idle one is worth nothing; in between one is made, once, and what was made is kept."""
    usage = Usage(Told(Windows(pre_warm_seconds=100.0, keep_alive_seconds=50.0)))
    assert not usage.pre_warms(0.0)
    usage.begins(0.0)
    assert usage.unused_since(200.0) == 50.0
    assert not usage.pre_warms(200.0)
    usage.ended(1_000.0)
    assert usage.unused_since(1_050.0) > 1_050.0
    assert not usage.pre_warms(1_050.0)
    assert usage.pre_warms(1_100.0)
    assert not usage.pre_warms(1_101.0)
    assert usage.unused_since(1_150.0) == 1_000.0
    assert usage.unused_since(1_151.0) > 1_151.0
    usage.begins(1_200.0)
    usage.ended(1_200.0)
    assert not usage.pre_warms(1_351.0)


def test_a_regular_function_is_warm_when_it_is_called_and_gone_in_between(tmp_path: Path) -> None:
    """Called every half hour it is a cold start each time by the fixed time; once learnt it never is, for less memory."""

    async def scenario(world: World) -> None:
        world.put()
        colds: list[int] = []
        for _ in range(20):
            await world.invoke()
            colds.append(world.metrics.function("work").cold_starts)
            await world.pass_time(30 * MINUTE)
        assert colds[10] == 11
        assert colds[-1] == 11  # the eleventh brought the tenth idle time
        await world.invoke()
        await world.pass_time(10 * MINUTE)
        assert not world.sandbox.running()
        await world.pass_time(18 * MINUTE)
        assert len(world.sandbox.running()) == 1
        await world.pass_time(30 * MINUTE)
        assert not world.sandbox.running()

    in_world(tmp_path, scenario, keep_alive="histogram")


def test_a_busy_function_is_kept_and_let_go_soon(tmp_path: Path) -> None:
    """Whoever is called every few seconds is warm, and not kept for ten minutes when that ends."""

    async def scenario(world: World) -> None:
        world.put()
        for _ in range(20):
            await world.invoke()
            await world.pass_time(5.0)
        assert world.metrics.function("work").cold_starts == 1
        await world.pass_time(2 * MINUTE)
        assert not world.sandbox.running()

    in_world(tmp_path, scenario, keep_alive="histogram")


def test_provisioned_environments_stay(tmp_path: Path) -> None:
    """No rule ends what is provisioned, and nothing is made anew beside it."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 1})
        await world.settle()
        for _ in range(15):
            call = world.call(target=world.target("1"))
            await world.settle()
            assert call.outcome.function_error is None
            await world.pass_time(30 * MINUTE)
        assert len(world.sandbox.runtimes) == 1

    in_world(tmp_path, scenario, keep_alive="histogram")
