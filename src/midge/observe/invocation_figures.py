"""What is counted of invocations on the hot path: an append and a few additions for each.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from typing import Protocol

from midge.model.functions import FunctionVersion
from midge.model.metrics import counted, seen, statistics_of
from midge.model.usage import FREE_STREAM_BYTES, PROVISIONED_ROUNDING_MS, Metered, Usage, billed_ms, billed_together
from midge.observe.concurrency_figures import FunctionFigures, Running
from midge.observe.counters import FunctionMetrics
from midge.observe.minutes import MinuteRecorder, resource_of, series_of

_KEPT = 512
"""Durations of one target that are kept one by one: folding so many takes a tenth of a millisecond."""
_COUNT, _MILLISECONDS = "Count", "Milliseconds"
_NAMES = (
    ("Invocations", _COUNT), ("Errors", _COUNT), ("Throttles", _COUNT), ("Duration", _MILLISECONDS),
    ("ProvisionedConcurrencyInvocations", _COUNT), ("ProvisionedConcurrencySpilloverInvocations", _COUNT),
    ("ProvisionedConcurrentExecutions", _COUNT), ("ProvisionedConcurrencyUtilization", "None"),
)  # fmt: skip


class _Named(Protocol):
    @property
    def invoked_arn(self) -> str: ...


class _Passed(Protocol):
    @property
    def passed_bytes(self) -> int: ...


class Invoked(Protocol):
    """An invocation, as far as it is counted."""

    provisioned: bool
    """It has one of the places that are provisioned for its version."""

    @property
    def target(self) -> _Named:
        """What it is aimed at."""
        ...

    @property
    def init_seconds(self) -> float | None:
        """How long the initialisation took that is billed with it."""
        ...

    @property
    def streamed(self) -> _Passed | None:
        """Its response, if that was streamed."""
        ...


class TargetFigures:
    """Invocations of one version by one name: the function's, the version's or an alias's."""

    __slots__ = (
        "_minutes", "_series", "_version", "durations", "errors", "pending", "provisioned", "provisioned_durations", "spilled",
        "throttles",
    )  # fmt: skip

    def __init__(self, version: "VersionFigures", minutes: MinuteRecorder, qualifier: str | None) -> None:
        function, number = version.version.function, version.version.version
        resource = resource_of(function, qualifier)
        executed = None if qualifier is None or qualifier == number else number
        self._series = {name: series_of(function, resource, name, unit, executed) for name, unit in _NAMES}
        self._version = version
        self._minutes = minutes
        self.pending = False
        self.durations: list[float] = []
        self.provisioned_durations: list[float] = []
        self.provisioned = Running()
        self.spilled = 0
        self.errors = 0
        self.throttles = 0

    def touch(self) -> None:
        """Something is about to be counted."""
        if not self.pending:
            self.pending = True
            self._minutes.touched(self)

    def shorten(self) -> None:
        """Hand over what has been counted, in the middle of a minute."""
        self.fold(self._minutes, self._minutes.minute)
        self.pending = True

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        self.pending = False
        on_demand, self.durations = self.durations, []
        provisioned, self.provisioned_durations = self.provisioned_durations, []
        self._version.spent(minute, on_demand, provisioned)
        errors, self.errors = self.errors, 0
        throttles, self.throttles = self.throttles, 0
        spilled, self.spilled = self.spilled, 0
        spent = statistics_of([seconds * 1000 for seconds in (on_demand + provisioned if provisioned else on_demand)])
        ran = len(on_demand) + len(provisioned)
        figures = [
            ("Invocations", counted(ran)),
            ("Errors", counted(errors, ran - errors)),
            ("Throttles", counted(throttles, ran)),
            ("Duration", spent),
            ("ProvisionedConcurrencySpilloverInvocations", counted(spilled)),
        ]
        most, places = self.provisioned.take(), self._version.provisioned
        if places and (most or provisioned):
            figures += [
                ("ProvisionedConcurrencyInvocations", counted(len(provisioned))),
                ("ProvisionedConcurrentExecutions", seen(most)),
                ("ProvisionedConcurrencyUtilization", seen(most / places)),
            ]
        for name, values in figures:
            if values.count:
                minutes.merge(self._series[name], minute, values)
        return False


class VersionFigures:
    """Invocations of one function version in one pool. ``counters`` are those of the functions of its name."""

    def __init__(
        self,
        version: FunctionVersion,
        minutes: MinuteRecorder,
        function: FunctionFigures,
        counters: FunctionMetrics,
    ) -> None:
        self.version = version
        self.counters = counters
        self.provisioned = 0
        """Environments that are kept initialised."""
        self._minutes = minutes
        self._function = function
        self._targets: dict[str, TargetFigures] = {}
        self._on_provisioned = 0
        self._metered = Metered.of(version)
        self._pending = False
        self._billed_until = 0.0
        self._provisioned_ms = 0
        """How long what is provisioned now has been so."""

    def throttled(self, invocation: Invoked) -> None:
        """An invocation was refused for want of concurrency."""
        figures = self._target(invocation.target.invoked_arn)
        figures.touch()
        figures.throttles += 1
        self.counters.throttles += 1

    def begin(self, invocation: Invoked) -> None:
        """An invocation has been given a place, and is told whether that is one of the provisioned ones."""
        self._function.begin()
        if self.provisioned:
            figures = self._target(invocation.target.invoked_arn)
            figures.touch()
            if self._on_provisioned >= self.provisioned:
                figures.spilled += 1
                self.counters.spillover_invocations += 1
                return
            self._on_provisioned += 1
            figures.provisioned.begin()
            invocation.provisioned = True

    def abandon(self, invocation: Invoked, *, throttled: bool = False) -> None:
        """An invocation that has begun never ran; ``throttled`` for want of room."""
        self._function.end()
        if invocation.provisioned:
            self._on_provisioned -= 1
            self._target(invocation.target.invoked_arn).provisioned.end()
        if throttled:
            self.throttled(invocation)

    def end(self, invocation: Invoked, seconds: float, *, error: bool, timed_out: bool) -> None:
        """An invocation that has begun has ended."""
        self._function.end()
        arn = invocation.target.invoked_arn
        figures = self._targets.get(arn) or self._target(arn)
        if not figures.pending:
            figures.touch()
        elif len(figures.durations) >= _KEPT or len(figures.provisioned_durations) >= _KEPT:
            figures.shorten()
        if invocation.provisioned:
            self._on_provisioned -= 1
            figures.provisioned.end()
            figures.provisioned_durations.append(seconds)
            self.counters.provisioned_invocations += 1
        else:
            figures.durations.append(seconds)
        if invocation.init_seconds is not None:
            self._initialised(seconds, invocation.init_seconds, provisioned=invocation.provisioned)
        if invocation.streamed is not None:
            self._streamed(invocation.streamed.passed_bytes)
        counters = self.counters
        counters.ran(seconds)
        if error:
            figures.errors += 1
            counters.errors += 1
            if timed_out:
                counters.timeouts += 1

    def provision(self, count: int) -> None:
        """So many environments are kept initialised from now on."""
        if count == self.provisioned:
            return
        self._provision_ends()
        self._function.provisioned += count - self.provisioned
        self.provisioned = count
        self._provisioned_ms = 0
        self._billed_until = self._minutes.now()
        if not self._pending:
            self._pending = True
            self._minutes.touched(self)

    def spent(self, minute: int, on_demand: list[float], provisioned: list[float]) -> None:
        """How long invocations ran, in seconds, that have ended in a minute. Those that never ran took no time at all."""
        requests, ran = billed_together(on_demand)
        more, on_provisioned = billed_together(provisioned)
        if requests or more:
            amounts = Usage(requests=requests + more, billed_ms=ran, provisioned_billed_ms=on_provisioned)
            self._minutes.use(self._metered, minute, amounts)

    def _initialised(self, seconds: float, init_seconds: float, *, provisioned: bool) -> None:
        """An invocation that ended after ``seconds`` is billed for its environment's initialisation as well."""
        more = billed_ms(seconds, init_seconds) - billed_ms(seconds, None)
        amounts = Usage(init_ms=more)
        if provisioned:
            amounts.provisioned_billed_ms = more
        else:
            amounts.billed_ms = more
        self._minutes.use(self._metered, self._minutes.minute, amounts)

    def _streamed(self, passed_bytes: int) -> None:
        """A response was streamed, so many bytes of it."""
        if passed_bytes > FREE_STREAM_BYTES:
            amounts = Usage(streamed_bytes=passed_bytes - FREE_STREAM_BYTES)
            self._minutes.use(self._metered, self._minutes.minute, amounts)

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        """Bill what is provisioned, as long as it is."""
        now = minutes.now()
        spent_ms = round((now - self._billed_until) * 1000)
        self._billed_until = now
        self._provisioned_ms += max(0, spent_ms)
        if spent_ms > 0 and self.provisioned:
            minutes.use(self._metered, minute, Usage(provisioned_ms=spent_ms * self.provisioned))
        self._pending = self.provisioned > 0
        return self._pending

    def _provision_ends(self) -> None:
        """What was provisioned until now is billed to its end, rounded up."""
        if self.provisioned:
            self.fold(self._minutes, self._minutes.minute)
            rounding_ms = -self._provisioned_ms % PROVISIONED_ROUNDING_MS
            if rounding_ms:
                amounts = Usage(provisioned_ms=rounding_ms * self.provisioned)
                self._minutes.use(self._metered, self._minutes.minute, amounts)

    def _target(self, invoked_arn: str) -> TargetFigures:
        found = self._targets.get(invoked_arn)
        if found is None:
            qualifier = invoked_arn.removeprefix(self.version.function.arn).removeprefix(":") or None
            found = self._targets[invoked_arn] = TargetFigures(self, self._minutes, qualifier)
        return found
