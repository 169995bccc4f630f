"""The page that says what becomes of every operation of the service model and of every member of its input.

Made from the service model and ``operations``; ``docs/operations.md`` is this text. A test fails when either moves on.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from midge.api.members import REFUSED, Rules, Treatment
from midge.api.operations import ANSWERED_BY_THE_LISTENER, OPERATIONS
from midge.wire.model import ServiceModel

_HEAD = """# Operations

Every operation of the `lambda` service model, and every member of its input.

- enforced: midge acts on it.
- stored only: kept and returned as AWS does, without effect here; said aloud in midge's log, refused with `--strict`.
- refused: it would change what happens and midge does not have it yet; `InvalidParameterValueException` (400) names it.

An operation that is stored only keeps what it is told, and nothing acts on that yet.

| Operation | Here | Enforced | Stored only | Refused |
|---|---|---|---|---|
"""
_MOST_DEPTH = 4
_REASONS_HEAD = """
## Refused for a reason

Some of what is refused is not only missing; midge could not keep its promise, or AWS's.

| Refused | Why |
|---|---|
"""
REASONS: Mapping[str, str] = {
    "S3ObjectStorageMode": "`REFERENCE` leaves the code in S3 alone. midge promises that a function that was answered "
    "with success is on disk and outlives the loss of its bucket; where S3 is the neighbour in memory, such a function "
    "would not even outlive a restart. `COPY` is accepted.",
    "PublishTo": "`$LATEST.PUBLISHED` is a version of functions on Lambda Managed Instances, which run on EC2 instances "
    "of a capacity provider, several invocations to an environment; midge has no instances to manage.",
    "CapacityProviderConfig": "The same: it puts a function on Lambda Managed Instances.",
    "PutFunctionScalingConfig": "The same: it sets how many environments a function on Lambda Managed Instances has. "
    "For functions of other kinds there is provisioned concurrency.",
    "GetFunctionScalingConfig": "The same.",
}
"""By the name of an operation or of a member."""


def operations_page(model: ServiceModel) -> str:
    """The page in Markdown."""
    table = "".join(_row(model, name) for name in sorted(model.operations))
    reasons = "".join(f"| {name} | {reason} |\n" for name, reason in REASONS.items())
    return _HEAD + table + _REASONS_HEAD + reasons


def _row(model: ServiceModel, name: str) -> str:
    status, rules = status_of(name)
    columns: dict[Treatment, list[str]] = {treatment: [] for treatment in Treatment}
    for path in input_paths(model, name):
        columns[_rule(rules, path)].append(path)
    cells = [", ".join(columns[treatment]) for treatment in Treatment]
    return f"| {name} | {status} | {' | '.join(cells)} |\n"


def status_of(name: str) -> tuple[str, Rules]:
    """What becomes of an operation, and of its members; a refused one has no rules."""
    if name in ANSWERED_BY_THE_LISTENER:
        return "answered", ANSWERED_BY_THE_LISTENER[name]
    operation = OPERATIONS.get(name)
    if operation is None:
        return "refused", {}
    return ("stored only" if operation.stored_only else "answered"), operation.rules


def _rule(rules: Rules, path: str) -> Treatment:
    while path not in rules and "." in path:
        path = path.rpartition(".")[0]
    return rules.get(path, REFUSED).treatment


def input_paths(model: ServiceModel, name: str) -> Iterator[str]:
    """Every member of an operation's input, and of the structures within it, as ``Code.ZipFile``."""
    operation = model.operations[name]
    if operation.input is not None:
        yield from _paths(model, operation.input.shape, "", _MOST_DEPTH)


def _paths(model: ServiceModel, shape_name: str, prefix: str, depth: int) -> Iterator[str]:
    shape: Any = model.shapes[shape_name]
    if shape.type in {"list", "map"}:
        within = shape.member if shape.type == "list" else shape.value
        yield from _paths(model, within.shape, prefix, depth)
    elif shape.type == "structure" and depth > 0:
        for member, of in shape.members.items():
            path = f"{prefix}.{member}" if prefix else member
            yield path
            yield from _paths(model, of.shape, path, depth - 1)
