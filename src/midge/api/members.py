"""What becomes of every member that a caller can send about a function: acted on, kept, or refused by name.

Enforced: midge acts on it. Kept: it only describes AWS's surroundings; it is stored, returned and said aloud once in
midge's log. Refused: it would change how the function behaves and midge cannot do that yet. Nothing is ignored; a test
holds these tables against the service model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from midge.model.errors import not_supported


class Treatment(Enum):
    """See the module."""

    ENFORCED = auto()
    KEPT = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """How one member is treated; ``harmless`` are values of it that change nothing: not refused, not worth a word."""

    treatment: Treatment
    harmless: tuple[Any, ...] = ()


ENFORCED = Rule(Treatment.ENFORCED)
KEPT = Rule(Treatment.KEPT)
REFUSED = Rule(Treatment.REFUSED)

_CONFIGURATION: Mapping[str, Rule] = {
    "FunctionName": ENFORCED,
    "Role": ENFORCED,
    "Handler": ENFORCED,
    "Description": ENFORCED,
    "Timeout": ENFORCED,
    "MemorySize": ENFORCED,
    "VpcConfig": KEPT,
    "Environment": ENFORCED,
    "Runtime": ENFORCED,
    "DeadLetterConfig": REFUSED,
    "KMSKeyArn": KEPT,
    "TracingConfig": Rule(Treatment.KEPT, ({"Mode": "PassThrough"},)),
    "Layers": REFUSED,
    "FileSystemConfigs": REFUSED,
    "ImageConfig": REFUSED,
    "EphemeralStorage": ENFORCED,
    "SnapStart": Rule(Treatment.REFUSED, ({"ApplyOn": "None"},)),
    "LoggingConfig": ENFORCED,
    "CapacityProviderConfig": REFUSED,
    "DurableConfig": REFUSED,
    "RuntimeConfig": REFUSED,
    "AcceleratorConfig": REFUSED,
}
CREATE_FUNCTION: Mapping[str, Rule] = {
    **_CONFIGURATION,
    "Code": ENFORCED,
    "Publish": ENFORCED,
    "PublishTo": REFUSED,
    "PackageType": Rule(Treatment.REFUSED, ("Zip",)),
    "Tags": ENFORCED,
    "CodeSigningConfigArn": REFUSED,
    "Architectures": Rule(Treatment.KEPT, (["x86_64"],)),
    "TenancyConfig": REFUSED,
}
UPDATE_FUNCTION_CONFIGURATION: Mapping[str, Rule] = {**_CONFIGURATION, "RevisionId": ENFORCED}
FUNCTION_CODE: Mapping[str, Rule] = {
    "ZipFile": ENFORCED,
    "S3Bucket": ENFORCED,
    "S3Key": ENFORCED,
    "S3ObjectVersion": ENFORCED,
    "S3ObjectStorageMode": Rule(Treatment.REFUSED, ("COPY",)),
    "ImageUri": REFUSED,
    "SourceKMSKeyArn": KEPT,
}
UPDATE_FUNCTION_CODE: Mapping[str, Rule] = {
    **FUNCTION_CODE,
    "FunctionName": ENFORCED,
    "Architectures": Rule(Treatment.KEPT, (["x86_64"],)),
    "Publish": ENFORCED,
    "PublishTo": REFUSED,
    "DryRun": ENFORCED,
    "RevisionId": ENFORCED,
}
PUBLISH_VERSION: Mapping[str, Rule] = {
    "FunctionName": ENFORCED,
    "CodeSha256": ENFORCED,
    "Description": ENFORCED,
    "RevisionId": ENFORCED,
    "PublishTo": REFUSED,
}


def part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A structure within a structure; empty if it is not there."""
    return values.get(name) or {}


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: absent, empty, or made of such."""
    if isinstance(value, Mapping):
        return all(is_empty(part) for part in cast("Mapping[str, Any]", value).values())
    return value is None or value is False or value in ("", [])


def _says_something(rule: Rule, value: Any) -> bool:
    return not is_empty(value) and value not in rule.harmless


def refuse_unsupported(rules: Mapping[str, Rule], values: Mapping[str, Any], *, strict: bool = False) -> None:
    """Raise InvalidParameterValueException for the first member that midge cannot honour.

    With ``strict`` this includes what would only be kept. Raises KeyError for a member without a rule.
    """
    refused = {Treatment.REFUSED, Treatment.KEPT} if strict else {Treatment.REFUSED}
    for name, value in values.items():
        rule = rules[name]
        if rule.treatment in refused and _says_something(rule, value):
            raise not_supported(f"the parameter {name}")


def kept(rules: Mapping[str, Rule], values: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are kept as they are, empty ones included: they clear what was kept before."""
    return {
        name: value
        for name, value in values.items()
        if rules[name].treatment is Treatment.KEPT and name != "Architectures"
    }


def worth_saying(rules: Mapping[str, Rule], values: Mapping[str, Any]) -> list[str]:
    """Names of the members that are kept without effect."""
    return [
        name
        for name, value in values.items()
        if rules[name].treatment is Treatment.KEPT and _says_something(rules[name], value)
    ]
