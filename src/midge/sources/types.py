"""The kinds of event sources: what each takes, needs and fills in of ``CreateEventSourceMapping``, as one table. Pure.

Every kind takes ``FunctionName``, ``Enabled``, ``BatchSize``, ``MaximumBatchingWindowInSeconds`` and ``Tags``; the rest
is listed. A kind whose batching window is 500 ms unless set returns none, because AWS counts it in whole seconds.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html and the pages of parameters:
services-sqs-parameters, services-kinesis-parameters, services-ddb-params, msk-esm-parameters, kafka-esm-parameters,
services-mq-params, with-documentdb (https://docs.aws.amazon.com/lambda/latest/dg/)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midge.model.arns import parse_arn

EVERY_MEMBER = frozenset({"BatchSize", "MaximumBatchingWindowInSeconds"})
_FILTERED = frozenset({"EventSourceArn", "FilterCriteria", "KMSKeyArn"})
_ERROR_HANDLING = frozenset(
    {
        "DestinationConfig",
        "MaximumRecordAgeInSeconds",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "FunctionResponseTypes",
    }
)
_STARTING = frozenset({"StartingPosition", "StartingPositionTimestamp"})
_FROM_THE_ENDS = frozenset({"TRIM_HORIZON", "LATEST"})
_ANYWHERE = _FROM_THE_ENDS | {"AT_TIMESTAMP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pollers:
    """What ``ProvisionedPollerConfig`` may say; ``minimum`` and ``maximum`` are also the defaults of its members."""

    minimum: int
    maximum: int = 200
    most_minimum: int = 200
    most_maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceType:
    """One kind of event source."""

    name: str
    members: frozenset[str]
    """What it takes beyond ``EVERY_MEMBER``."""
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any]
    """What a mapping has that says nothing else, by wire names."""
    starting_positions: frozenset[str] = frozenset()
    batching_windows: bool = True
    """Whether it can wait for a batch to fill."""
    large_batches_need_a_window: bool = False
    """Whether more than 10 records are gathered only while waiting."""
    access_types: frozenset[str] = frozenset()
    """Types that ``SourceAccessConfigurations`` may have."""
    metrics: frozenset[str] = frozenset({"EventCount"})
    pollers: Pollers | None = None
    kafka: str | None = None
    """The member with what only Kafka has."""
    updates_show_late: bool = False
    """Whether the answer to an update still shows the former settings."""
    state_transition_reason: str = "USER_INITIATED"
    last_processing_result: str | None = "No records processed"
    """Of a mapping that has not processed anything yet."""


_SQS_MEMBERS = _FILTERED | {"FunctionResponseTypes", "ScalingConfig", "ProvisionedPollerConfig", "MetricsConfig"}
_SQS_DEFAULTS: Mapping[str, Any] = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
_SQS_POLLERS = Pollers(minimum=2, most_maximum=10_000)
SQS = SourceType(
    name="SQS",
    members=_SQS_MEMBERS,
    defaults=_SQS_DEFAULTS,
    large_batches_need_a_window=True,
    pollers=_SQS_POLLERS,
    last_processing_result=None,
)
SQS_FIFO = SourceType(
    name="SQS FIFO",
    members=_SQS_MEMBERS,
    defaults=_SQS_DEFAULTS,
    batching_windows=False,
    large_batches_need_a_window=True,
    pollers=_SQS_POLLERS,
    last_processing_result=None,
)
_STREAM_MEMBERS = (
    _FILTERED | _ERROR_HANDLING | _STARTING | {"ParallelizationFactor", "TumblingWindowInSeconds", "MetricsConfig"}
)
_STREAM_DEFAULTS: Mapping[str, Any] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}
KINESIS = SourceType(
    name="Kinesis",
    members=_STREAM_MEMBERS,
    required=("StartingPosition",),
    defaults=_STREAM_DEFAULTS,
    starting_positions=_ANYWHERE,
    updates_show_late=True,
    state_transition_reason="User action",
)
DYNAMODB = SourceType(
    name="DynamoDB",
    members=_STREAM_MEMBERS,
    required=("StartingPosition",),
    defaults=_STREAM_DEFAULTS,
    starting_positions=_FROM_THE_ENDS,
    updates_show_late=True,
    state_transition_reason="User action",
)
_KAFKA_MEMBERS = (
    _FILTERED
    | _ERROR_HANDLING
    | _STARTING
    | {"Topics", "SourceAccessConfigurations", "ProvisionedPollerConfig", "MetricsConfig", "LoggingConfig"}
)
_KAFKA_METRICS = frozenset({"EventCount", "ErrorCount", "KafkaMetrics"})
_KAFKA_POLLERS = Pollers(minimum=1, most_maximum=2_000)
MSK = SourceType(
    name="Amazon MSK",
    members=_KAFKA_MEMBERS | {"AmazonManagedKafkaEventSourceConfig"},
    required=("StartingPosition", "Topics"),
    defaults={"BatchSize": 100},
    starting_positions=_ANYWHERE,
    access_types=frozenset({"SASL_SCRAM_512_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH"}),
    metrics=_KAFKA_METRICS,
    pollers=_KAFKA_POLLERS,
    kafka="AmazonManagedKafkaEventSourceConfig",
)
SELF_MANAGED_KAFKA = SourceType(
    name="self-managed Kafka",
    members=(_KAFKA_MEMBERS | {"SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig"}) - {"EventSourceArn"},
    required=("StartingPosition", "Topics"),
    defaults={"BatchSize": 100},
    starting_positions=_ANYWHERE,
    access_types=frozenset(
        {
            "BASIC_AUTH",
            "VPC_SUBNET",
            "VPC_SECURITY_GROUP",
            "SASL_SCRAM_512_AUTH",
            "SASL_SCRAM_256_AUTH",
            "CLIENT_CERTIFICATE_TLS_AUTH",
            "SERVER_ROOT_CA_CERTIFICATE",
            "OAUTHBEARER_AUTH",
            "OAUTHBEARER_SCOPE",
            "OAUTHBEARER_AUDIENCE",
            "OAUTHBEARER_LOGICAL_CLUSTER",
            "OAUTHBEARER_IDENTITY_POOL",
            "IAM_AUTH",
            "IAM_OAUTHBEARER_AUTH",
        }
    ),
    metrics=_KAFKA_METRICS,
    pollers=_KAFKA_POLLERS,
    kafka="SelfManagedKafkaEventSourceConfig",
)
MQ = SourceType(
    name="Amazon MQ",
    members=_FILTERED | {"Queues", "SourceAccessConfigurations"},
    required=("Queues", "SourceAccessConfigurations"),
    defaults={"BatchSize": 100},
    access_types=frozenset({"BASIC_AUTH", "VIRTUAL_HOST"}),
)
DOCUMENTDB = SourceType(
    name="DocumentDB",
    members=_STARTING | {"EventSourceArn", "SourceAccessConfigurations", "DocumentDBEventSourceConfig"},
    required=("StartingPosition", "SourceAccessConfigurations", "DocumentDBEventSourceConfig"),
    defaults={"BatchSize": 100},
    starting_positions=_ANYWHERE,
    access_types=frozenset({"BASIC_AUTH"}),
    state_transition_reason="User action",
)

_NAME = r"[a-zA-Z0-9_.-]+"
_RESOURCES: tuple[tuple[str, re.Pattern[str], SourceType], ...] = (
    ("sqs", re.compile(r"[a-zA-Z0-9_-]{1,75}\.fifo"), SQS_FIFO),
    ("sqs", re.compile(r"[a-zA-Z0-9_-]{1,80}"), SQS),
    ("kinesis", re.compile(rf"stream/{_NAME}(/consumer/{_NAME}:\d+)?"), KINESIS),
    ("dynamodb", re.compile(rf"table/{_NAME}/stream/\S+"), DYNAMODB),
    ("kafka", re.compile(r"(cluster|vpc-connection)/\S+"), MSK),
    ("mq", re.compile(r"broker:[a-zA-Z0-9_.-]+:\S+"), MQ),
    ("rds", re.compile(r"cluster:[a-zA-Z0-9-]+"), DOCUMENTDB),
)
"""By the service in an ARN: the resources of it that are event sources."""


def source_type_of(event_source_arn: str | None, *, self_managed: bool = False) -> SourceType | None:
    """The kind of a source by its ARN or, without one, of a self-managed cluster. None if it is no event source."""
    if event_source_arn is None:
        return SELF_MANAGED_KAFKA if self_managed else None
    arn = parse_arn(event_source_arn)
    if arn is None or self_managed or not arn.region or not arn.account:
        return None
    for service, resource, kind in _RESOURCES:
        if service == arn.service and resource.fullmatch(arn.resource):
            return kind
    return None
