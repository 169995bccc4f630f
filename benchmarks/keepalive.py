"""Rules of keep-alive against each other, on virtual time and without processes: cold starts and memory-seconds.

The trace is made up, seeded, from what Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, publish of Azure
Functions: triggers by share of functions (timers 16 %); 45 % invoked once an hour or less on average, 81 % once a minute
or less, over eight orders of magnitude; timers are periodic, a tenth of the others nearly so, and two fifths have
inter-arrival times with a coefficient of variation above 1; memory of 170 MB at the median and 400 MB at the 90th
percentile. Left out, as no rule's concern: executions are taken as instants (half take less than a second), and nobody
is invoked more often than every 20 seconds, which is always warm. Days and nights are left out as well.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.report import Row, ratio
from benchmarks.setting import Setting
from midge.invoke.keep_alive import FixedTime, IdleTimeHistogram, KeepAlive
from midge.model.limits import Limits

DAY = 86_400.0
WEEK = 7 * DAY
FUNCTIONS = 500
_RATES_PER_DAY = ((0.45, 1 / 7, 24.0), (0.36, 24.0, 1_440.0), (0.19, 1_440.0, DAY / 20))
"""Share of functions, and between which average rates they lie, evenly by orders of magnitude."""
_TIMERS, _NEARLY_PERIODIC, _BURSTY = 0.16, 0.1, 0.4
_MEDIAN_MB, _MEMORY_SIGMA = 170.0, math.log(400 / 170) / statistics.NormalDist().inv_cdf(0.9)

POLICIES: dict[str, Callable[[], KeepAlive]] = {
    "fixed 10 min": lambda: FixedTime(600.0),
    "fixed 20 min": lambda: FixedTime(1_200.0),
    "fixed 1 h": lambda: FixedTime(3_600.0),
    "fixed 4 h": lambda: FixedTime(14_400.0),
    "histogram": lambda: IdleTimeHistogram(Limits()),
}
BASELINE, AS_EXPENSIVE, LEARNT = "fixed 10 min", "fixed 20 min", "histogram"
MB_SECONDS_PER_GB_HOUR = 1_024 * 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """``arrivals`` are seconds from the trace's beginning, in order."""

    memory_mb: float
    arrivals: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule made of a trace."""

    cold_share: float
    """Of all invocations."""
    cold_share_p75: float
    """Of its own invocations, for the function at the third quartile: most invocations are a few functions'."""
    idle_mb_seconds: float
    """Memory that stood idle, times how long."""


def trace(seed: int, functions: int, seconds: float) -> list[Function]:
    """The same for the same seed."""
    chance = random.Random(seed)
    return [_function(chance, seconds) for _ in range(functions)]


def _function(chance: random.Random, seconds: float) -> Function:
    shares = [share for share, _, _ in _RATES_PER_DAY]
    _, low, high = chance.choices(_RATES_PER_DAY, shares)[0]
    gap = DAY / math.exp(chance.uniform(math.log(low), math.log(high)))
    memory_mb = max(128.0, chance.lognormvariate(math.log(_MEDIAN_MB), _MEMORY_SIGMA))
    now = chance.uniform(0.0, gap)
    arrivals: list[float] = []
    for pause in _pauses(chance, gap):
        if now >= seconds:
            break
        arrivals.append(now)
        now += pause
    return Function(memory_mb=memory_mb, arrivals=arrivals)


def _pauses(chance: random.Random, gap: float) -> Iterator[float]:
    """Endless times between arrivals, ``gap`` seconds on average."""
    if chance.random() < _TIMERS:
        while True:
            yield gap
    kind = chance.random()
    if kind < _NEARLY_PERIODIC:
        while True:
            yield max(0.0, chance.gauss(gap, 0.05 * gap))
    variation = math.exp(chance.uniform(0.0, math.log(10.0))) if kind < _NEARLY_PERIODIC + _BURSTY else 1.0
    # Gamma: 1 is Poisson arrivals, above 1 they come in bursts with long pauses between.
    shape = 1 / variation**2
    while True:
        yield chance.gammavariate(shape, gap / shape)


def replay(functions: list[Function], seconds: float, make: Callable[[], KeepAlive]) -> Found:
    """What ``make``'s rules make of a trace of that length."""
    colds = invocations = 0
    idle = 0.0
    shares: list[float] = []
    for function in functions:
        if not function.arrivals:
            continue
        cold, held = _replay_one(function.arrivals, seconds, make())
        colds += cold
        invocations += len(function.arrivals)
        idle += held * function.memory_mb
        shares.append(cold / len(function.arrivals))
    return Found(
        cold_share=colds / invocations,
        cold_share_p75=statistics.quantiles(shares, n=4)[2],
        idle_mb_seconds=idle,
    )


def _replay_one(arrivals: list[float], seconds: float, rule: KeepAlive) -> tuple[int, float]:
    """Cold starts, and seconds for which an idle environment was held."""
    colds, held = 1, 0.0
    for before, after in zip(arrivals, [*arrivals[1:], seconds], strict=True):
        idle, windows = after - before, rule.windows()
        end = windows.pre_warm_seconds + windows.keep_alive_seconds
        held += min(idle, end) - min(idle, windows.pre_warm_seconds)
        if after < seconds:
            colds += not windows.pre_warm_seconds <= idle <= end
            if rule.learns:
                rule.was_idle(idle)
    return colds, held


def keepalive(setting: Setting) -> list[Row]:
    """Each rule against a fixed time of ten minutes, on a trace of its own in each round."""
    return compare(list(setting.turns()), setting.size(FUNCTIONS))


def compare(seeds: list[int], functions: int) -> list[Row]:
    """Cold starts and memory of each rule over the baseline's; and of the learnt one over a fixed time as expensive."""
    found: dict[str, list[Found]] = {name: [] for name in POLICIES}
    for seed in seeds:
        made = trace(seed, functions, WEEK)
        for name, make in POLICIES.items():
            found[name].append(replay(made, WEEK, make))
    rows = [row for name in POLICIES if name != BASELINE for row in _rows(found, name, BASELINE, None)]
    return rows + _rows(found, LEARNT, AS_EXPENSIVE, (0.8, 1.1))


def _rows(found: dict[str, list[Found]], name: str, other: str, must: tuple[float, float] | None) -> list[Row]:
    ours, theirs = found[name], found[other]
    quartiles = [statistics.median(each.cold_share_p75 for each in each_of) for each_of in (ours, theirs)]
    return [
        ratio(
            f"cold starts, {name} / {other}",
            [each.cold_share for each in ours],
            [each.cold_share for each in theirs],
            (f"{name} of all", f"{other} of all"),
            must=None if must is None else must[0],
            note=f"of the 3rd quartile's function {quartiles[0]:.1%} against {quartiles[1]:.1%}",
        ),
        ratio(
            f"idle memory, {name} / {other}",
            [each.idle_mb_seconds / MB_SECONDS_PER_GB_HOUR for each in ours],
            [each.idle_mb_seconds / MB_SECONDS_PER_GB_HOUR for each in theirs],
            (f"{name} GB h", f"{other} GB h"),
            must=None if must is None else must[1],
        ),
    ]
