"""What is counted of invocations on the hot path: an append and a few additions for each.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from midge.model.functions import FunctionId, FunctionVersion
from midge.model.metrics import Statistics, counted
from midge.observe.counters import FunctionMetrics
from midge.observe.minutes import MinuteRecorder, lambda_series, resource_of, series_of

_KEPT = 256
"""Durations of one target that are kept one by one: folding so many takes a tenth of a millisecond."""
_COUNT, _MILLISECONDS = "Count", "Milliseconds"
_NAMES = (
    ("Invocations", _COUNT), ("Errors", _COUNT), ("Throttles", _COUNT), ("Duration", _MILLISECONDS),
    ("ProvisionedConcurrencyInvocations", _COUNT), ("ProvisionedConcurrencySpilloverInvocations", _COUNT),
    ("ProvisionedConcurrentExecutions", _COUNT), ("ProvisionedConcurrencyUtilization", "None"),
)  # fmt: skip


class Running:
    """How many there are at once, and the most that there were since somebody looked."""

    __slots__ = ("most", "now")

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def begin(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def end(self) -> None:
        self.now -= 1

    def take(self) -> int:
        """The most, and look anew."""
        most, self.most = self.most, self.now
        return most


class AccountFigures:
    """Concurrency in one account and region: of each function, of all together, of those that share."""

    def __init__(self, minutes: MinuteRecorder, account: str, region: str) -> None:
        self._minutes = minutes
        self._place = FunctionId(account=account, region=region, name="")
        self._functions: dict[str, FunctionFigures] = {}
        self._pending = False
        self.total = Running()
        self.unreserved = Running()

    def function(self, name: str) -> "FunctionFigures":
        """Of the function of this name."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = FunctionFigures(self)
        return found

    def touch(self) -> None:
        """Something is about to begin."""
        if not self._pending:
            self._pending = True
            self._minutes.touched(self)

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        place = self._place
        for name, figures in self._functions.items():
            most = figures.running.take()
            if most:
                own = lambda_series(place, "ConcurrentExecutions", _COUNT, (("FunctionName", name),))
                minutes.merge([own], minute, _seen(most))
        claimed = sum(figures.claimed for figures in self._functions.values())
        unreserved = self.unreserved.take()
        for name, value in (
            ("ConcurrentExecutions", self.total.take()),
            ("UnreservedConcurrentExecutions", unreserved),
            ("ClaimedAccountConcurrency", unreserved + claimed),
        ):
            minutes.merge([lambda_series(place, name, _COUNT, ())], minute, _seen(value))
        self._pending = self.total.now > 0
        return self._pending


class FunctionFigures:
    """Concurrency of one function."""

    __slots__ = ("_account", "provisioned", "reserved", "running")

    def __init__(self, account: AccountFigures) -> None:
        self._account = account
        self.running = Running()
        self.reserved: int | None = None
        self.provisioned = 0
        """Of all its versions."""

    @property
    def claimed(self) -> int:
        """Places that are its own whether it runs or not."""
        return self.provisioned if self.reserved is None else self.reserved

    def reserve(self, count: int | None) -> None:
        """It has so many places of its own from now on, or shares."""
        shared = self._account.unreserved
        shared.now += (self.reserved is not None and count is None) * self.running.now
        shared.now -= (self.reserved is None and count is not None) * self.running.now
        self.reserved = count

    def begin(self) -> None:
        account = self._account
        account.touch()
        self.running.begin()
        account.total.begin()
        if self.reserved is None:
            account.unreserved.begin()

    def end(self) -> None:
        account = self._account
        self.running.end()
        account.total.end()
        if self.reserved is None:
            account.unreserved.end()


class TargetFigures:
    """Invocations of one version by one name: the function's, the version's or an alias's."""

    __slots__ = (
        "_minutes", "_pending", "_series", "_version", "durations", "errors", "provisioned", "provisioned_durations", "spilled",
        "throttles",
    )  # fmt: skip

    def __init__(self, version: "VersionFigures", minutes: MinuteRecorder, qualifier: str | None) -> None:
        function, number = version.version.function, version.version.version
        resource = resource_of(function, qualifier)
        executed = None if qualifier is None or qualifier == number else number
        self._series = {name: series_of(function, resource, name, unit, executed) for name, unit in _NAMES}
        self._version = version
        self._minutes = minutes
        self._pending = False
        self.durations: list[float] = []
        self.provisioned_durations: list[float] = []
        self.provisioned = Running()
        self.spilled = 0
        self.errors = 0
        self.throttles = 0

    def touch(self) -> None:
        """Something is about to be counted."""
        if not self._pending:
            self._pending = True
            self._minutes.touched(self)
        elif len(self.durations) + len(self.provisioned_durations) >= _KEPT:
            self.fold(self._minutes, self._minutes.minute)
            self._pending = True

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        self._pending = False
        on_demand, self.durations = self.durations, []
        provisioned, self.provisioned_durations = self.provisioned_durations, []
        self._version.spent(on_demand, provisioned)
        errors, self.errors = self.errors, 0
        throttles, self.throttles = self.throttles, 0
        spilled, self.spilled = self.spilled, 0
        spent = Statistics()
        for seconds in (*on_demand, *provisioned):
            spent.add(seconds * 1000)
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
                ("ProvisionedConcurrentExecutions", _seen(most)),
                ("ProvisionedConcurrencyUtilization", _seen(most / places)),
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

    def throttled(self, invoked_arn: str) -> None:
        """An invocation was refused for want of concurrency."""
        figures = self._target(invoked_arn)
        figures.touch()
        figures.throttles += 1
        self.counters.throttles += 1

    def begin(self, invoked_arn: str) -> bool:
        """An invocation has been given a place; whether that is one of the provisioned ones."""
        self._function.begin()
        if not self.provisioned:
            return False
        figures = self._target(invoked_arn)
        figures.touch()
        if self._on_provisioned >= self.provisioned:
            figures.spilled += 1
            return False
        self._on_provisioned += 1
        figures.provisioned.begin()
        return True

    def abandon(self, invoked_arn: str, *, provisioned: bool) -> None:
        """An invocation that has begun never ran."""
        self._function.end()
        if provisioned:
            self._on_provisioned -= 1
            self._target(invoked_arn).provisioned.end()

    def end(self, invoked_arn: str, seconds: float, *, provisioned: bool, error: bool, timed_out: bool) -> None:
        """An invocation that has begun has ended."""
        self._function.end()
        figures = self._targets.get(invoked_arn) or self._target(invoked_arn)
        figures.touch()
        if provisioned:
            self._on_provisioned -= 1
            figures.provisioned.end()
            figures.provisioned_durations.append(seconds)
        else:
            figures.durations.append(seconds)
        counters = self.counters
        counters.ran(seconds)
        if error:
            figures.errors += 1
            counters.errors += 1
            if timed_out:
                counters.timeouts += 1

    def provision(self, count: int) -> None:
        """So many environments are kept initialised from now on."""
        self._function.provisioned += count - self.provisioned
        self.provisioned = count

    def spent(self, on_demand: list[float], provisioned: list[float]) -> None:
        """How long invocations ran, in seconds, that have ended."""

    def _target(self, invoked_arn: str) -> TargetFigures:
        found = self._targets.get(invoked_arn)
        if found is None:
            qualifier = invoked_arn.removeprefix(self.version.function.arn).removeprefix(":") or None
            found = self._targets[invoked_arn] = TargetFigures(self, self._minutes, qualifier)
        return found


def _seen(value: float) -> Statistics:
    values = Statistics()
    values.add(float(value))
    return values
