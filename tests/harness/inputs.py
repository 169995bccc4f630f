"""Inputs for the operations of the Lambda API, made from the service model: such that satisfy it, and such that do not.

Names of functions, qualifiers and ARNs are mostly those that a test has made, so that an input gets beyond the look-up.
"""

import base64
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from midge.wire.model import Operation, ServiceModel, Shape

ACCOUNT, REGION = "000000000000", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
_LONGEST = 40
_MOST = 3
_DEPTH = 6


def package() -> bytes:
    """A deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), "def handler(event, context): return event\n")
    return buffer.getvalue()


def names(arn: str) -> st.SearchStrategy[str]:
    """A function that the test has made, in every form."""
    name = arn.rpartition(":")[2]
    return st.sampled_from([name, arn, f"{ACCOUNT}:function:{name}", f"{name}:live", f"{arn}:1", f"{name}:$LATEST"])


class Inputs:
    """Strategies for inputs; ``known`` are values that fit members of these names."""

    def __init__(self, model: ServiceModel, known: Mapping[str, st.SearchStrategy[Any]]) -> None:
        self._model = model
        self._known = known

    def valid(self, operation: Operation) -> st.SearchStrategy[dict[str, Any]]:
        """Inputs that satisfy every constraint of the model."""
        if operation.input is None:
            return st.just({})
        return self._structure(self._model.shapes[operation.input.shape], _DEPTH)

    def spoiled(self, operation: Operation) -> st.SearchStrategy[dict[str, Any]]:
        """Inputs in which one member is of the wrong type, beyond its limits, or missing."""

        def spoil(drawn: tuple[dict[str, Any], Any, int]) -> dict[str, Any]:
            values, nonsense, which = drawn
            shape = self._model.shapes[operation.input.shape] if operation.input else None
            members = sorted(shape.members) if shape else []
            if not members:
                return values
            name = members[which % len(members)]
            spoiled = dict(values)
            if nonsense is None:
                spoiled.pop(name, None)
            else:
                spoiled[name] = nonsense
            return spoiled

        nonsense = st.one_of(
            st.none(), st.just(-1), st.just(2**40), st.just("x" * 5000), st.just("\x00é"), st.just([]), st.just({}),
            st.just([{"x": [1]}]), st.just(True), st.text(max_size=20),
        )  # fmt: skip
        return st.tuples(self.valid(operation), nonsense, st.integers(0, 100)).map(spoil)

    def _of(self, shape_name: str, depth: int) -> st.SearchStrategy[Any]:
        shape = self._model.shapes[shape_name]
        match shape.type:
            case "structure":
                return self._structure(shape, depth - 1)
            case "list":
                assert shape.member is not None
                least = int(shape.min or 0)
                most = max(least, min(_MOST, int(shape.max if shape.max is not None else _MOST)))
                return st.lists(self._of(shape.member.shape, depth - 1), min_size=least, max_size=most)
            case "map":
                assert shape.key is not None
                assert shape.value is not None
                keys, values = self._of(shape.key.shape, depth - 1), self._of(shape.value.shape, depth - 1)
                return st.dictionaries(keys, values, max_size=min(_MOST, int(shape.max or _MOST)))
            case "string":
                return self._string(shape)
            case "blob":
                return st.binary(max_size=_LONGEST)
            case "boolean":
                return st.booleans()
            case "timestamp":
                return st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
            case "double" | "float":
                return st.floats(float(shape.min or 0), float(shape.max if shape.max is not None else 1), width=32)
            case _:
                least = int(shape.min if shape.min is not None else 0)
                return st.integers(least, int(shape.max if shape.max is not None else least + 100))

    def _string(self, shape: Shape) -> st.SearchStrategy[str]:
        if shape.enum is not None:
            return st.sampled_from(shape.enum)
        least = int(shape.min or 0)
        most = int(shape.max if shape.max is not None else _LONGEST)
        if shape.regex is not None:
            return st.from_regex(shape.regex, fullmatch=True).filter(lambda text: least <= len(text) <= most)
        printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
        return st.text(printable, min_size=least, max_size=max(least, min(most, _LONGEST)))

    def _structure(self, shape: Shape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        if depth <= 0:
            return st.just({})
        members = {
            name: self._known[name] if name in self._known else self._of(member.shape, depth)
            for name, member in shape.members.items()
        }
        required = {name: strategy for name, strategy in members.items() if name in shape.required}
        optional = {name: strategy for name, strategy in members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)


def as_json(value: Any) -> Any:
    """A value as the body of a request carries it."""
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [as_json(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.timestamp() if isinstance(value, datetime) else value
