"""The syntax of metric math: from text to a tree. Pure.

Precedence, loosest first: || and OR, && and AND, comparisons, + and -, * and /, unary minus, ^ (which binds to the
right). Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import re
from dataclasses import dataclass
from typing import NoReturn

_MOST_DEPTH = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<mark>\|\||&&|==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)
_WORDS = {"AND": "&&", "OR": "||"}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/"))


class ExpressionError(ValueError):
    """The expression cannot be understood, or wants what midge does not have; the text says why."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as it stands."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of another query, or a word that a function knows."""

    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two parts with an operator between."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Negation:
    """A part with its sign turned."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Listing:
    """Parts in brackets."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its arguments; the name in capitals."""

    name: str
    arguments: "tuple[Node, ...]"


Node = Number | Text | Name | Operation | Negation | Listing | Function


def parse(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError."""
    parser = _Parser(_tokens(text))
    node = parser.level(0, 0)
    if parser.peek() is not None:
        parser.fail()
    return node


def names(node: Node) -> set[str]:
    """Every id that the expression names."""
    match node:
        case Name(value):
            return {value}
        case Operation(_, left, right):
            return names(left) | names(right)
        case Negation(part):
            return names(part)
        case Listing(parts) | Function(_, parts):
            return set[str]().union(*map(names, parts))
        case _:
            return set()


_Token = tuple[str, str]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            raise ExpressionError(f"Unexpected character at position {position + 1}")
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "name" and value in _WORDS:
            kind, value = "mark", _WORDS[value]
        tokens.append((kind, value))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> _Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def fail(self) -> NoReturn:
        token = self.peek()
        raise ExpressionError("Unexpected end of the expression" if token is None else f"Unexpected '{token[1]}'")

    def _accept(self, *marks: str) -> str | None:
        token = self.peek()
        if token is not None and token[0] == "mark" and token[1] in marks:
            self._position += 1
            return token[1]
        return None

    def _expect(self, mark: str) -> None:
        if self._accept(mark) is None:
            self.fail()

    def level(self, level: int, depth: int) -> Node:
        """An expression whose operators bind at least as tightly as those of a level."""
        if depth > _MOST_DEPTH:
            raise ExpressionError("The expression is nested too deeply")
        if level == len(_LEVELS):
            return self._unary(depth)
        left = self.level(level + 1, depth)
        while (operator := self._accept(*_LEVELS[level])) is not None:
            left = Operation(operator, left, self.level(level + 1, depth))
        return left

    def _unary(self, depth: int) -> Node:
        if depth > _MOST_DEPTH:
            raise ExpressionError("The expression is nested too deeply")
        if self._accept("-") is not None:
            return Negation(self._unary(depth + 1))
        base = self._atom(depth)
        if self._accept("^") is not None:
            return Operation("^", base, self._unary(depth + 1))
        return base

    def _atom(self, depth: int) -> Node:
        if self._accept("(") is not None:
            node = self.level(0, depth + 1)
            self._expect(")")
            return node
        if self._accept("[") is not None:
            return Listing(self._arguments("]", depth))
        token = self.peek()
        if token is None or token[0] == "mark":
            self.fail()
        self._position += 1
        kind, value = token
        if kind == "number":
            return Number(float(value))
        if kind == "text":
            return Text(value[1:-1])
        if self._accept("(") is not None:
            return Function(value.upper(), self._arguments(")", depth))
        return Name(value)

    def _arguments(self, closing: str, depth: int) -> tuple[Node, ...]:
        arguments: list[Node] = []
        if self._accept(closing) is not None:
            return ()
        while True:
            arguments.append(self.level(0, depth + 1))
            if self._accept(closing) is not None:
                return tuple(arguments)
            self._expect(",")
