"""What is counted of the functions of one name since the start of the process, as the hot path counts it."""

from bisect import bisect_left

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
        "provisioned_invocations",
        "recursive_invocations_dropped",
        "spillover_invocations",
        "throttles",
        "timeouts",
        "url_4xx",
        "url_5xx",
        "url_requests",
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
        self.provisioned_invocations = 0
        self.spillover_invocations = 0
        self.url_requests = 0
        self.url_4xx = 0
        self.url_5xx = 0
        self.duration_seconds = 0.0
        self.duration_buckets = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)

    def ran(self, seconds: float) -> None:
        """An invocation has ended after ``seconds``."""
        self.invocations += 1
        self.duration_seconds += seconds
        self.duration_buckets[bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1
