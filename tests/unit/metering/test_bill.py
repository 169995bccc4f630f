"""Bills: exact, whatever the parts, and AWS's own example to the cent."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.cli.bill import price_list
from midge.config import Prices
from midge.metering.bill import gb_seconds, make_bill, only, with_settings
from midge.metering.prices import PriceError, number, tiered, tiers
from midge.model.usage import Metered, Usage, billed_ms, billed_together, hour_of

PRICES = price_list(Prices())
PLACE = Metered(account="1", region="r", function="f", architecture="x86_64", memory_mb=1536, storage_mb=512)
AMOUNTS = st.builds(
    Usage,
    requests=st.integers(0, 10**8),
    billed_ms=st.integers(0, 10**13),
    provisioned_billed_ms=st.integers(0, 10**9),
    provisioned_ms=st.integers(0, 10**10),
    streamed_bytes=st.integers(0, 10**13),
)
METERED = st.builds(
    Metered,
    account=st.just("1"),
    region=st.just("r"),
    function=st.sampled_from("fgh"),
    architecture=st.sampled_from(["x86_64", "arm64"]),
    memory_mb=st.sampled_from([128, 1769, 10_240]),
    storage_mb=st.sampled_from([512, 513, 10_240]),
    hour=st.integers(0, 700).map(lambda hour: hour * 3600),
)
USED = st.dictionaries(METERED, AMOUNTS, max_size=8)


def test_awss_example() -> None:
    """Three million requests of 120 ms at 1,536 MB a month are 540,000 GB-seconds, and 2.73 dollars less the free tier."""
    bill = make_bill({PLACE: Usage(requests=3_000_000, billed_ms=3_000_000 * 120)}, PRICES, free_tier=True)
    assert bill.total.gb_seconds == 540_000
    assert round(float(bill.total.price), 2) == 2.73


def test_provisioned_concurrency() -> None:
    """What is allocated and what runs on it have prices of their own; what spills over has the usual one."""
    used = {
        replace(PLACE, memory_mb=1024): Usage(
            requests=10, billed_ms=1000, provisioned_billed_ms=2000, provisioned_ms=3000
        )
    }
    (line,) = make_bill(used, PRICES).lines
    expected = (
        number("0.0000002", "") * 10
        + number("0.0000166667", "")
        + 2 * number("0.0000097222", "")
        + 3 * number("0.0000041667", "")
    )
    assert line.price == expected


def test_storage_and_streams() -> None:
    """Storage beyond 512 MB is billed for the time of invocations, streams by what was beyond the free part of each."""
    used = {replace(PLACE, storage_mb=1536): Usage(billed_ms=5000, streamed_bytes=3 * 1024**3)}
    (line,) = make_bill(used, PRICES).lines
    assert (line.storage_gb_seconds, line.streamed_gb) == (5, 3)
    assert line.price == gb_seconds(5000, 1536) * number("0.0000166667", "") + 5 * PRICES.storage + 3 * PRICES.streamed


@given(USED)
def test_a_month_costs_what_its_sums_cost(used: dict[Metered, Usage]) -> None:
    """Shared among functions, a month's price is the price of the month's sums, exactly."""
    expected = Fraction(0)
    for architecture, prices in PRICES.architectures.items():
        ours = [(metered, usage) for metered, usage in used.items() if metered.architecture == architecture]
        duration = sum((gb_seconds(usage.billed_ms, metered.memory_mb) for metered, usage in ours), Fraction(0))
        expected += tiered(duration, prices.duration)
        for metered, usage in ours:
            expected += gb_seconds(usage.provisioned_ms, metered.memory_mb) * prices.provisioned
            expected += gb_seconds(usage.provisioned_billed_ms, metered.memory_mb) * prices.provisioned_duration
    for metered, usage in used.items():
        billed = usage.billed_ms + usage.provisioned_billed_ms
        expected += gb_seconds(billed, metered.storage_mb - 512) * PRICES.storage
        expected += usage.requests * PRICES.request + Fraction(usage.streamed_bytes, 1024**3) * PRICES.streamed
    assert make_bill(used, PRICES).total.price == expected


@given(METERED, AMOUNTS, AMOUNTS)
def test_hours_of_a_month_add_up(metered: Metered, first: Usage, second: Usage) -> None:
    """Split into two hours of a month the same use costs the same."""
    whole = Usage()
    whole.add(first)
    whole.add(second)
    early, late = replace(metered, hour=0), replace(metered, hour=3600)
    assert make_bill({early: first, late: second}, PRICES).total == make_bill({early: whole}, PRICES).total


@given(USED)
def test_the_free_tier_never_costs(used: dict[Metered, Usage]) -> None:
    """Less the free tier a bill is never negative, and never more than without it."""
    free, full = make_bill(used, PRICES, free_tier=True), make_bill(used, PRICES)
    assert all(line.price >= 0 for line in free.lines)
    assert free.total.price <= full.total.price
    assert free.total.gb_seconds == full.total.gb_seconds


@given(st.integers(0, 3 * 10**10), st.integers(0, 10**9))
def test_tiers_are_continuous(amount: int, more: int) -> None:
    """More is never cheaper, and each further unit costs no more than the first tier's price."""
    prices = PRICES.architectures["x86_64"].duration
    before, after = tiered(Fraction(amount), prices), tiered(Fraction(amount + more), prices)
    assert 0 <= after - before <= more * prices[0].price


def test_each_tier_has_its_price() -> None:
    """What is beyond a tier costs the next one's price."""
    prices = tiers(("10:3", "10:2", "1"), "p")
    assert [tiered(Fraction(amount), prices) for amount in (0, 10, 11, 20, 25)] == [0, 30, 32, 50, 55]


@given(USED, st.sampled_from([128, 512, 1769, 4096]), st.sampled_from(["x86_64", "arm64"]))
def test_what_if(used: dict[Metered, Usage], memory: int, architecture: str) -> None:
    """With other settings requests and streams stay; the time stays, or what is computed does, rounded up."""
    same = with_settings(used, memory_mb=memory, architecture=architecture)
    scaled = with_settings(used, memory_mb=memory, cpu_bound=True)
    assert {metered.memory_mb for metered in same} <= {memory}
    assert {metered.architecture for metered in same} <= {architecture}
    for changed in (same, scaled):
        assert sum(usage.requests for usage in changed.values()) == sum(usage.requests for usage in used.values())
    assert sum(usage.billed_ms for usage in same.values()) == sum(usage.billed_ms for usage in used.values())
    exact = sum(
        (
            Fraction(usage.billed_ms * min(metered.memory_mb, 1769), min(memory, 1769))
            for metered, usage in used.items()
        ),
        Fraction(0),
    )
    assert 0 <= sum(usage.billed_ms for usage in scaled.values()) - exact <= len(used)
    assert with_settings(used) == used


@given(st.floats(0, 900), st.none() | st.floats(0, 10))
def test_a_billed_millisecond_is_a_begun_one(seconds: float, init: float | None) -> None:
    """Billed time covers run time and initialisation, and exceeds them by less than a millisecond, but is at least one."""
    billed = billed_ms(seconds, init)
    exact = (seconds + (init or 0.0)) * 1000
    assert billed >= 1
    assert -0.001 <= billed - exact < 1.001


@given(st.lists(st.floats(0, 900), max_size=20))
def test_billed_together_is_billed_one_by_one(durations: list[float]) -> None:
    """Each duration is rounded up by itself; one that took no time is not billed."""
    ran = [seconds for seconds in durations if seconds]
    assert billed_together(durations) == (len(ran), sum(billed_ms(seconds, None) for seconds in ran))


def test_what_is_not_a_price_is_refused() -> None:
    """With the name of the price."""
    for texts in ((), ("1:2",), ("1", "2"), ("x:1", "2"), ("0.1e5",), ("-1",), ("1:", "2")):
        with pytest.raises(PriceError, match="p: "):
            tiers(texts, "p")
    with pytest.raises(PriceError, match="riscv"):
        make_bill({replace(PLACE, architecture="riscv"): Usage()}, PRICES)


def test_only_what_is_asked_for_is_billed() -> None:
    """By account, region and function."""
    other = replace(PLACE, account="2", region="s", function="g")
    used = {PLACE: Usage(), other: Usage()}
    assert only(used, account=None, region=None, functions=()) == used
    assert set(only(used, account="1", region=None, functions=())) == {PLACE}
    assert set(only(used, account=None, region="s", functions=())) == {other}
    assert set(only(used, account=None, region=None, functions=["f"])) == {PLACE}
    assert hour_of(7_300.5) == 7_200
