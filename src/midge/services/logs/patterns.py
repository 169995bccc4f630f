"""Filter patterns of CloudWatch Logs: terms, JSON, and space-delimited fields. Pure.

``parse`` makes a pattern that says of a message whether it matches. Terms are case-sensitive and are found anywhere; of
optional ones (``?term``) one must be there, and they count for nothing beside others. A field of a space-delimited
pattern is a word, a text in quotes or one in brackets; the last field is all the rest of the message.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from midge.services.logs.expressions import Condition, parse_expression
from midge.services.logs.selectors import parse_selector, select
from midge.services.logs.tokens import PatternError, Token, regex, test_of, tokens

__all__ = ["Pattern", "PatternError", "parse"]

_NOTHING: Mapping[str, str] = {}
_MOST_REGEXES = 2
_TERM = re.compile(
    r'(?P<mark>[-?]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>(?:[^%\\]|\\.)*)%|(?P<word>[^\s"%]+))(?=\s|$)'
)
_FIELD = re.compile(r'\s*(?:\[([^\]]*)\]|"([^"]*)"|(\S+))')


class Pattern(Protocol):
    """A filter pattern."""

    def match(self, message: str) -> Mapping[str, str] | None:
        """The named fields of a message that matches, none where the pattern names none; None if it does not match."""
        ...


def parse(text: str) -> Pattern:
    """Raises PatternError, whose text is for the caller."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        pattern: Pattern = _Json(text[1:-1])
    elif text.startswith("[") and text.endswith("]"):
        pattern = _Fields(text[1:-1])
    else:
        pattern = _Terms(text)
    return pattern


class _Terms:
    def __init__(self, text: str) -> None:
        self._required: list[Callable[[str], bool]] = []
        self._excluded: list[Callable[[str], bool]] = []
        self._optional: list[Callable[[str], bool]] = []
        position = regexes = 0
        while position < len(text):
            match = _TERM.match(text, position)
            if match is None:
                raise PatternError("Invalid filter pattern")
            terms = {"-": self._excluded, "?": self._optional}.get(match["mark"], self._required)
            terms.append(_term(match))
            regexes += match["regex"] is not None
            position = match.end()
            while position < len(text) and text[position].isspace():
                position += 1
        _check_regexes(regexes)

    def match(self, message: str) -> Mapping[str, str] | None:
        if not all(has(message) for has in self._required) or any(has(message) for has in self._excluded):
            return None
        alone = self._optional and not self._required and not self._excluded
        return None if alone and not any(has(message) for has in self._optional) else _NOTHING


def _term(match: re.Match[str]) -> Callable[[str], bool]:
    if match["regex"] is not None:
        return regex(match["regex"]).search
    word = match["word"]
    if word is None:
        word = re.sub(r'\\(["\\])', r"\1", match["quoted"])
    elif not word.replace("_", "").isalnum():
        raise PatternError(f"Invalid character(s) in term '{word}'")
    return lambda message: word in message


class _Json:
    def __init__(self, text: str) -> None:
        found = tokens(text)
        _check_regexes(sum(token.kind == "regex" for token in found))
        self._condition: Condition[Any] = parse_expression(found, _json_comparison)

    def match(self, message: str) -> Mapping[str, str] | None:
        if not message.lstrip().startswith("{"):
            return None
        try:
            document = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return None
        return _NOTHING if self._condition(document) else None


def _json_comparison(found: list[Token]) -> tuple[Condition[Any], int]:
    """``<selector> <operator> <value>``, or ``<selector> IS NULL`` and its like, and how many tokens that is."""
    if len(found) < 3 or found[0].kind != "word":
        raise PatternError("Invalid filter pattern")
    path = parse_selector(found[0].text)
    if found[1].kind == "operator":
        test = test_of(found[1].text, found[2])
        return lambda document: any(test(value) for value in select(document, path)), 3
    words = (found[1].text.upper(), found[2].text.upper())
    if words == ("NOT", "EXISTS"):
        return lambda document: not list(select(document, path)), 3
    wanted = {("IS", "NULL"): None, ("IS", "TRUE"): True, ("IS", "FALSE"): False}
    if words not in wanted:
        raise PatternError("Invalid filter pattern")
    value = wanted[words]
    return lambda document: any(found is value for found in select(document, path)), 3


class _Fields:
    def __init__(self, text: str) -> None:
        found = tokens(text)
        _check_regexes(sum(token.kind == "regex" for token in found))
        self._names: list[str] = []
        self._conditions: list[Condition[str] | None] = []
        self._gap: int | None = None
        """Before how many of the fields any number of others may stand."""
        field: list[Token] = []
        for token in [*found, Token("operator", ",")]:
            if token == Token("operator", ","):
                self._add(field)
                field = []
            else:
                field.append(token)

    def _add(self, field: list[Token]) -> None:
        if field == [Token("word", "...")]:
            if self._gap is not None:
                raise PatternError("Invalid filter pattern")
            self._gap = len(self._names)
            return
        name = next((token.text for token in field if token != Token("operator", "(")), "")
        if not name or not re.fullmatch(r"[\w$-]+", name):
            raise PatternError("Invalid filter pattern")
        self._names.append(name)
        self._conditions.append(None if len(field) == 1 else parse_expression(field, _comparison_of(name)))

    def match(self, message: str) -> Mapping[str, str] | None:
        texts = self._texts(message)
        if texts is None:
            return None
        for text, condition in zip(texts, self._conditions, strict=True):
            if condition is not None and not condition(text):
                return None
        return dict(zip(self._names, texts, strict=True))

    def _texts(self, message: str) -> list[str] | None:
        """The text of each field; None if the message has too few."""
        count = len(self._names)
        if self._gap is not None:
            every = _split(message, None)
            behind = count - self._gap
            if len(every) < count:
                return None
            return every[: self._gap] + (every[-behind:] if behind else [])
        texts = _split(message, count)
        return texts if len(texts) == count else None


def _split(message: str, count: int | None) -> list[str]:
    """The fields of a message; of ``count`` fields the last one is the rest, without spaces around it."""
    message = message.strip()
    texts: list[str] = []
    position = 0
    while position < len(message):
        match = _FIELD.match(message, position)
        if match is None:
            break
        if count is not None and len(texts) == count - 1 and match.end() < len(message):
            texts.append(message[position:].strip())
            break
        texts.append(next(group for group in match.groups() if group is not None))
        position = match.end()
    return texts


def _comparison_of(name: str) -> Callable[[list[Token]], tuple[Condition[str], int]]:
    def comparison(found: list[Token]) -> tuple[Condition[str], int]:
        if len(found) < 3 or found[0] != Token("word", name) or found[1].kind != "operator":
            raise PatternError("Invalid filter pattern")
        return test_of(found[1].text, found[2]), 3

    return comparison


def _check_regexes(count: int) -> None:
    if count > _MOST_REGEXES:
        raise PatternError("Invalid filter pattern: at most two regular expressions are allowed")
