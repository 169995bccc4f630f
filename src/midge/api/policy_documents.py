"""Whole resource policies as documents: from the JSON that a caller sends to statements that can be evaluated. Pure.

What the evaluation could not honour (NotPrincipal, NotAction, NotResource, another resource) is refused by name.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from midge.api.statements import principal_of
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.policies import PolicyStatement

_VERSIONS = ("2012-10-17", "2008-10-17")
_ACTION = re.compile(r"lambda:[a-zA-Z*?]+|\*")
_SID = re.compile(r"[a-zA-Z0-9-_]*")
_DOCUMENT_MEMBERS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_MEMBERS = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"})


def parse_policy(text: str, resource: str) -> tuple[str | None, tuple[PolicyStatement, ...]]:
    """The document's Id and its statements; ``resource`` is the ARN of what it will be attached to.

    Raises InvalidParameterValueException.
    """
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid(f"it is not JSON: {error}") from error
    values = _structure(document, "the policy", _DOCUMENT_MEMBERS)
    if values.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise _invalid(f"Version must be one of {', '.join(_VERSIONS)}")
    name = values.get("Id")
    if name is not None and not isinstance(name, str):
        raise _invalid("Id must be a string")
    given = values.get("Statement")
    listed: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    statements = tuple(_statement(each, resource) for each in listed)
    if not statements:
        raise _invalid("it has no statement")
    sids = [statement.sid for statement in statements if statement.sid]
    if len(sids) != len(set(sids)):
        raise _invalid("statement ids must be unique")
    return name, statements


def _invalid(reason: str) -> ServiceError:
    return invalid_parameter(f"The resource policy is not valid: {reason}.")


def _structure(value: Any, what: str, members: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(f"{what} must be an object")
    values = cast("dict[str, Any]", value)
    unknown = sorted(values.keys() - members)
    if unknown:
        raise _invalid(f"{what} has the member {unknown[0]}, which is not supported")
    return values


def _statement(value: Any, resource: str) -> PolicyStatement:
    values = _structure(value, "a statement", _STATEMENT_MEMBERS)
    sid, effect = values.get("Sid", ""), values.get("Effect")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise _invalid("Sid must be made of letters, digits, hyphens and underscores")
    if not isinstance(effect, str) or effect not in {"Allow", "Deny"}:
        raise _invalid("Effect must be Allow or Deny")
    actions = _strings(values.get("Action"), "Action")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise _invalid(f"{action} is not an action of Lambda")
    for each in _strings(values.get("Resource"), "Resource"):
        if each != resource:
            raise _invalid(f"Resource must be {resource}, to which the policy is attached, and not {each}")
    return PolicyStatement(
        sid=sid,
        effect=effect,
        principals=_principals(values.get("Principal")),
        actions=actions,
        conditions=_conditions(values.get("Condition")),
    )


def _principals(value: Any) -> dict[str, tuple[str, ...]]:
    if value == "*":
        return {"*": ("*",)}
    principals: dict[str, tuple[str, ...]] = {}
    for kind, given in _structure(value, "Principal", frozenset({"AWS", "Service"})).items():
        named = [principal_of(text) for text in _strings(given, f"Principal.{kind}")]
        if kind == "AWS" and ("*", "*") in named:
            return {"*": ("*",)}
        if any(found != kind for found, _ in named):
            raise invalid_parameter("The provided principal was invalid. Please check the principal and try again.")
        principals[kind] = tuple(name for _, name in named)
    if not principals:
        raise _invalid("Principal names nobody")
    return principals


def _conditions(value: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    conditions: dict[str, dict[str, tuple[str, ...]]] = {}
    if value is None:
        return conditions
    if not isinstance(value, dict):
        raise _invalid("Condition must be an object")
    for operator, keys in cast("dict[str, Any]", value).items():
        if not isinstance(keys, dict) or not keys:
            raise _invalid(f"Condition.{operator} must be an object that is not empty")
        conditions[operator] = {
            key: _strings(found, f"Condition.{operator}.{key}") for key, found in cast("dict[str, Any]", keys).items()
        }
    return conditions


def _strings(value: Any, what: str) -> tuple[str, ...]:
    """One value or a list of them, as text; conditions may compare with numbers and booleans."""
    listed: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    found: list[str] = []
    for each in listed:
        if isinstance(each, bool):
            found.append(str(each).lower())
        elif isinstance(each, (str, int, float)):
            found.append(str(each))
        else:
            raise _invalid(f"{what} must be a string or a list of strings")
    if not found:
        raise _invalid(f"{what} is empty")
    return tuple(found)
