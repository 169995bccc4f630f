"""Counting of concurrent executions, per account and region. Pure arithmetic: it never waits.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""


class AccountConcurrency:
    """Invocations in flight in one account and region, against its limit."""

    __slots__ = ("in_flight", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0

    def acquire(self) -> bool:
        """Take one place; False when none is left."""
        if self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Give one place back. Raises ValueError if none was taken."""
        if self.in_flight <= 0:
            raise ValueError("released a place that was not taken")
        self.in_flight -= 1


class ConcurrencyBook:
    """The accounts' counters; AWS's quota is per account and region."""

    def __init__(self, limit_per_account: int) -> None:
        self._limit = limit_per_account
        self._accounts: dict[tuple[str, str], AccountConcurrency] = {}

    def account(self, account: str, region: str) -> AccountConcurrency:
        """The counter of one account in one region."""
        found = self._accounts.get((account, region))
        if found is None:
            found = self._accounts[account, region] = AccountConcurrency(self._limit)
        return found

    def total(self) -> int:
        """Invocations in flight everywhere."""
        return sum(counter.in_flight for counter in self._accounts.values())
