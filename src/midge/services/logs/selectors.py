"""Property selectors of JSON filter patterns: ``$.a.b[0]``, ``$.list[*].name``, ``$.['a.b']``. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from midge.services.logs.tokens import PatternError

Path = tuple[str | int | None, ...]
"""Names, indices, and None for every element."""
_STEP = re.compile(r"\.?\['(?P<quoted>[^']+)'\]|\.(?P<name>[\w@$-]+)|\[(?P<index>\d{1,6}|\*)\]")
_MOST_WILDCARDS = 1


def parse_selector(text: str) -> Path:
    """Raises PatternError."""
    if not text.startswith("$"):
        raise PatternError("Invalid filter pattern")
    path: list[str | int | None] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise PatternError("Invalid filter pattern")
        index = match["index"]
        path.append(match["quoted"] or match["name"] or (None if index == "*" else int(index)))
        position = match.end()
    if not path or path.count(None) > _MOST_WILDCARDS:
        raise PatternError("Invalid filter pattern")
    return tuple(path)


def select(document: object, path: Path) -> Iterator[object]:
    """What ``path`` leads to; nothing where it leads nowhere."""
    if not path:
        yield document
        return
    step, rest = path[0], path[1:]
    if isinstance(document, Mapping) and isinstance(step, str):
        fields = cast("Mapping[str, Any]", document)
        if step in fields:
            yield from select(fields[step], rest)
    elif isinstance(document, list):
        elements = cast("list[object]", document)
        if step is None:
            for element in elements:
                yield from select(element, rest)
        elif isinstance(step, int) and step < len(elements):
            yield from select(elements[step], rest)
