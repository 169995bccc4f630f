"""Filter patterns of event source mappings: from their JSON to rules that are ready to be evaluated. Pure.

A pattern is a tree of field names; every leaf is a list of rules, of which one must hold, and all leaves must hold.
``$or`` beside the fields of an object holds alternatives, of which one must hold. Numbers keep their text: 300 and 300.0
are not equal. The operators are those that Lambda documents; EventBridge has more (``wildcard``, ``cidr``).
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

_OR = "$or"
_TEXT_OPERATORS = ("prefix", "suffix", "equals-ignore-case")
_LOWER_BOUNDS = (">", ">=")
_UPPER_BOUNDS = ("<", "<=")
_MOST = 5.0e9
"""EventBridge compares numbers between minus and plus this."""


class PatternError(ValueError):
    """A text is no filter pattern; the argument says why."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str

    @property
    def value(self) -> float:
        return float(self.text)


Value = str | Number | bool | None


@dataclass(frozen=True, slots=True)
class Equals:
    """The field has this value."""

    value: Value


@dataclass(frozen=True, slots=True)
class TextRule:
    """The field is a text that satisfies ``operator``: ``prefix``, ``suffix`` or ``equals-ignore-case``."""

    operator: str
    operand: str


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """The field is there and satisfies none of these."""

    rules: tuple[Equals | TextRule, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there or, if not ``wanted``, is not."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class Numeric:
    """The field is a number within all ``bounds``: comparisons (``=``, ``<``, ``<=``, ``>``, ``>=``) and their numbers."""

    bounds: tuple[tuple[str, float], ...]


Rule = Equals | TextRule | AnythingBut | Exists | Numeric


@dataclass(frozen=True, slots=True)
class Pattern:
    """One object of a pattern: all ``fields`` must hold and, if there are any, one of the ``alternatives``."""

    fields: "Mapping[str, Pattern | tuple[Rule, ...]]"
    alternatives: "tuple[Pattern, ...]" = ()


def parse_pattern(text: str) -> Pattern:
    """The pattern that a filter's ``Pattern`` is. Raises PatternError and nothing else."""
    try:
        document = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
        return _pattern(document)
    except PatternError:
        raise
    except RecursionError:
        raise PatternError("the pattern is nested too deeply") from None
    except ValueError as error:
        raise PatternError(f"the pattern is not JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise PatternError(f"{name} is not JSON")


def _pattern(document: Any) -> Pattern:
    members = _object(document, "a pattern")
    if not members:
        raise PatternError("empty objects are not allowed")
    alternatives = _alternatives(members[_OR]) if _OR in members else ()
    return Pattern({name: _field(name, value) for name, value in members.items() if name != _OR}, alternatives)


def _alternatives(value: Any) -> tuple[Pattern, ...]:
    if not isinstance(value, list) or len(cast("list[Any]", value)) < 2:
        raise PatternError(f"{_OR} must be an array of at least two objects")
    return tuple(_pattern(each) for each in cast("list[Any]", value))


def _field(name: str, value: Any) -> "Pattern | tuple[Rule, ...]":
    if isinstance(value, dict):
        return _pattern(value)
    if not isinstance(value, list):
        raise PatternError(f'"{name}" must be an object or an array')
    if not value:
        raise PatternError("empty arrays are not allowed")
    return tuple(_rule(each) for each in cast("list[Any]", value))


def _rule(value: Any) -> Rule:
    if isinstance(value, list):
        raise PatternError("a match value must be a string, a number, true, false or null")
    if not isinstance(value, dict):
        return Equals(value)
    operator, operand = _only_member(cast("dict[str, Any]", value))
    match operator:
        case "prefix" | "suffix" | "equals-ignore-case":
            return TextRule(operator, _text(operator, operand))
        case "anything-but":
            return AnythingBut(_excluded(operand))
        case "exists":
            if not isinstance(operand, bool):
                raise PatternError("exists must be true or false")
            return Exists(operand)
        case "numeric":
            return Numeric(_bounds(operand))
        case _:
            raise PatternError(f"unrecognized match type {operator}")


def _only_member(members: dict[str, Any]) -> tuple[str, Any]:
    if len(members) != 1:
        raise PatternError("a match expression has exactly one key")
    return next(iter(members.items()))


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PatternError(f"{what} must be an object")
    return cast("dict[str, Any]", value)


def _text(operator: str, value: Any) -> str:
    if not isinstance(value, str):
        raise PatternError(f"{operator} must be a string")
    return value


def _excluded(operand: Any) -> tuple[Equals | TextRule, ...]:
    """What anything-but excludes: one value, several of one type, or what another operator matches."""
    if isinstance(operand, dict):
        operator, texts = _only_member(cast("dict[str, Any]", operand))
        if operator not in _TEXT_OPERATORS:
            raise PatternError(f"unsupported anything-but pattern {operator}")
        rules = tuple(TextRule(operator, _text(operator, each)) for each in _listed(texts))
        if not rules or any(not rule.operand for rule in rules):
            raise PatternError(f"{operator} inside anything-but must not be empty")
        return rules
    values = _listed(operand)
    if not values or not (_all(values, str) or _all(values, Number)):
        raise PatternError("anything-but takes a string, a number, or an array of either")
    return tuple(Equals(value) for value in values)


def _listed(operand: Any) -> list[Any]:
    return cast("list[Any]", operand) if isinstance(operand, list) else [operand]


def _all(values: list[Any], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def _bounds(operand: Any) -> tuple[tuple[str, float], ...]:
    """One comparison, or a lower bound and an upper one above it."""
    if not isinstance(operand, list):
        raise PatternError("numeric must be an array")
    parts = cast("list[Any]", operand)
    bounds = tuple((comparison, _limit(number)) for comparison, number in zip(parts[::2], parts[1::2], strict=False))
    match [comparison for comparison, _ in bounds]:
        case [str() as one] if len(parts) == 2 and one in ("=", *_LOWER_BOUNDS, *_UPPER_BOUNDS):
            return bounds
        case [str() as lower, str() as upper] if len(parts) == 4 and lower in _LOWER_BOUNDS and upper in _UPPER_BOUNDS:
            if bounds[0][1] >= bounds[1][1]:
                raise PatternError("the lower bound must be less than the upper one")
            return bounds
        case _:
            raise PatternError("numeric takes one comparison with its number, or a lower bound and an upper one")


def _limit(number: Any) -> float:
    if not isinstance(number, Number) or not -_MOST <= number.value <= _MOST:
        raise PatternError(f"numeric compares with numbers between {-_MOST:.0f} and {_MOST:.0f}")
    return number.value
