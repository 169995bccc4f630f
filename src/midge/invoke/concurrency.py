"""Counting of concurrent executions and of requests, per account and region, and of those reserved for one function.

An account has a number of places. A function with a reservation has places of its own, which all its versions share and
nobody else may take; every other function takes from what is left. What is provisioned for a version takes its places
there whether it runs or not. Synchronous requests have a rate besides, ten a second for each place, and a function's
execution environments a rate at which they become more. Pure arithmetic: it never waits, and is told the time.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html, configuration-concurrency.html,
provisioned-concurrency.html and scaling-behavior.html
"""

import math
from dataclasses import dataclass
from weakref import WeakValueDictionary

from midge.invoke.rates import TokenBucket
from midge.model.functions import FunctionId
from midge.model.limits import Limits

_SECOND = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Why an invocation may not run now, as AWS's ``ThrottleReason``, and when another attempt makes sense."""

    reason: str
    retry_after_seconds: int = 1


class Places:
    """A number of places, and how many are taken; after a reservation more may be taken than there are.

    ``requests`` is the rate of synchronous requests to whoever shares them.
    """

    __slots__ = ("limit", "requests", "taken")

    def __init__(self, limit: int, requests: TokenBucket) -> None:
        self.limit = limit
        self.taken = 0
        self.requests = requests


class FunctionConcurrency:
    """Invocations of one function in flight, against its own places or those that its account has not reserved."""

    __slots__ = ("__weakref__", "_limits", "_places", "_unreserved", "growth", "in_flight", "taken")

    def __init__(self, unreserved: Places, limits: Limits) -> None:
        self._limits = limits
        self._unreserved = unreserved
        self._places = unreserved
        self.growth = TokenBucket(limits.scaling_environments, limits.scaling_period_seconds)
        """The environments that may still be made for its invocations."""
        self.in_flight = 0
        self.taken = 0
        """Places: of what is in flight, and of what is provisioned beyond that."""

    @property
    def reserved(self) -> int | None:
        """Its own places; None if it has none and shares."""
        return None if self._places is self._unreserved else self._places.limit

    def refusal(self, now: float, *, needs_place: bool, synchronous: bool) -> Throttle | None:
        """Why an invocation may not run at ``now``; None if it may, and then its request has been counted."""
        places = self._places
        own = places is not self._unreserved
        if needs_place and places.taken >= places.limit:
            return _CONCURRENCY_OF_FUNCTION if own else _CONCURRENCY
        if synchronous:
            if own and not places.requests.take(now):
                return Throttle(
                    reason="ReservedFunctionInvocationRateLimitExceeded",
                    retry_after_seconds=_whole(places.requests.wait_seconds(now)),
                )
            account = self._unreserved.requests
            if not account.take(now):
                if own:
                    places.requests.give_back()
                return Throttle(
                    reason="FunctionInvocationRateLimitExceeded",
                    retry_after_seconds=_whole(account.wait_seconds(now)),
                )
        return None

    def growth_refusal(self, now: float) -> Throttle | None:
        """Why it may not have another environment at ``now``; None if it may."""
        if self.growth.has_one(now):
            return None
        known = _CONCURRENCY if self._places is self._unreserved else _CONCURRENCY_OF_FUNCTION
        return Throttle(reason=known.reason, retry_after_seconds=_whole(self.growth.wait_seconds(now)))

    def take(self, places: int) -> None:
        """Take so many, or give them back if it is negative. What may be taken, ``refusal`` says."""
        self.taken += places
        self._places.taken += places

    def reserve(self, count: int | None) -> None:
        """Give it ``count`` places of its own, 0 to let nothing run, or None to let it share again.

        What is in flight goes on, and from now on counts where the next invocation will.
        """
        if count == self.reserved:
            return
        unreserved = self._unreserved
        unreserved.limit += self.reserved or 0
        self._places.taken -= self.taken
        self._places = unreserved if count is None else Places(count, requests_of(count, self._limits))
        self._places.taken += self.taken
        unreserved.limit -= count or 0


class VersionConcurrency:
    """Invocations of one function version in flight; those it has provisioned have places already."""

    __slots__ = ("_function", "_provisioned", "in_flight")

    def __init__(self, function: FunctionConcurrency) -> None:
        self._function = function
        self.in_flight = 0
        self._provisioned = 0

    def acquire(self, now: float, *, needs_environment: bool, synchronous: bool = True) -> Throttle | None:
        """Let one invocation begin at ``now``; or why not. ``needs_environment``: of those there are none will do."""
        function = self._function
        if needs_environment and (refused := function.growth_refusal(now)) is not None:
            return refused
        needs_place = self.in_flight >= self._provisioned
        refused = function.refusal(now, needs_place=needs_place, synchronous=synchronous)
        if refused is None:
            self.in_flight += 1
            function.in_flight += 1
            if needs_place:
                function.take(1)
        return refused

    def release(self) -> None:
        """One has ended. Raises ValueError if none was in flight."""
        if self.in_flight <= 0:
            raise ValueError("released a place that was not taken")
        if self.in_flight > self._provisioned:
            self._function.take(-1)
        self.in_flight -= 1
        self._function.in_flight -= 1

    def provision(self, count: int) -> None:
        """From now on take at least ``count`` places, whatever is in flight."""
        before = max(self.in_flight, self._provisioned)
        self._provisioned = count
        self._function.take(max(self.in_flight, count) - before)

    def grew(self, now: float) -> None:
        """An environment is being made for an invocation at ``now``."""
        self._function.growth.spend(now)


class ConcurrencyBook:
    """The counters of all functions; AWS's quotas are per account and region."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
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
            unreserved = self._unreserved.get(account)
            if unreserved is None:
                limit = self._limits.account_concurrency
                unreserved = self._unreserved[account] = Places(limit, requests_of(limit, self._limits))
            found = self._functions[function] = FunctionConcurrency(unreserved, self._limits)
        return found

    def version(self, function: FunctionId) -> VersionConcurrency:
        """A counter of its own for one version of a function, or for what is run of it apart from the rest."""
        return VersionConcurrency(self.function(function))

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


def requests_of(places: int, limits: Limits) -> TokenBucket:
    """The rate of synchronous requests that so many places allow."""
    return TokenBucket(places * limits.requests_per_second_per_concurrency, _SECOND)


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))


_CONCURRENCY = Throttle(reason="ConcurrentInvocationLimitExceeded")
_CONCURRENCY_OF_FUNCTION = Throttle(reason="ReservedFunctionConcurrentInvocationLimitExceeded")
