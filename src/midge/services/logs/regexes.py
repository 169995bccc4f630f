"""The regular expressions of filter patterns, ``%...%``: matched in time linear in the message. Pure.

They have no groups, so an expression is a few alternatives, each a row of characters' classes that stand once, at most
once, or any number of times. A row is run over the message with all its places at once, as the bits of a number; no
expression of a stranger can take long, as it could with ``re``.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field

_PLAIN = frozenset(string.ascii_letters + string.digits + "_#=@/;,- ")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda c: c in string.digits,
    "D": lambda c: c not in string.digits,
    "s": lambda c: c in " \t\n\r\f\v",
    "S": lambda c: c not in " \t\n\r\f\v",
    "w": lambda c: c == "_" or (c.isascii() and c.isalnum()),
    "W": lambda c: not (c == "_" or (c.isascii() and c.isalnum())),
}
_MOST_PLACES = 1_000
_CACHED_CHARACTERS = 512
_COUNT = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")


class RegexError(ValueError):
    """The expression uses what filter patterns do not have."""


@dataclass(slots=True)
class _Row:
    """One alternative: what each place takes, and which may be passed over (``skip``) or used again (``stay``)."""

    takes: list[Callable[[str], bool]] = field(default_factory=list[Callable[[str], bool]])
    skip: int = 0
    stay: int = 0
    from_start: bool = False
    to_end: bool = False
    accepts: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, takes: Callable[[str], bool], least: int, most: int | None) -> None:
        for number in range(least if most is None else most):
            if number >= least:
                self.skip |= 1 << len(self.takes)
            self.takes.append(takes)
        if most is None:
            self.skip |= 1 << len(self.takes)
            self.stay |= 1 << len(self.takes)
            self.takes.append(takes)
        if len(self.takes) > _MOST_PLACES:
            raise RegexError("the expression is too long")

    def search(self, text: str) -> bool:
        goal = 1 << len(self.takes)
        start = self._closed(1)
        places = start
        for character in text:
            if places & goal and not self.to_end:
                return True
            accepted = self.accepts.get(character)
            moved = places & (self._learn(character) if accepted is None else accepted)
            places = self._closed((moved & ~self.stay) << 1 | moved & self.stay)
            if not self.from_start:
                places |= start
            elif not places:
                return False
        return bool(places & goal)

    def _closed(self, places: int) -> int:
        while True:
            more = places | (places & self.skip) << 1
            if more == places:
                return places
            places = more

    def _learn(self, character: str) -> int:
        accepted = sum(1 << place for place, takes in enumerate(self.takes) if takes(character))
        if len(self.accepts) >= _CACHED_CHARACTERS:
            self.accepts.clear()
        self.accepts[character] = accepted
        return accepted


class Regex:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        """Raises RegexError."""
        if not text:
            raise RegexError("the expression is empty")
        self._rows = [_Row()]
        position = 0
        while position < len(text):
            position = self._read(text, position)

    def search(self, text: str) -> bool:
        """Whether the expression is found anywhere in ``text``."""
        return any(row.search(text) for row in self._rows)

    def _read(self, text: str, position: int) -> int:
        """Take one atom with its quantifier, an anchor or a bar; returns where the next begins."""
        row, character = self._rows[-1], text[position]
        if character == "|":
            self._rows.append(_Row())
            return position + 1
        if row.to_end:
            raise RegexError("something stands behind $")
        if character == "^":
            if row.takes or row.from_start:
                raise RegexError("^ stands inside")
            row.from_start = True
            return position + 1
        if character == "$":
            row.to_end = True
            return position + 1
        takes, position = _atom(text, position)
        least, most, position = _quantifier(text, position)
        row.add(takes, least, most)
        return position


def _atom(text: str, position: int) -> tuple[Callable[[str], bool], int]:
    character = text[position]
    if character == ".":
        return lambda c: c != "\n", position + 1
    if character == "\\":
        return _escaped(text, position + 1)
    if character == "[":
        return _set(text, position + 1)
    if character in _PLAIN:
        return lambda c: c == character, position + 1
    raise RegexError(f"{character!r} is not supported")


def _escaped(text: str, position: int) -> tuple[Callable[[str], bool], int]:
    if position >= len(text):
        raise RegexError("nothing follows the backslash")
    character = text[position]
    if character in _CLASSES:
        return _CLASSES[character], position + 1
    literal, position = _literal(text, position)
    return lambda c: c == literal, position


def _literal(text: str, position: int) -> tuple[str, int]:
    """The character that an escape, whose backslash has been read, stands for."""
    character = text[position]
    if character == "x":
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or not set(digits) <= set(string.hexdigits):
            raise RegexError("two hexadecimal digits must follow \\x")
        return chr(int(digits, 16)), position + 3
    if character in "nrtfv":
        return {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}[character], position + 1
    if character.isalnum() or not character.isascii():
        raise RegexError(f"\\{character} is not supported")
    return character, position + 1


def _set(text: str, position: int) -> tuple[Callable[[str], bool], int]:
    """The class whose opening bracket has been read."""
    negated = text.startswith("^", position)
    position += negated
    single: set[str] = set()
    ranges: list[tuple[str, str]] = []
    classes: list[Callable[[str], bool]] = []
    begun = position
    while position < len(text) and (text[position] != "]" or position == begun):
        if text[position] == "\\" and text[position + 1 : position + 2] in _CLASSES:
            classes.append(_CLASSES[text[position + 1]])
            position += 2
            continue
        first, position = _member(text, position)
        if text.startswith("-", position) and text[position + 1 : position + 2] not in ("", "]"):
            last, position = _member(text, position + 1)
            if last < first:
                raise RegexError("a range is upside down")
            ranges.append((first, last))
        else:
            single.add(first)
    if position >= len(text):
        raise RegexError("a bracket is not closed")

    def takes(c: str) -> bool:
        found = c in single or any(low <= c <= high for low, high in ranges) or any(has(c) for has in classes)
        return found != negated

    return takes, position + 1


def _member(text: str, position: int) -> tuple[str, int]:
    if text[position] != "\\":
        return text[position], position + 1
    if position + 1 >= len(text):
        raise RegexError("nothing follows the backslash")
    return _literal(text, position + 1)


def _quantifier(text: str, position: int) -> tuple[int, int | None, int]:
    """How often the atom before ``position`` stands, at least and at most."""
    character = text[position : position + 1]
    if character in ("*", "+", "?") and character:
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        return least, most, position + 1
    if character != "{":
        return 1, 1, position
    match = _COUNT.match(text, position)
    if match is None:
        raise RegexError("a brace is not a count")
    least = int(match[1])
    most = least if match[2] is None else int(match[3]) if match[3] else None
    if most is not None and most < least:
        raise RegexError("a count is upside down")
    return least, most, match.end()
