"""A period's bill: what each function used, and its share of the price. Pure.

Tiers and the free tier hold for a month, an account, a region and, of GB-seconds, an architecture; what they make of a
month's price is shared among functions by what each of them used. Fractions all the way: nothing is rounded but for
print.
Source: https://aws.amazon.com/lambda/pricing/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction

from midge.metering.prices import PriceError, PriceList, tiered
from midge.model.usage import Metered, Usage

FREE_REQUESTS = 1_000_000
FREE_GB_SECONDS = 400_000
FREE_STREAMED_GB = 100
FREE_STORAGE_MB = 512
_MB_MS = 1024 * 1000
_GB = 1024**3


@dataclass(slots=True, kw_only=True)
class Line:
    """One function's part. Amounts are in GB-seconds and GB."""

    function: str
    requests: int = 0
    gb_seconds: Fraction = field(default_factory=Fraction)
    """On demand."""
    provisioned_duration_gb_seconds: Fraction = field(default_factory=Fraction)
    provisioned_gb_seconds: Fraction = field(default_factory=Fraction)
    """Allocated."""
    storage_gb_seconds: Fraction = field(default_factory=Fraction)
    streamed_gb: Fraction = field(default_factory=Fraction)
    price: Fraction = field(default_factory=Fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """By function, in order of their names."""

    lines: tuple[Line, ...]

    @property
    def total(self) -> Line:
        """All functions together."""
        whole = Line(function="total")
        for line in self.lines:
            _add(whole, line)
        return whole


def gb_seconds(milliseconds: int, megabytes: int) -> Fraction:
    """Of memory or storage of so many MB, for so long."""
    return Fraction(milliseconds * megabytes, _MB_MS)


def make_bill(used: Mapping[Metered, Usage], prices: PriceList, *, free_tier: bool = False) -> Bill:
    """Raises PriceError for an architecture that the list has no price for."""
    lines: dict[str, Line] = {}
    for month in _months(used).values():
        for line in _month(month, prices, free_tier=free_tier):
            _add(lines.setdefault(line.function, Line(function=line.function)), line)
    return Bill(lines=tuple(lines[name] for name in sorted(lines)))


def with_settings(
    used: Mapping[Metered, Usage],
    *,
    memory_mb: int | None = None,
    architecture: str | None = None,
    cpu_bound: bool = False,
) -> dict[Metered, Usage]:
    """What would have been used with other settings: for the same time, or, ``cpu_bound``, for the same computing.

    AWS gives a whole core at 1,769 MB; more than that does not make one thread any faster.
    """
    changed: dict[Metered, Usage] = {}
    for metered, usage in used.items():
        memory = memory_mb or metered.memory_mb
        other = replace(metered, memory_mb=memory, architecture=architecture or metered.architecture)
        factor = Fraction(_core(metered.memory_mb), _core(memory)) if cpu_bound else Fraction(1)
        amounts = replace(
            usage,
            billed_ms=_scaled(usage.billed_ms, factor),
            provisioned_billed_ms=_scaled(usage.provisioned_billed_ms, factor),
            init_ms=_scaled(usage.init_ms, factor),
        )
        changed.setdefault(other, Usage()).add(amounts)
    return changed


CORE_MB = 1_769


def _core(memory_mb: int) -> int:
    return min(memory_mb, CORE_MB)


def _scaled(milliseconds: int, factor: Fraction) -> int:
    return -int(-(milliseconds * factor) // 1)


_Month = dict[Metered, Usage]


def _months(used: Mapping[Metered, Usage]) -> dict[tuple[str, str, int, int], _Month]:
    months: dict[tuple[str, str, int, int], _Month] = {}
    for metered, usage in used.items():
        moment = datetime.fromtimestamp(metered.hour, UTC)
        place = (metered.account, metered.region, moment.year, moment.month)
        months.setdefault(place, {})[metered] = usage
    return months


def _month(used: _Month, prices: PriceList, *, free_tier: bool) -> list[Line]:
    """The lines of one month in one account and region."""
    parts: dict[tuple[str, str], Line] = {}
    for metered, usage in used.items():
        if metered.architecture not in prices.architectures:
            raise PriceError(f"the price list has no prices for {metered.architecture}")
        key = (metered.function, metered.architecture)
        _add(parts.setdefault(key, Line(function=metered.function)), _amounts(metered, usage))
    free_gb_seconds = Fraction(FREE_GB_SECONDS if free_tier else 0)
    for architecture, price in sorted(prices.architectures.items(), reverse=True):
        ours = [line for (_, its), line in parts.items() if its == architecture]
        used_gb_seconds = sum((line.gb_seconds for line in ours), Fraction(0))
        free = min(used_gb_seconds, free_gb_seconds)
        free_gb_seconds -= free
        rate = _rate(tiered(used_gb_seconds - free, price.duration), used_gb_seconds)
        for line in ours:
            line.price += line.gb_seconds * rate
            line.price += line.provisioned_gb_seconds * price.provisioned
            line.price += line.provisioned_duration_gb_seconds * price.provisioned_duration
    lines = list(parts.values())
    requests = Fraction(sum(line.requests for line in lines))
    streamed = sum((line.streamed_gb for line in lines), Fraction(0))
    per_request = _rate(max(Fraction(0), requests - FREE_REQUESTS * free_tier) * prices.request, requests)
    per_gb = _rate(max(Fraction(0), streamed - FREE_STREAMED_GB * free_tier) * prices.streamed, streamed)
    for line in lines:
        line.price += line.requests * per_request + line.streamed_gb * per_gb + line.storage_gb_seconds * prices.storage
    return lines


def _rate(price: Fraction, amount: Fraction) -> Fraction:
    """What each unit cost."""
    return price / amount if amount else Fraction(0)


def _amounts(metered: Metered, usage: Usage) -> Line:
    extra_mb = max(0, metered.storage_mb - FREE_STORAGE_MB)
    return Line(
        function=metered.function,
        requests=usage.requests,
        gb_seconds=gb_seconds(usage.billed_ms, metered.memory_mb),
        provisioned_duration_gb_seconds=gb_seconds(usage.provisioned_billed_ms, metered.memory_mb),
        provisioned_gb_seconds=gb_seconds(usage.provisioned_ms, metered.memory_mb),
        storage_gb_seconds=gb_seconds(usage.billed_ms + usage.provisioned_billed_ms, extra_mb),
        streamed_gb=Fraction(usage.streamed_bytes, _GB),
    )


def _add(line: Line, other: Line) -> None:
    line.requests += other.requests
    line.gb_seconds += other.gb_seconds
    line.provisioned_duration_gb_seconds += other.provisioned_duration_gb_seconds
    line.provisioned_gb_seconds += other.provisioned_gb_seconds
    line.storage_gb_seconds += other.storage_gb_seconds
    line.streamed_gb += other.streamed_gb
    line.price += other.price


def only(
    used: Mapping[Metered, Usage], *, account: str | None, region: str | None, functions: Iterable[str]
) -> dict[Metered, Usage]:
    """What one account, one region and some functions used; None and no functions stand for all."""
    names = set(functions)
    return {
        metered: usage
        for metered, usage in used.items()
        if account in (None, metered.account)
        and region in (None, metered.region)
        and (not names or metered.function in names)
    }
