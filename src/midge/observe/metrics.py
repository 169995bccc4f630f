"""Counters that the hot path increments and that are turned into text only when somebody asks.

The text is Prometheus's exposition format, version 0.0.4. Knows nothing of what the figures mean to Lambda apart from
their names.
"""

import resource
from collections.abc import Callable, Mapping

from midge.clock import Clock
from midge.model.functions import FunctionId, FunctionVersion
from midge.observe.concurrency_figures import AccountFigures, FunctionFigures
from midge.observe.counters import DURATION_BOUNDS_SECONDS, FunctionMetrics
from midge.observe.invocation_figures import VersionFigures
from midge.observe.minutes import MinuteRecorder, resource_of, series_of

_COUNTERS = (
    ("midge_invocations_total", "Invocations that ran.", "invocations"),
    ("midge_errors_total", "Invocations that ended with a function error.", "errors"),
    ("midge_timeouts_total", "Invocations that ran into the function's time-out.", "timeouts"),
    ("midge_throttles_total", "Invocations refused for want of concurrency.", "throttles"),
    ("midge_cold_starts_total", "Execution environments started.", "cold_starts"),
    ("midge_async_events_received_total", "Events accepted for asynchronous invocation.", "async_events_received"),
    ("midge_async_events_dropped_total", "Events that ended with nobody told of it.", "async_events_dropped"),
    ("midge_async_event_age_seconds_total", "Ages of the events that ended, together.", "async_event_age_seconds"),
    (
        "midge_destination_delivery_failures_total",
        "Records that a destination did not take.",
        "destination_delivery_failures",
    ),
    ("midge_dead_letter_errors_total", "Events that a dead-letter queue did not take.", "dead_letter_errors"),
    (
        "midge_recursive_invocations_dropped_total",
        "Invocations that would have gone on with a recursive loop.",
        "recursive_invocations_dropped",
    ),
    (
        "midge_provisioned_concurrency_invocations_total",
        "Invocations on provisioned places.",
        "provisioned_invocations",
    ),
    (
        "midge_provisioned_concurrency_spillover_invocations_total",
        "Invocations beyond what is provisioned.",
        "spillover_invocations",
    ),
    ("midge_url_requests_total", "Requests at function URLs.", "url_requests"),
    ("midge_url_4xx_total", "Requests at function URLs that were answered with 4xx.", "url_4xx"),
    ("midge_url_5xx_total", "Requests at function URLs that were answered with 5xx.", "url_5xx"),
)

Gauge = Callable[[], Mapping[str, float]]
"""Label text (`state="ready"`, or empty) to value."""


class Metrics:
    """Every figure of the process."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._started = clock.monotonic()
        self.minutes = MinuteRecorder(clock)
        """The same, and more, as CloudWatch has it."""
        self._accounts: dict[tuple[str, str], AccountFigures] = {}
        self._functions: dict[str, FunctionMetrics] = {}
        self._gauges: list[tuple[str, str, str, Gauge]] = []
        self.add(
            "midge_unreserved_concurrent_executions",
            "Invocations in flight of functions that have none reserved.",
            lambda: {label: figures.unreserved.now for label, figures in self._by_account()},
        )
        self.add(
            "midge_claimed_account_concurrency",
            "The same, and what is reserved or provisioned.",
            lambda: {label: figures.unreserved.now + figures.claimed for label, figures in self._by_account()},
        )

    def function(self, name: str) -> FunctionMetrics:
        """The counters of the functions called ``name``."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = FunctionMetrics()
        return found

    def version(self, version: FunctionVersion) -> VersionFigures:
        """What is counted of one version's invocations."""
        return VersionFigures(
            version, self.minutes, self._concurrency(version.function), self.function(version.function.name)
        )

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """A function has so many places of its own from now on, or shares."""
        self._concurrency(function).reserve(count)

    def event(
        self, function: FunctionId, qualifier: str | None, name: str, value: float = 1.0, unit: str = "Count"
    ) -> None:
        """Count something that happens less often than invocations, under CloudWatch's name for it."""
        self.minutes.add(series_of(function, resource_of(function, qualifier), name, unit), value)

    def _by_account(self) -> list[tuple[str, AccountFigures]]:
        return [
            (f'account="{_escape(account)}",region="{_escape(region)}"', figures)
            for (account, region), figures in self._accounts.items()
        ]

    def _concurrency(self, function: FunctionId) -> FunctionFigures:
        place = (function.account, function.region)
        account = self._accounts.get(place)
        if account is None:
            account = self._accounts[place] = AccountFigures(self.minutes, *place)
        return account.function(function.name)

    def add(self, name: str, description: str, read: Gauge, *, kind: str = "gauge") -> None:
        """A figure that is read when the text is asked for; ``kind`` is gauge or counter."""
        self._gauges.append((name, description, kind, read))

    def render(self) -> bytes:
        """The text of GET /_midge/metrics."""
        lines: list[str] = []
        functions = [(f'function="{_escape(name)}"', counters) for name, counters in sorted(self._functions.items())]
        for name, description, attribute in _COUNTERS:
            _heading(lines, name, description, "counter")
            lines.extend(f"{name}{{{label}}} {getattr(counters, attribute)}" for label, counters in functions)
        _durations(lines, functions)
        for name, description, kind, read in [*self._gauges, *self._process()]:
            _heading(lines, name, description, kind)
            for label, value in read().items():
                lines.append(f"{name}{{{label}}} {value:.12g}" if label else f"{name} {value:.12g}")
        lines.append("")
        return "\n".join(lines).encode()

    def _process(self) -> list[tuple[str, str, str, Gauge]]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        uptime = self._monotonic() - self._started
        return [
            ("process_cpu_seconds_total", "CPU time of midge itself.", "counter", lambda: {"": cpu}),
            ("process_resident_memory_max_bytes", "Peak resident memory of midge itself.", "gauge", lambda: {"": peak}),
            ("midge_uptime_seconds", "Seconds since the start.", "gauge", lambda: {"": uptime}),
        ]


def _durations(lines: list[str], functions: list[tuple[str, FunctionMetrics]]) -> None:
    name = "midge_duration_seconds"
    _heading(lines, name, "Run time of invocations.", "histogram")
    for label, counters in functions:
        total = 0
        for bound, count in zip((*DURATION_BOUNDS_SECONDS, "+Inf"), counters.duration_buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{label},le="{bound}"}} {total}')
        lines.append(f"{name}_sum{{{label}}} {counters.duration_seconds:.9g}")
        lines.append(f"{name}_count{{{label}}} {total}")


def _heading(lines: list[str], name: str, description: str, kind: str) -> None:
    lines.extend((f"# HELP {name} {description}", f"# TYPE {name} {kind}"))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
