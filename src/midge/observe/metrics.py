"""Counters that the hot path increments and that are turned into text only when somebody asks.

The text is Prometheus's exposition format, version 0.0.4. Knows nothing of what the figures mean to Lambda apart from
their names.
"""

import resource
from bisect import bisect_left
from collections.abc import Callable, Mapping

DURATION_BOUNDS_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
)  # fmt: skip


class FunctionMetrics:
    """The counters of one function."""

    __slots__ = (
        "async_event_age_seconds",
        "async_events_dropped",
        "async_events_received",
        "cold_starts",
        "dead_letter_errors",
        "destination_delivery_failures",
        "duration_buckets",
        "duration_seconds",
        "errors",
        "invocations",
        "recursive_invocations_dropped",
        "throttles",
        "timeouts",
    )

    def __init__(self) -> None:
        self.invocations = 0
        self.errors = 0
        self.timeouts = 0
        self.throttles = 0
        self.cold_starts = 0
        self.async_events_received = 0
        self.async_events_dropped = 0
        self.async_event_age_seconds = 0.0
        self.destination_delivery_failures = 0
        self.dead_letter_errors = 0
        self.recursive_invocations_dropped = 0
        self.duration_seconds = 0.0
        self.duration_buckets = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)

    def ran(self, seconds: float) -> None:
        """An invocation has ended after ``seconds``."""
        self.invocations += 1
        self.duration_seconds += seconds
        self.duration_buckets[bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1


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
)

Gauge = Callable[[], Mapping[str, float]]
"""Label text (`state="ready"`, or empty) to value."""


class Metrics:
    """Every figure of the process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started = monotonic()
        self._functions: dict[str, FunctionMetrics] = {}
        self._gauges: list[tuple[str, str, str, Gauge]] = []

    def function(self, name: str) -> FunctionMetrics:
        """The counters of the functions called ``name``."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = FunctionMetrics()
        return found

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
