"""Conditions joined by ``&&``, ``||`` and parentheses; ``&&`` binds closer. Pure; what a condition is the caller knows."""

from collections.abc import Callable
from typing import TypeVar

from midge.services.logs.tokens import PatternError, Token

T = TypeVar("T")
Condition = Callable[[T], bool]
Comparison = Callable[[list[Token]], tuple[Condition[T], int]]
"""Takes a condition from the beginning of some tokens: it, and how many tokens it is."""
_MOST_DEPTH = 50


def parse_expression(found: list[Token], comparison: Comparison[T]) -> Condition[T]:
    """All of ``found`` as one condition. Raises PatternError."""
    condition, used = _either(found, comparison, 0)
    if used != len(found):
        raise PatternError("Invalid filter pattern")
    return condition


def _either(found: list[Token], comparison: Comparison[T], depth: int) -> tuple[Condition[T], int]:
    condition, used = _both(found, comparison, depth)
    conditions = [condition]
    while found[used : used + 1] == [Token("operator", "||")]:
        condition, more = _both(found[used + 1 :], comparison, depth)
        conditions.append(condition)
        used += 1 + more
    return (conditions[0] if len(conditions) == 1 else lambda value: any(test(value) for test in conditions)), used


def _both(found: list[Token], comparison: Comparison[T], depth: int) -> tuple[Condition[T], int]:
    condition, used = _one(found, comparison, depth)
    conditions = [condition]
    while found[used : used + 1] == [Token("operator", "&&")]:
        condition, more = _one(found[used + 1 :], comparison, depth)
        conditions.append(condition)
        used += 1 + more
    return (conditions[0] if len(conditions) == 1 else lambda value: all(test(value) for test in conditions)), used


def _one(found: list[Token], comparison: Comparison[T], depth: int) -> tuple[Condition[T], int]:
    if found[:1] != [Token("operator", "(")]:
        return comparison(found)
    if depth >= _MOST_DEPTH:
        raise PatternError("Invalid filter pattern")
    condition, used = _either(found[1:], comparison, depth + 1)
    if found[used + 1 : used + 2] != [Token("operator", ")")]:
        raise PatternError("Invalid filter pattern")
    return condition, used + 2
