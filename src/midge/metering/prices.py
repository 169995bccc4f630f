"""Price lists: exact decimals, tiers by the month. Pure.

Source: https://aws.amazon.com/lambda/pricing/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?")


class PriceError(ValueError):
    """A price list that cannot be used; the text names the price."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A price for each unit, for so many units in a month; None is the rest."""

    units: int | None
    price: Fraction


Tiers = tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitecturePrices:
    """For each GB-second."""

    duration: Tiers
    provisioned: Fraction
    """Allocated, whether it is used or not."""
    provisioned_duration: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """What everything costs, in ``currency``."""

    currency: str
    source: str
    request: Fraction
    storage: Fraction
    """For each GB-second."""
    streamed: Fraction
    """For each GB."""
    architectures: Mapping[str, ArchitecturePrices]


def number(text: str, name: str) -> Fraction:
    """A price. Raises PriceError."""
    if not _NUMBER.fullmatch(text):
        raise PriceError(f"{name}: {text!r} is no price")
    return Fraction(Decimal(text))


def tiers(texts: Sequence[str], name: str) -> Tiers:
    """Tiers as ``"6000000000:0.0000166667"``, the last one without a number of units. Raises PriceError."""
    found: list[Tier] = []
    for position, text in enumerate(texts, 1):
        units, colon, price = text.rpartition(":")
        last = position == len(texts)
        if last is bool(colon) or (colon and not (units.isascii() and units.isdecimal() and 0 < len(units) < 19)):
            raise PriceError(f"{name}: tiers are written as UNITS:PRICE, the last one as PRICE alone")
        found.append(Tier(None if last else int(units), number(price, name)))
    if not found:
        raise PriceError(f"{name}: there is no price")
    return tuple(found)


def tiered(amount: Fraction, prices: Tiers) -> Fraction:
    """The price of an amount in one month."""
    price = Fraction(0)
    left = amount
    for tier in prices:
        part = left if tier.units is None else min(left, Fraction(tier.units))
        price += part * tier.price
        left -= part
    return price
