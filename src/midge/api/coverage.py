"""The page that says which operations of the service model exist here and which are refused. Generated, tested.

``docs/operations.md`` is this text; a test fails when either the service model or the table of operations moves on.
"""

from collections.abc import Iterable

from midge.api.dispatch import ANSWERED_BY_THE_LISTENER, OPERATIONS

_HEAD = """# Operations

Every operation of the `lambda` service model, by name.
An operation that is refused answers `InvalidParameterValueException` (400) and names itself.

| Operation | Here |
|---|---|
"""


def operations_page(names: Iterable[str]) -> str:
    """Markdown for the operations called ``names``."""
    there = OPERATIONS.keys() | ANSWERED_BY_THE_LISTENER
    return _HEAD + "".join(f"| {name} | {'implemented' if name in there else 'refused'} |\n" for name in sorted(names))
