"""The page that says which operations of the service model exist here, only keep what they are told, or are refused. Generated, tested.

``docs/operations.md`` is this text; a test fails when either the service model or the table of operations moves on.
"""

from collections.abc import Iterable

from midge.api.dispatch import ANSWERED_BY_THE_LISTENER, KEPT_WITHOUT_EFFECT, OPERATIONS

_HEAD = """# Operations

Every operation of the `lambda` service model, by name.
An operation whose input is kept stores and returns it as AWS does, and nothing acts on it yet; in strict mode it is refused.
An operation that is refused answers `InvalidParameterValueException` (400) and names itself.

| Operation | Here |
|---|---|
"""


def operations_page(names: Iterable[str]) -> str:
    """Markdown for the operations called ``names``."""
    return _HEAD + "".join(f"| {name} | {_status(name)} |\n" for name in sorted(names))


def _status(name: str) -> str:
    if name in KEPT_WITHOUT_EFFECT:
        return "kept"
    return "implemented" if name in OPERATIONS.keys() | ANSWERED_BY_THE_LISTENER else "refused"
