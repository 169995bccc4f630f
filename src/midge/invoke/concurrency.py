"""Counting of concurrent executions, per account and region, and of those reserved for one function. Pure arithmetic.

An account has a number of places. A function with a reservation has places of its own, which all its versions share and
nobody else may take; every other function takes from what is left. It never waits.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html and configuration-concurrency.html
"""

from weakref import WeakValueDictionary

from midge.model.functions import FunctionId


class Places:
    """A number of places, and how many are taken; after a reservation more may be taken than there are."""

    __slots__ = ("in_flight", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0


class FunctionConcurrency:
    """Invocations in flight of one function, against its own places or those that its account has not reserved."""

    __slots__ = ("__weakref__", "_places", "_unreserved", "in_flight")

    def __init__(self, unreserved: Places) -> None:
        self._unreserved = unreserved
        self._places = unreserved
        self.in_flight = 0

    @property
    def reserved(self) -> int | None:
        """Its own places; None if it has none and shares."""
        return None if self._places is self._unreserved else self._places.limit

    def acquire(self) -> bool:
        """Take one place; False when none is left."""
        places = self._places
        if places.in_flight >= places.limit:
            return False
        places.in_flight += 1
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Give one place back. Raises ValueError if none was taken."""
        if self.in_flight <= 0:
            raise ValueError("released a place that was not taken")
        self.in_flight -= 1
        self._places.in_flight -= 1

    def reserve(self, count: int | None) -> None:
        """Give it ``count`` places of its own, 0 to let nothing run, or None to let it share again.

        What is in flight goes on, and from now on counts where the next invocation will.
        """
        unreserved = self._unreserved
        unreserved.limit += self.reserved or 0
        self._places.in_flight -= self.in_flight
        self._places = unreserved if count is None else Places(count)
        self._places.in_flight += self.in_flight
        unreserved.limit -= count or 0


class ConcurrencyBook:
    """The counters of all functions; AWS's quota is per account and region."""

    def __init__(self, limit_per_account: int) -> None:
        self._limit = limit_per_account
        self._unreserved: dict[tuple[str, str], Places] = {}
        self._functions: WeakValueDictionary[FunctionId, FunctionConcurrency] = WeakValueDictionary()
        self._reserved: dict[FunctionId, FunctionConcurrency] = {}

    def function(self, function: FunctionId) -> FunctionConcurrency:
        """The counter of one function, to be held as long as places of it are taken.

        It is forgotten when nobody holds it and nothing is reserved.
        """
        found = self._functions.get(function)
        if found is None:
            account = (function.account, function.region)
            unreserved = self._unreserved.setdefault(account, Places(self._limit))
            found = self._functions[function] = FunctionConcurrency(unreserved)
        return found

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """See ``FunctionConcurrency.reserve``. Whether the account can spare them is for the caller to know."""
        counter = self.function(function)
        counter.reserve(count)
        if count is None:
            self._reserved.pop(function, None)
        else:
            self._reserved[function] = counter

    def total(self) -> int:
        """Invocations in flight everywhere."""
        return sum(counter.in_flight for counter in self._functions.values())
