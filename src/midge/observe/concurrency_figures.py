"""How much runs at once: of each function, of each account and region, and the most of it in each minute.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
"""

from midge.model.functions import FunctionId
from midge.model.metrics import seen
from midge.observe.minutes import MinuteRecorder, lambda_series


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

    @property
    def claimed(self) -> int:
        """Places that functions have whether they run or not."""
        return sum(figures.claimed for figures in self._functions.values())

    def touch(self) -> None:
        """Something is about to begin."""
        if not self._pending:
            self._pending = True
            self._minutes.touched(self)

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        place = self._place
        for name, figures in self._functions.items():
            most = figures.take()
            if most:
                own = lambda_series(place, "ConcurrentExecutions", "Count", (("FunctionName", name),))
                minutes.merge([own], minute, seen(most))
        unreserved = self.unreserved.take()
        for name, value in (
            ("ConcurrentExecutions", self.total.take()),
            ("UnreservedConcurrentExecutions", unreserved),
            ("ClaimedAccountConcurrency", unreserved + self.claimed),
        ):
            minutes.merge([lambda_series(place, name, "Count", ())], minute, seen(value))
        self._pending = self.total.now > 0
        return self._pending


class FunctionFigures:
    """Concurrency of one function. ``begin`` and ``end`` are called for every invocation, and call nobody."""

    __slots__ = ("_account", "most", "now", "provisioned", "reserved", "shared", "total")

    def __init__(self, account: AccountFigures) -> None:
        self._account = account
        self.now = 0
        self.most = 0
        self.total = account.total
        self.shared = account.unreserved
        """Where it counts besides; what is reserved counts nowhere else."""
        self.reserved: int | None = None
        self.provisioned = 0
        """Of all its versions."""

    @property
    def claimed(self) -> int:
        """Places that are its own whether it runs or not."""
        return self.provisioned if self.reserved is None else self.reserved

    def reserve(self, count: int | None) -> None:
        """It has so many places of its own from now on, or shares."""
        self.shared.now -= self.now
        self.shared = self._account.unreserved if count is None else Running()
        self.shared.now += self.now
        self.reserved = count

    def begin(self) -> None:
        now = self.now = self.now + 1
        if now > self.most:
            self.most = now
            self._account.touch()
        total, shared = self.total, self.shared
        now = total.now = total.now + 1
        total.most = max(total.most, now)
        now = shared.now = shared.now + 1
        shared.most = max(shared.most, now)

    def end(self) -> None:
        self.now -= 1
        self.total.now -= 1
        self.shared.now -= 1

    def take(self) -> int:
        """The most, and look anew."""
        most, self.most = self.most, self.now
        return most
