"""Whether an operation's input satisfies the service model: required, length, range, pattern and enum, in AWS's words.

Owns the wording and the order of violations; all of them are told at once. Knows nothing of HTTP. Three habits of AWS
show in the texts: a member's name starts in lower case and keeps the rest (``kMSKeyArn``); scalars in lists and maps
are reported on the list or map, with every constraint they are under; a sensitive value is not repeated.
Source: ``ValidationException`` in https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from midge.model.errors import ServiceError
from midge.wire.model import Member, Operation, ServiceModel, Shape

_NOT_NULL = "Member must not be null"
_PATTERN_TESTED_CHARS = 10_000
"""A text longer than its shape allows is tested against the pattern only up to this length: it has failed already, and
some patterns take quadratic time."""


def check(
    model: ServiceModel, operation: Operation, values: Mapping[str, Any], code: str = "ValidationException"
) -> None:
    """Raises ``ServiceError`` that lists every violation in ``values``; ``code`` is the service's name for it."""
    shape = model.input_of(operation)
    if shape is None:
        return
    found = list(violations(model, shape, values))
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise ServiceError(code, f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def violations(model: ServiceModel, shape: Shape, values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """One text for each violated constraint of a structure, in the model's order of members."""
    for name, member in shape.members.items():
        value = values.get(name)
        where = f"{path}{name[0].lower()}{name[1:]}"
        if value is not None:
            yield from _of_value(model, member, value, where)
        elif name in shape.required:
            yield f"Value null at '{where}' failed to satisfy constraint: {_NOT_NULL}"


def _of_value(model: ServiceModel, member: Member, value: Any, where: str) -> Iterator[str]:
    shape = model.shapes[member.shape]
    if shape.type == "structure":
        yield from violations(model, shape, value, f"{where}.")
        return
    broken = _broken(shape, value)
    if shape.type == "list" and shape.member is not None:
        if _holds_structures(model, shape.member):
            for number, element in enumerate(value, 1):
                yield from _of_element(model, shape.member, element, f"{where}.{number}.member")
        elif not all(_satisfied(model, shape.member, element) for element in value):
            broken.append(f"Member must satisfy constraint: {_listed(model, shape.member)}")
    elif shape.type == "map" and shape.key is not None and shape.value is not None:
        if not all(_satisfied(model, shape.key, key) for key in value):
            broken.append(f"Map keys must satisfy constraint: [{', '.join(_texts(model, shape.key))}]")
        if _holds_structures(model, shape.value):
            for key, element in value.items():
                yield from _of_element(model, shape.value, element, f"{where}.{key}.member")
        elif not all(_satisfied(model, shape.value, element) for element in value.values()):
            broken.append(f"Map value must satisfy constraint: {_listed(model, shape.value)}")
    for text in broken:
        shown = "Value" if shape.sensitive else f"Value '{_shown(value)}'"
        yield f"{shown} at '{where}' failed to satisfy constraint: {text}"


def _of_element(model: ServiceModel, member: Member, element: Any, where: str) -> Iterator[str]:
    if element is None:
        yield f"Value null at '{where}' failed to satisfy constraint: {_NOT_NULL}"
    else:
        yield from _of_value(model, member, element, where)


def _broken(shape: Shape, value: Any) -> list[str]:
    """The shape's own constraints that ``value`` does not satisfy; its parts are not looked at."""
    return [text for kind, text in _constraints(shape) if not _holds(shape, kind, value)]


def _constraints(shape: Shape) -> Iterator[tuple[str, str]]:
    """The shape's constraints: what is constrained, and AWS's text for it, in AWS's order."""
    noun = "value" if shape.type in ("integer", "long", "float", "double") else "length"
    if shape.max is not None:
        yield "max", f"Member must have {noun} less than or equal to {_number(shape, shape.max)}"
    if shape.min is not None:
        yield "min", f"Member must have {noun} greater than or equal to {_number(shape, shape.min)}"
    if shape.pattern is not None:
        yield "pattern", f"Member must satisfy regular expression pattern: {shape.pattern}"
    if shape.enum is not None:
        yield "enum", f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _holds(shape: Shape, kind: str, value: Any) -> bool:
    match kind:
        case "max":
            return shape.max is not None and _size(value) <= shape.max
        case "min":
            return shape.min is not None and _size(value) >= shape.min
        case "pattern":
            if shape.max is not None and len(value) > max(shape.max, _PATTERN_TESTED_CHARS):
                return True
            return shape.regex is not None and shape.regex.fullmatch(value) is not None
        case _:
            return shape.enum is not None and value in shape.enum


def _size(value: Any) -> float:
    return value if isinstance(value, int | float) else len(value)


def _number(shape: Shape, bound: float) -> str:
    return str(float(bound)) if shape.type in ("float", "double") else str(int(bound))


def _satisfied(model: ServiceModel, member: Member, value: Any) -> bool:
    """Whether a list's element or a map's key or value (no structure) satisfies all it is under."""
    if value is None:
        return False
    shape = model.shapes[member.shape]
    if _broken(shape, value):
        return False
    if shape.type == "list" and shape.member is not None:
        part = shape.member
        return all(_satisfied(model, part, element) for element in value)
    return True


def _texts(model: ServiceModel, member: Member) -> list[str]:
    """Every constraint that a list's element or a map's key or value is under."""
    shape = model.shapes[member.shape]
    texts = [text for _, text in _constraints(shape)]
    if shape.type == "list" and shape.member is not None:
        texts.append(f"Member must satisfy constraint: {_listed(model, shape.member)}")
    return texts


def _listed(model: ServiceModel, member: Member) -> str:
    return f"[{', '.join([*_texts(model, member), _NOT_NULL])}]"


def _holds_structures(model: ServiceModel, member: Member) -> bool:
    return model.shapes[member.shape].type == "structure"


def _shown(value: Any) -> str:
    """A value as AWS prints it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{key}={_shown(part)}" for key, part in value.items()) + "}"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case str():
            return value
        case bytes():
            return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
        case Sequence():
            return "[" + ", ".join(_shown(part) for part in value) + "]"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return str(value)
