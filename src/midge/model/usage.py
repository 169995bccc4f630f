"""What AWS would bill: requests and whole milliseconds, by the hour and by what decides their price. Pure.

Everything is a whole number of a smallest unit, so that sums are exact whatever they are made of.
Source: https://aws.amazon.com/lambda/pricing/
"""

from dataclasses import dataclass

from midge.model.functions import FunctionVersion

HOUR_SECONDS = 3_600
FREE_STREAM_BYTES = 6 * 1024 * 1024
"""Of each streamed response."""
PROVISIONED_ROUNDING_MS = 300_000
"""Provisioned concurrency is billed from its beginning to its end, rounded up to five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What is used, and in which hour (the second since 1970 that it begins with)."""

    account: str
    region: str
    function: str
    architecture: str
    memory_mb: int
    storage_mb: int
    hour: int = 0

    @classmethod
    def of(cls, version: FunctionVersion) -> "Metered":
        """A version's use, in no hour yet."""
        return cls(
            account=version.function.account,
            region=version.function.region,
            function=version.function.name,
            architecture=version.architecture,
            memory_mb=version.memory_size_mb,
            storage_mb=version.ephemeral_storage_mb,
        )


@dataclass(slots=True, kw_only=True)
class Usage:
    """How much of it."""

    requests: int = 0
    billed_ms: int = 0
    """Of invocations that found no provisioned place, their initialisation included."""
    provisioned_billed_ms: int = 0
    """Of invocations on provisioned places."""
    init_ms: int = 0
    """Of both: how much of it was initialisation."""
    provisioned_ms: int = 0
    """For how long environments were provisioned, times how many."""
    streamed_bytes: int = 0
    """Of responses, beyond what is free in each."""

    def add(self, other: "Usage") -> None:
        """Count what ``other`` has counted."""
        self.requests += other.requests
        self.billed_ms += other.billed_ms
        self.provisioned_billed_ms += other.provisioned_billed_ms
        self.init_ms += other.init_ms
        self.provisioned_ms += other.provisioned_ms
        self.streamed_bytes += other.streamed_bytes

    @property
    def anything(self) -> bool:
        return bool(self.requests or self.billed_ms or self.provisioned_billed_ms or self.provisioned_ms)


def billed_ms(duration_seconds: float, init_seconds: float | None) -> int:
    """What AWS bills for: run time and, since August 2025, initialisation, rounded up to the next millisecond."""
    microseconds = round((duration_seconds + (init_seconds or 0.0)) * 1e6)
    return max(1, -(-microseconds // 1000))


def billed_together(durations_seconds: list[float]) -> tuple[int, int]:
    """How many of them took any time, and what AWS bills for these, each rounded up by itself."""
    # Once for every invocation: the arithmetic of ``billed_ms`` in one comprehension.
    billed = [-(-round(seconds * 1e6) // 1000) or 1 for seconds in durations_seconds if seconds]
    return len(billed), sum(billed)


def hour_of(moment: float) -> int:
    """The hour, as the second since 1970 that it begins with."""
    return int(moment // HOUR_SECONDS) * HOUR_SECONDS
