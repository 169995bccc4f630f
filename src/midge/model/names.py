"""Function names as callers write them: a name, a partial ARN or a whole ARN, each with or without a qualifier. Pure.

Source: the ``NamespacedFunctionName`` and ``Qualifier`` shapes of the ``lambda`` service model.
"""

import re
from dataclasses import dataclass

from midge.model.errors import ServiceError, invalid_parameter

NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(?P<account>\d{12}):)?"
    r"(?:function:)?(?P<name>[a-zA-Z0-9-_.]{1,140})(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]{1,128}))?"
)
_QUALIFIER = re.compile(r"\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReference:
    """What a caller's function name says; what it leaves open is None."""

    name: str
    account: str | None = None
    region: str | None = None
    qualifier: str | None = None


def _violation(value: str, member: str, pattern: str) -> ServiceError:
    return ServiceError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern}",
    )


def parse_function_name(text: str, qualifier: str | None = None) -> FunctionReference:
    """Take a FunctionName apart; ``qualifier`` is the one given beside it.

    Raises ValidationException for what cannot be a name, InvalidParameterValueException for two different qualifiers.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise _violation(text, "functionName", NAME_PATTERN)
    if qualifier is not None and not _QUALIFIER.fullmatch(qualifier):
        raise _violation(qualifier, "qualifier", r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9$_-]+")
    own = match["qualifier"]
    if own is not None and qualifier is not None and own != qualifier:
        raise invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionReference(
        name=match["name"], account=match["account"], region=match["region"], qualifier=own or qualifier
    )
