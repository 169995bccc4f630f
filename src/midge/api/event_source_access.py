"""How a mapping gets at its source: ``SourceAccessConfigurations`` and what only Kafka has, checked. Pure.

Source: ``SourceAccessConfiguration``, ``KafkaSchemaRegistryConfig`` and ``SelfManagedKafkaEventSourceConfig`` in
https://docs.aws.amazon.com/lambda/latest/api/API_SourceAccessConfiguration.html and its neighbours
"""

from collections.abc import Mapping, Sequence
from typing import Any

from midge.api.destinations import KAFKA
from midge.api.members import part
from midge.model.arns import parse_arn
from midge.model.errors import ServiceError, invalid_parameter
from midge.sources.types import SourceType

_SECRETS = frozenset(
    {
        "BASIC_AUTH",
        "SASL_SCRAM_512_AUTH",
        "SASL_SCRAM_256_AUTH",
        "CLIENT_CERTIFICATE_TLS_AUTH",
        "SERVER_ROOT_CA_CERTIFICATE",
        "OAUTHBEARER_AUTH",
    }
)
_PREFIXES = {"VPC_SUBNET": "subnet:", "VPC_SECURITY_GROUP": "security_group:"}
_WITHOUT_URI = frozenset({"IAM_AUTH", "IAM_OAUTHBEARER_AUTH"})
_SEVERAL = frozenset({"VPC_SUBNET", "VPC_SECURITY_GROUP"})
_COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "OAUTHBEARER_SCOPE": ("OAUTHBEARER_AUTH",),
    "OAUTHBEARER_LOGICAL_CLUSTER": ("OAUTHBEARER_AUTH",),
    "OAUTHBEARER_IDENTITY_POOL": ("OAUTHBEARER_AUTH",),
    "OAUTHBEARER_AUDIENCE": ("OAUTHBEARER_AUTH", "IAM_OAUTHBEARER_AUTH"),
    "IAM_OAUTHBEARER_AUTH": ("OAUTHBEARER_AUDIENCE",),
}
"""Types that need one of others beside them."""


def missing(member: str) -> ServiceError:
    """A member that this kind of source needs, in the words of the service model's own constraints."""
    return invalid_parameter(
        f"1 validation error detected: Value null at '{member[0].lower()}{member[1:]}' "
        "failed to satisfy constraint: Member must not be null."
    )


def check_access(kind: SourceType, configurations: Sequence[Mapping[str, Any]]) -> None:
    """Raise InvalidParameterValueException unless ``configurations`` let Lambda at a source of this kind."""
    types = [str(each.get("Type") or "") for each in configurations]
    for each, name in zip(configurations, types, strict=True):
        if name not in kind.access_types:
            raise invalid_parameter(
                f"Unsupported source access configuration type {name} for {kind.name} event sources."
            )
        if types.count(name) > 1 and name not in _SEVERAL:
            raise invalid_parameter(f"Source access configuration type {name} can be given only once.")
        _check_uri(name, each.get("URI"))
        companions = _COMPANIONS.get(name)
        if companions is not None and not set(companions) & set(types):
            raise invalid_parameter(f"Source access configuration type {name} requires {' or '.join(companions)}.")
    if "IAM_OAUTHBEARER_AUTH" in types:
        others = [name for name in types if name.startswith("OAUTHBEARER_") and name != "OAUTHBEARER_AUDIENCE"]
        if others:
            raise invalid_parameter(
                f"Source access configuration type IAM_OAUTHBEARER_AUTH does not support {others[0]}."
            )
    if types and "BASIC_AUTH" in kind.access_types and kind.kafka is None and "BASIC_AUTH" not in types:
        raise invalid_parameter(
            f"Source access configuration type BASIC_AUTH is required for {kind.name} event sources."
        )


def _check_uri(name: str, uri: str | None) -> None:
    if name in _WITHOUT_URI:
        if uri is not None:
            raise invalid_parameter(f"Source access configuration type {name} does not take a URI.")
        return
    if not uri:
        raise invalid_parameter(f"Source access configuration type {name} requires a URI.")
    if name in _SECRETS:
        arn = parse_arn(uri)
        if arn is None or arn.service != "secretsmanager" or not arn.resource.startswith("secret:"):
            raise invalid_parameter(f"Source access configuration type {name} requires the ARN of a secret: {uri}")
    prefix = _PREFIXES.get(name)
    if prefix is not None and not uri.startswith(prefix):
        raise invalid_parameter(f"Source access configuration type {name} requires a URI that begins with {prefix}")


def check_kafka(kind: SourceType, settings: Mapping[str, Any]) -> None:
    """Raise InvalidParameterValueException for what Kafka has alone: share groups, schema registries, topics of failures."""
    if kind.kafka is None:
        return
    provisioned = "ProvisionedPollerConfig" in settings
    config = part(settings, kind.kafka)
    if config.get("ConsumptionMode") == "Queue":
        if "StartingPosition" in settings:
            raise invalid_parameter("StartingPosition is not supported when ConsumptionMode is Queue.")
        if settings.get("MaximumRetryAttempts") == -1:
            raise invalid_parameter("MaximumRetryAttempts cannot be infinite (-1) when ConsumptionMode is Queue.")
    if registry := config.get("SchemaRegistryConfig"):
        _check_registry(registry, provisioned=provisioned)
    failures = part(part(settings, "DestinationConfig"), "OnFailure").get("Destination") or ""
    if failures.startswith(KAFKA):
        if not provisioned:
            raise invalid_parameter("A Kafka topic as on-failure destination requires ProvisionedPollerConfig.")
        if failures.removeprefix(KAFKA) in settings["Topics"]:
            raise invalid_parameter("The on-failure destination cannot be the topic of the event source mapping.")


def _check_registry(registry: Mapping[str, Any], *, provisioned: bool) -> None:
    if not provisioned:
        raise invalid_parameter("SchemaRegistryConfig requires ProvisionedPollerConfig.")
    for member in ("SchemaRegistryURI", "EventRecordFormat", "SchemaValidationConfigs"):
        if not registry.get(member):
            raise invalid_parameter(f"SchemaRegistryConfig requires {member}.")
    uri = str(registry["SchemaRegistryURI"])
    arn = parse_arn(uri)
    if arn is None and not uri.startswith("https://"):
        raise invalid_parameter(f"SchemaRegistryURI must be the ARN of a Glue registry or an https URL: {uri}")
    if arn is not None and (arn.service != "glue" or not arn.resource.startswith("registry/")):
        raise invalid_parameter(f"SchemaRegistryURI is not the ARN of a Glue registry: {uri}")
    if arn is not None and registry.get("AccessConfigs"):
        raise invalid_parameter("AccessConfigs are not supported for Glue schema registries.")
    for each in registry.get("AccessConfigs") or ():
        _check_uri(str(each.get("Type") or ""), each.get("URI"))
