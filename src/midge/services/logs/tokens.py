"""Filter patterns cut into tokens, and values compared: what JSON and space-delimited patterns share. Pure."""

import re
from collections.abc import Callable
from typing import NamedTuple

from midge.services.logs.regexes import Regex, RegexError


class PatternError(ValueError):
    """The text is no filter pattern."""


class Token(NamedTuple):
    """``kind``: word, quoted, regex or operator."""

    kind: str
    text: str


_TOKEN = re.compile(
    r"""\s*(?:
        "(?P<quoted>(?:[^"\\]|\\.)*)"
      | %(?P<regex>(?:[^%\\]|\\.)*)%
      | (?P<operator>&&|\|\||!=|<=|>=|=|<|>|\(|\)|,)
      | (?P<word>(?:\$[^\s"%&|!=<>(),]*|\[\s*'[^']*'\s*\]|[^\s"%&|!=<>(),])+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
Test = Callable[[object], bool]
"""Whether a value (text, or a number, true, false or null of JSON) is what a condition asks for."""


def tokens(text: str) -> list[Token]:
    """Raises PatternError."""
    found: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position, end)
        if match is None or match.lastgroup is None:
            raise PatternError("Invalid filter pattern")
        kind, value = match.lastgroup, match[match.lastgroup]
        found.append(Token(kind, _unescaped(value) if kind == "quoted" else value))
        position = match.end()
    return found


def _unescaped(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def number(text: str) -> float | None:
    """The number that ``text`` writes, if it writes one."""
    return float(text) if _NUMBER.fullmatch(text) else None


def regex(text: str) -> Regex:
    """Raises PatternError."""
    try:
        return Regex(text)
    except RegexError as error:
        raise PatternError(f"Invalid filter pattern: {error}") from None


def test_of(operator: str, value: Token) -> Test:
    """The condition ``<operator> <value>``. Raises PatternError."""
    if value.kind == "operator":
        raise PatternError("Invalid filter pattern")
    amount = number(value.text) if value.kind == "word" else None
    if operator in ("<", ">", "<=", ">="):
        if amount is None:
            raise PatternError("Invalid filter pattern")
        return _ordering(operator, amount)
    if operator not in ("=", "!="):
        raise PatternError("Invalid filter pattern")
    equal = _equality(value, amount)
    return equal if operator == "=" else lambda found: not equal(found)


def _ordering(operator: str, amount: float) -> Test:
    def test(found: object) -> bool:
        value = _amount(found)
        if value is None:
            return False
        match operator:
            case "<":
                return value < amount
            case ">":
                return value > amount
            case "<=":
                return value <= amount
            case _:
                return value >= amount

    return test


def _equality(value: Token, amount: float | None) -> Test:
    if value.kind == "regex":
        expression = regex(value.text)
        return lambda found: isinstance(found, str) and expression.search(found)
    parts = value.text.split("*")
    if amount is None:
        return lambda found: isinstance(found, str) and _like(found, parts)
    return lambda found: found == value.text or _amount(found) == amount


def _amount(found: object) -> float | None:
    if isinstance(found, bool):
        return None
    if isinstance(found, int | float):
        return found
    return number(found) if isinstance(found, str) else None


def _like(text: str, parts: list[str]) -> bool:
    """Whether ``text`` is ``parts`` with anything between them."""
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if not text.startswith(first):
        return False
    position = len(first)
    for part in middle:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return len(text) - len(last) >= position and text.endswith(last)
