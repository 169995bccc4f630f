"""ARNs, and the forms in which AWS lets a caller name a function: from the bare name to the full ARN with a qualifier. Pure.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html and the patterns of ``FunctionName`` and
``NamespacedFunctionName`` in the ``lambda`` service model.
"""

import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReference:
    """A function as somebody wrote it; what they left out is None."""

    name: str
    qualifier: str | None = None
    region: str | None = None
    account: str | None = None
    partition: str | None = None


def parse_function_reference(text: str) -> FunctionReference | None:
    """What ``text`` names; None if it is no form that AWS takes."""
    found = _REFERENCE.fullmatch(text)
    return None if found is None else FunctionReference(**found.groupdict())


_ARN_PARTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Arn:
    """The name of a resource of any AWS service; ``resource`` is all that comes after the account."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN; None if ``text`` is none."""
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) < _ARN_PARTS or parts[0] != "arn":
        return None
    _, partition, service, region, account, resource = parts
    return Arn(partition=partition, service=service, region=region, account=account, resource=resource)
