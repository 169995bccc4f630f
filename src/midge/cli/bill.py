"""``midge bill``: what functions would have cost on AWS, from what was metered. Works whether or not midge is running."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import msgspec

from midge.cli.serve import read_configuration
from midge.cli.table import table
from midge.clock import SystemClock
from midge.config import Prices
from midge.metering.bill import CORE_MB, Bill, Line, make_bill, only, with_settings
from midge.metering.prices import ArchitecturePrices, PriceError, PriceList, number, tiers
from midge.metric_store.usage import UsageUnavailableError, read_usage
from midge.model.usage import Metered, Usage

_FOREVER = float(2**62)
_HEADING = (
    "function", "requests", "GB-s", "provisioned GB-s", "allocated GB-s", "storage GB-s", "streamed GB", "price",
)  # fmt: skip
_DATE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.argument("functions", nargs=-1)
@click.option("--since", type=_DATE, help="From this day or hour (UTC) on.  [default: the first of this month]")
@click.option("--until", type=_DATE, help="Up to this day or hour (UTC), which is not included.")
@click.option("--account", help="The account.  [default: the configured one]")
@click.option("--region", help="The region.  [default: all]")
@click.option("--free-tier", is_flag=True, help="Leave out what AWS's free tier has each month.")
@click.option("--memory", type=click.IntRange(128, 10_240), help="What it would have been with so many MB.")
@click.option(
    "--architecture", type=click.Choice(["x86_64", "arm64"]), help="What it would have been on this processor."
)
@click.option("--json", "as_json", is_flag=True, help="One document of JSON, amounts as decimals in text.")
@click.option("--data-dir", help="Where midge keeps its data.  [default: .midge]")
@click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file.")
def bill(
    *,
    functions: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    account: str | None,
    region: str | None,
    free_tier: bool,
    memory: int | None,
    architecture: str | None,
    as_json: bool,
    data_dir: str | None,
    config_file: Path | None,
) -> None:
    """Print what FUNCTIONS, or all of them, used, and its price by AWS's rules."""
    config = read_configuration(config_file, {"data_dir": data_dir} if data_dir else {})
    start = _this_month() if since is None else since.replace(tzinfo=UTC)
    end = _FOREVER if until is None else until.replace(tzinfo=UTC).timestamp()
    try:
        prices = price_list(config.prices)
        used = read_usage(config.data_dir / "metrics.db", start.timestamp(), end)
        used = only(used, account=account or config.aws.account, region=region, functions=functions)
        bills = _bills(used, prices, free_tier=free_tier, memory_mb=memory, architecture=architecture)
    except (UsageUnavailableError, PriceError) as error:
        raise click.ClickException(str(error)) from error
    period = f"from {start:%Y-%m-%dT%H:%M}Z" + ("" if until is None else f" until {until:%Y-%m-%dT%H:%M}Z")
    if as_json:
        click.echo(_document(period, prices, bills, free_tier=free_tier))
        return
    click.echo(f"{period}, in {prices.currency}, by {prices.source}{', less the free tier' if free_tier else ''}")
    for title, made in bills.items():
        if len(bills) > 1:
            click.echo(f"\n{title}")
        lines = [*made.lines, made.total]
        click.echo(table(_HEADING, (_cells(line) for line in lines)))


def _this_month() -> datetime:
    now = datetime.fromtimestamp(SystemClock().now(), UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def price_list(prices: Prices) -> PriceList:
    """The configured prices. Raises PriceError."""
    given: dict[str, Any] = msgspec.structs.asdict(prices)
    return PriceList(
        currency=prices.currency,
        source=prices.source,
        request=number(prices.million_requests, "million_requests") / 1_000_000,
        storage=number(prices.storage_gb_seconds, "storage_gb_seconds"),
        streamed=number(prices.streamed_gb, "streamed_gb"),
        architectures={
            name: ArchitecturePrices(
                duration=tiers(given[f"{name}_gb_seconds"], f"{name}_gb_seconds"),
                provisioned=number(given[f"{name}_provisioned"], f"{name}_provisioned"),
                provisioned_duration=number(given[f"{name}_provisioned_duration"], f"{name}_provisioned_duration"),
            )
            for name in ("x86_64", "arm64")
        },
    )


def _bills(
    used: Mapping[Metered, Usage],
    prices: PriceList,
    *,
    free_tier: bool,
    memory_mb: int | None,
    architecture: str | None,
) -> dict[str, Bill]:
    """The bill, and what it would be with other settings, each under its assumption."""
    bills = {"as it was": make_bill(used, prices, free_tier=free_tier)}
    if memory_mb is None and architecture is None:
        return bills
    settings = " on ".join(part for part in (memory_mb and f"{memory_mb} MB", architecture) if part)
    same = with_settings(used, memory_mb=memory_mb, architecture=architecture)
    bills[f"with {settings}, assuming that invocations take as long as they did"] = make_bill(
        same, prices, free_tier=free_tier
    )
    if memory_mb is not None:
        scaled = with_settings(used, memory_mb=memory_mb, architecture=architecture, cpu_bound=True)
        bills[
            f"with {settings}, assuming that all of their time is computing in one thread (a core is {CORE_MB} MB)"
        ] = make_bill(scaled, prices, free_tier=free_tier)
    return bills


def _amounts(line: Line) -> tuple[Fraction, ...]:
    return (
        line.gb_seconds,
        line.provisioned_duration_gb_seconds,
        line.provisioned_gb_seconds,
        line.storage_gb_seconds,
        line.streamed_gb,
    )


def _cells(line: Line) -> tuple[str, ...]:
    amounts = (_rounded(amount, 3) for amount in _amounts(line))
    return (line.function, str(line.requests), *amounts, _rounded(line.price, 6))


def _rounded(amount: Fraction, places: int) -> str:
    """Rounded half up, with so many decimals."""
    scaled = int(amount * 10**places + Fraction(1, 2))
    return f"{Decimal(scaled).scaleb(-places):.{places}f}"


def _document(period: str, prices: PriceList, bills: Mapping[str, Bill], *, free_tier: bool) -> str:
    names = (
        "gbSeconds", "provisionedDurationGbSeconds", "provisionedGbSeconds", "storageGbSeconds", "streamedGb",
    )  # fmt: skip

    def line(one: Line) -> dict[str, Any]:
        amounts = {name: _rounded(amount, 9) for name, amount in zip(names, _amounts(one), strict=True)}
        return {"function": one.function, "requests": one.requests, **amounts, "price": _rounded(one.price, 12)}

    document = {
        "period": period,
        "currency": prices.currency,
        "prices": prices.source,
        "freeTier": free_tier,
        "bills": [
            {"assumption": title, "functions": [line(one) for one in made.lines], "total": line(made.total)}
            for title, made in bills.items()
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
