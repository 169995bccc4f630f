"""What becomes of every member that a caller can send: acted on, kept, or refused by name.

Enforced: midge acts on it. Kept: it only describes AWS's surroundings, or nothing that would act on it exists yet; it is
stored, returned and said aloud once in midge's log. Refused: it would change how the function behaves and midge cannot
do that yet. Nothing is ignored; a test holds the tables against the service model.
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
    """How one member is treated; ``harmless`` are values of it that change nothing: not refused, not worth a word.

    ``in_wire_form``: it is acted on, and stored as the caller wrote it, like what is kept.
    """

    treatment: Treatment
    harmless: tuple[Any, ...] = ()
    in_wire_form: bool = False


ENFORCED = Rule(Treatment.ENFORCED)
KEPT = Rule(Treatment.KEPT)
REFUSED = Rule(Treatment.REFUSED)

Rules = Mapping[str, Rule]
"""By member of an operation's input; ``Code.ImageUri`` is a member of the structure ``Code``, whose rule holds for every
member of it that has none of its own."""


def enforced(*names: str) -> Rules:
    """Rules for members that midge acts on, all of them."""
    return dict.fromkeys(names, ENFORCED)


def stored(*names: str) -> Rules:
    """Rules for members that are kept without effect, all of them."""
    return dict.fromkeys(names, KEPT)


_CONFIGURATION: Rules = {
    "FunctionName": ENFORCED,
    "Role": ENFORCED,
    "Handler": ENFORCED,
    "Description": ENFORCED,
    "Timeout": ENFORCED,
    "MemorySize": ENFORCED,
    "VpcConfig": KEPT,
    "Environment": ENFORCED,
    "Runtime": ENFORCED,
    "DeadLetterConfig": Rule(Treatment.ENFORCED, in_wire_form=True),
    "KMSKeyArn": KEPT,
    "TracingConfig": Rule(Treatment.KEPT, ({"Mode": "PassThrough"},)),
    "Layers": ENFORCED,
    "FileSystemConfigs": KEPT,
    "ImageConfig": ENFORCED,
    "EphemeralStorage": ENFORCED,
    "SnapStart": ENFORCED,
    "LoggingConfig": ENFORCED,
    "CapacityProviderConfig": REFUSED,
    "DurableConfig": REFUSED,
    "RuntimeConfig": REFUSED,
    "AcceleratorConfig": REFUSED,
}
_CODE: Rules = {
    "ZipFile": ENFORCED,
    "S3Bucket": ENFORCED,
    "S3Key": ENFORCED,
    "S3ObjectVersion": ENFORCED,
    "S3ObjectStorageMode": Rule(Treatment.REFUSED, ("COPY",)),
    "ImageUri": ENFORCED,
    "SourceKMSKeyArn": KEPT,
}
CREATE_FUNCTION: Rules = {
    **_CONFIGURATION,
    "Code": ENFORCED,
    **{f"Code.{name}": rule for name, rule in _CODE.items()},
    "Publish": ENFORCED,
    "PublishTo": REFUSED,
    "PackageType": ENFORCED,
    "Tags": ENFORCED,
    "CodeSigningConfigArn": ENFORCED,
    "Architectures": Rule(Treatment.KEPT, (["x86_64"],)),
    "TenancyConfig": ENFORCED,
}
UPDATE_FUNCTION_CONFIGURATION: Rules = {**_CONFIGURATION, "RevisionId": ENFORCED}
UPDATE_FUNCTION_CODE: Rules = {
    **_CODE,
    "FunctionName": ENFORCED,
    "Architectures": Rule(Treatment.KEPT, (["x86_64"],)),
    "Publish": ENFORCED,
    "PublishTo": REFUSED,
    "DryRun": ENFORCED,
    "RevisionId": ENFORCED,
}
PUBLISH_LAYER_VERSION: Rules = {
    **enforced("LayerName", "Description", "CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo", "Content"),
    **{f"Content.{name}": rule for name, rule in _CODE.items() if name not in {"ImageUri", "SourceKMSKeyArn"}},
}
PUBLISH_VERSION: Rules = {
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


def _at(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for name in path.split("."):
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    return value


def refuse_unsupported(rules: Rules, values: Mapping[str, Any], *, strict: bool = False) -> None:
    """Raise InvalidParameterValueException for the first member that midge cannot honour.

    With ``strict`` this includes what would only be kept.
    """
    refused = {Treatment.REFUSED, Treatment.KEPT} if strict else {Treatment.REFUSED}
    for path, rule in rules.items():
        if rule.treatment in refused and _says_something(rule, _at(values, path)):
            raise not_supported(f"the parameter {path}")


def kept(rules: Rules, values: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are stored as they are, empty ones included: they clear what was stored before."""
    return {
        name: value
        for name, value in values.items()
        if (rules[name].treatment is Treatment.KEPT and name != "Architectures") or rules[name].in_wire_form
    }


def worth_saying(rules: Rules, values: Mapping[str, Any]) -> list[str]:
    """Paths of the members that are kept without effect."""
    return [
        path
        for path, rule in rules.items()
        if rule.treatment is Treatment.KEPT and _says_something(rule, _at(values, path))
    ]
