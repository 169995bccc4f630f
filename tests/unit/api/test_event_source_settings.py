"""Settings of event source mappings: what each kind of source takes, fills in and refuses, rule by rule."""

from typing import Any

import pytest

from midge.api.event_source_settings import SETTINGS, check_given, check_settings, check_start, check_update, merge
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.sources.types import (
    DOCUMENTDB,
    DYNAMODB,
    EVERY_MEMBER,
    KINESIS,
    MQ,
    MSK,
    SELF_MANAGED_KAFKA,
    SQS,
    SQS_FIFO,
    SourceType,
)

AT = "us-east-1:000000000000"
SECRET = f"arn:aws:secretsmanager:{AT}:secret:s-AbCdEf"
BASIC = [{"Type": "BASIC_AUTH", "URI": SECRET}]
ENDPOINTS = {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b:9092", "a:9092"]}}
POLLERS = {"MinimumPollers": 1, "MaximumPollers": 3}
REGISTRY = {
    "SchemaRegistryURI": f"arn:aws:glue:{AT}:registry/r",
    "EventRecordFormat": "JSON",
    "SchemaValidationConfigs": [{"Attribute": "KEY"}],
}
NEEDED: dict[str, dict[str, Any]] = {
    SQS.name: {},
    SQS_FIFO.name: {},
    KINESIS.name: {"StartingPosition": "LATEST"},
    DYNAMODB.name: {"StartingPosition": "LATEST"},
    MSK.name: {"StartingPosition": "LATEST", "Topics": ["t"]},
    SELF_MANAGED_KAFKA.name: {
        "StartingPosition": "LATEST", "Topics": ["t"], "SelfManagedEventSource": ENDPOINTS,
    },
    MQ.name: {"Queues": ["q"], "SourceAccessConfigurations": BASIC},
    DOCUMENTDB.name: {
        "StartingPosition": "LATEST",
        "SourceAccessConfigurations": BASIC,
        "DocumentDBEventSourceConfig": {"DatabaseName": "d"},
    },
}  # fmt: skip
"""The least that a mapping of each kind says."""
KINDS = [SQS, SQS_FIFO, KINESIS, DYNAMODB, MSK, SELF_MANAGED_KAFKA, MQ, DOCUMENTDB]
NAMES = [kind.name for kind in KINDS]
KAFKA = [MSK, SELF_MANAGED_KAFKA]


def accepted(kind: SourceType, **values: Any) -> dict[str, Any]:
    """Settings of a new mapping that says these, with what its kind needs."""
    given = {**NEEDED[kind.name], **values}
    check_given(kind, given)
    settings = merge(kind, {}, given)
    check_settings(kind, settings, Limits())
    return settings


def refused(kind: SourceType, **values: Any) -> str:
    with pytest.raises(ServiceError) as refusal:
        accepted(kind, **values)
    assert refusal.value.code == "InvalidParameterValueException"
    return refusal.value.message


STREAM = {
    "BatchSize": 100, "MaximumBatchingWindowInSeconds": 0, "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}}, "MaximumRecordAgeInSeconds": -1, "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1, "TumblingWindowInSeconds": 0, "FunctionResponseTypes": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (SQS, {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}),
        (SQS_FIFO, {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}),
        (KINESIS, STREAM),
        (DYNAMODB, STREAM),
        (MSK, {"BatchSize": 100}),
        (
            SELF_MANAGED_KAFKA,
            {
                "BatchSize": 100,
                "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:9092", "b:9092"]}},
            },
        ),
        (MQ, {"BatchSize": 100}),
        (
            DOCUMENTDB,
            {"BatchSize": 100, "DocumentDBEventSourceConfig": {"DatabaseName": "d", "FullDocument": "Default"}},
        ),
    ],
    ids=NAMES,
)
def test_defaults(kind: SourceType, defaults: dict[str, Any]) -> None:
    """A mapping that says no more than it must has the defaults of its kind; brokers come back sorted."""
    assert accepted(kind) == {**NEEDED[kind.name], **defaults}


SAMPLES: dict[str, Any] = {
    "StartingPosition": "LATEST",
    "FilterCriteria": {"Filters": [{"Pattern": '{"a": [1]}'}]},
    "KMSKeyArn": f"arn:aws:kms:{AT}:key/k",
    "MetricsConfig": {"Metrics": ["EventCount"]},
    "LoggingConfig": {"SystemLogLevel": "DEBUG"},
    "ScalingConfig": {"MaximumConcurrency": 2},
    "ParallelizationFactor": 10,
    "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{AT}:q"}},
    "MaximumRecordAgeInSeconds": 60,
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 1,
    "TumblingWindowInSeconds": 900,
    "Topics": ["t"],
    "Queues": ["q"],
    "SourceAccessConfigurations": BASIC,
    "SelfManagedEventSource": ENDPOINTS,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"},
    "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"},
    "DocumentDBEventSourceConfig": {"DatabaseName": "d"},
    "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 3},
}
"""A value that says something, for every member that some kind does not take."""


def test_the_samples_cover_the_members() -> None:
    """Every member of settings that not all kinds take has a sample."""
    assert SAMPLES.keys() == set(SETTINGS) - EVERY_MEMBER


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize("name", SAMPLES)
def test_each_kind_takes_its_members_and_no_others(kind: SourceType, name: str) -> None:
    """A member of the kind is kept as sent; any other is refused in AWS's words, unless it is empty."""
    sample = SAMPLES[name]
    if name in kind.members:
        if name == "SourceAccessConfigurations" and kind in KAFKA:
            sample = [{"Type": "SASL_SCRAM_512_AUTH", "URI": SECRET}]
        kept = accepted(kind, **{name: sample})[name]
        if isinstance(sample, dict):
            assert kept.keys() >= sample.keys()
        else:
            assert kept == sample
        return
    message = refused(kind, **{name: sample})
    if name == "StartingPosition" and kind in (SQS, SQS_FIFO):
        assert message == "StartingPosition is not valid for SQS event sources."
    else:
        member = name[0].lower() + name[1:]
        assert message == f"Unsupported '{member}' parameter for given event source mapping type."
    for empty in ({}, [], ""):
        assert name not in accepted(kind, **{name: empty})


@pytest.mark.parametrize(
    ("kind", "member", "named"),
    [(kind, member, f"{member[0].lower()}{member[1:]}") for kind in KINDS for member in kind.required]
    + [(DOCUMENTDB, "DocumentDBEventSourceConfig.DatabaseName", "documentDBEventSourceConfig.databaseName")],
)
def test_what_a_kind_needs(kind: SourceType, member: str, named: str) -> None:
    """A member that the kind needs is missed in the words of the service model's constraints."""
    structure, _, _ = member.partition(".")
    left_out: Any = {"CollectionName": "c"} if "." in member else None
    assert refused(kind, **{structure: left_out}) == (
        f"1 validation error detected: Value null at '{named}' failed to satisfy constraint: Member must not be null."
    )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SQS, {"BatchSize": 10}),
        (SQS, {"BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 1}),
        (SQS, {"MaximumBatchingWindowInSeconds": 300}),
        (SQS_FIFO, {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0}),
        (KINESIS, {"BatchSize": 10_000}),
        (MQ, {"BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 300}),
    ],
)
def test_batches_that_fit(kind: SourceType, values: dict[str, Any]) -> None:
    """Sizes and windows up to the kind's own are kept."""
    assert accepted(kind, **values).items() >= values.items()


TOO_SMALL_A_WINDOW = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (SQS, {"BatchSize": 11}, TOO_SMALL_A_WINDOW),
        (SQS, {"BatchSize": 11, "MaximumBatchingWindowInSeconds": 0}, TOO_SMALL_A_WINDOW),
        (SQS_FIFO, {"BatchSize": 11}, TOO_SMALL_A_WINDOW),
        (SQS_FIFO, {"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues"),
        (
            SQS_FIFO,
            {"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1},
            "Batching window is not supported for FIFO queues",
        ),
    ],
)
def test_batches_that_do_not_fit(kind: SourceType, values: dict[str, Any], message: str) -> None:
    """More than ten records of a queue need a window, which a FIFO queue cannot have."""
    assert refused(kind, **values) == message


@pytest.mark.parametrize("age", [-1, 60, 604_800])
def test_record_ages_that_fit(age: int) -> None:
    """Records may live for ever, or from a minute to a week."""
    assert accepted(KINESIS, MaximumRecordAgeInSeconds=age)["MaximumRecordAgeInSeconds"] == age


@pytest.mark.parametrize("age", [0, 1, 59])
def test_record_ages_that_do_not_fit(age: int) -> None:
    """Less than a minute is refused in AWS's words."""
    assert refused(DYNAMODB, MaximumRecordAgeInSeconds=age) == (
        "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"
    )


def test_filters_are_counted_and_parsed() -> None:
    """Five patterns are taken; a sixth, one that is no pattern and a filter without one are refused."""
    good = {"Pattern": '{"a": ["b"]}'}
    assert accepted(SQS, FilterCriteria={"Filters": [good] * 5})["FilterCriteria"] == {"Filters": [good] * 5}
    assert refused(SQS, FilterCriteria={"Filters": [good] * 6}) == "FilterCriteria cannot have more than 5 filters."
    for bad in ({"Pattern": '{"a": "b"}'}, {"Pattern": "{}"}, {"Pattern": ""}, {}):
        assert refused(SQS, FilterCriteria={"Filters": [good, bad]}) == "Invalid filter pattern definition."


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (SQS, {"MaximumPollers": 10_000}, {"MinimumPollers": 2, "MaximumPollers": 10_000}),
        (SQS, {"MinimumPollers": 200}, {"MinimumPollers": 200, "MaximumPollers": 200}),
        (MSK, {"MaximumPollers": 2_000}, {"MinimumPollers": 1, "MaximumPollers": 2_000}),
        (
            SELF_MANAGED_KAFKA,
            {"PollerGroupName": "g"},
            {"MinimumPollers": 1, "MaximumPollers": 200, "PollerGroupName": "g"},
        ),
    ],
)
def test_pollers_that_fit(kind: SourceType, given: dict[str, Any], kept: dict[str, Any]) -> None:
    """The bounds of pollers that are not given are filled in."""
    assert accepted(kind, ProvisionedPollerConfig=given)["ProvisionedPollerConfig"] == kept


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (SQS, {"ProvisionedPollerConfig": {"MinimumPollers": 1}}, "MinimumPollers must be between 2 and 200"),
        (SQS, {"ProvisionedPollerConfig": {"MaximumPollers": 1}}, "MaximumPollers must be between 2 and 10000"),
        (MSK, {"ProvisionedPollerConfig": {"MaximumPollers": 2_001}}, "MaximumPollers must be between 1 and 2000"),
        (MSK, {"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 2}}, "must not be greater"),
        (SQS, {"ProvisionedPollerConfig": {"PollerGroupName": "g"}}, "provisionedPollerConfig.pollerGroupName"),
        (
            SQS,
            {"ProvisionedPollerConfig": {"MinimumPollers": 2}, "ScalingConfig": {"MaximumConcurrency": 2}},
            "cannot be used together",
        ),
    ],
)
def test_pollers_that_do_not_fit(kind: SourceType, values: dict[str, Any], words: str) -> None:
    """Pollers have bounds by kind, groups only for Kafka, and exclude the other way of scaling."""
    assert words in refused(kind, **values)


def test_metrics_by_kind() -> None:
    """Only Kafka has metrics of its own."""
    every = {"Metrics": ["EventCount", "ErrorCount", "KafkaMetrics"]}
    for kind in KAFKA:
        assert accepted(kind, MetricsConfig=every)["MetricsConfig"] == every
    for kind in (SQS, SQS_FIFO, KINESIS, DYNAMODB):
        assert refused(kind, MetricsConfig=every) == f"Unsupported metric ErrorCount for {kind.name} event sources."


def failing_to(destination: str) -> dict[str, Any]:
    return {"DestinationConfig": {"OnFailure": {"Destination": destination}}}


@pytest.mark.parametrize(
    "arn",
    [f"arn:aws:sqs:{AT}:q", f"arn:aws:sqs:{AT}:q.fifo", f"arn:aws:sns:{AT}:t", "arn:aws:s3:::bucket"],
)
def test_destinations_of_failures(arn: str) -> None:
    """Queues, topics and buckets take what failed."""
    assert accepted(KINESIS, **failing_to(arn)).items() >= failing_to(arn).items()


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:lambda:{AT}:function:f",
        f"arn:aws:events:{AT}:event-bus/b",
        f"arn:aws:kinesis:{AT}:stream/s",
        "arn:aws:sqs:us-east-1::q",
        "arn:aws:s3:::b",
        "kafka://t",
    ],
)
def test_what_takes_no_failures(arn: str) -> None:
    """Functions, buses, other services, and Kafka topics for records that are not Kafka's, are refused."""
    assert refused(DYNAMODB, **failing_to(arn)) == f"The destination ARN {arn} is invalid."


def test_only_failures_have_a_destination() -> None:
    """OnSuccess is refused unless it is empty, and an empty destination is none."""
    arn = f"arn:aws:sqs:{AT}:q"
    assert refused(KINESIS, DestinationConfig={"OnSuccess": {"Destination": arn}}) == (
        "Unsupported DestinationConfig parameter for given event source mapping type."
    )
    config = {"OnSuccess": {}, "OnFailure": {"Destination": arn}}
    assert accepted(KINESIS, DestinationConfig=config)["DestinationConfig"] == {"OnFailure": {"Destination": arn}}
    assert accepted(KINESIS, **failing_to(""))["DestinationConfig"] == {"OnFailure": {}}


def test_a_kafka_topic_takes_failures() -> None:
    """Of Kafka alone, in provisioned mode, and not the topic that is read."""
    for kind in KAFKA:
        config = {"ProvisionedPollerConfig": POLLERS, **failing_to("kafka://failed")}
        assert accepted(kind, **config)["DestinationConfig"] == config["DestinationConfig"]
        assert "requires ProvisionedPollerConfig" in refused(kind, **failing_to("kafka://failed"))
        assert "cannot be the topic" in refused(kind, ProvisionedPollerConfig=POLLERS, **failing_to("kafka://t"))


def access(*configurations: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "SourceAccessConfigurations": [
            {"Type": name} if uri is None else {"Type": name, "URI": uri} for name, uri in configurations
        ]
    }


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (MQ, access(("BASIC_AUTH", SECRET), ("VIRTUAL_HOST", "/"))),
        (DOCUMENTDB, access(("BASIC_AUTH", SECRET))),
        (MSK, access(("SASL_SCRAM_512_AUTH", SECRET))),
        (MSK, access(("CLIENT_CERTIFICATE_TLS_AUTH", SECRET))),
        (
            SELF_MANAGED_KAFKA,
            access(
                ("SASL_SCRAM_256_AUTH", SECRET),
                ("SERVER_ROOT_CA_CERTIFICATE", SECRET),
                ("VPC_SUBNET", "subnet:subnet-1"),
                ("VPC_SUBNET", "subnet:subnet-2"),
                ("VPC_SECURITY_GROUP", "security_group:sg-1"),
            ),
        ),
        (SELF_MANAGED_KAFKA, access(("OAUTHBEARER_AUTH", SECRET), ("OAUTHBEARER_SCOPE", "s"))),
        (SELF_MANAGED_KAFKA, access(("OAUTHBEARER_AUTH", SECRET), ("OAUTHBEARER_LOGICAL_CLUSTER", "l"))),
        (SELF_MANAGED_KAFKA, access(("IAM_OAUTHBEARER_AUTH", None), ("OAUTHBEARER_AUDIENCE", "a"))),
        (SELF_MANAGED_KAFKA, access(("IAM_AUTH", None))),
    ],
)
def test_access_that_fits(kind: SourceType, values: dict[str, Any]) -> None:
    """Each kind's ways to its source are kept as sent."""
    assert accepted(kind, **values).items() >= values.items()


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (MSK, access(("BASIC_AUTH", SECRET)), "Unsupported source access configuration type BASIC_AUTH"),
        (DOCUMENTDB, access(("BASIC_AUTH", SECRET), ("VIRTUAL_HOST", "/")), "Unsupported source access configuration"),
        (MQ, access(("VIRTUAL_HOST", "/")), "BASIC_AUTH is required for Amazon MQ"),
        (MQ, access(("BASIC_AUTH", None)), "BASIC_AUTH requires a URI"),
        (MQ, access(("BASIC_AUTH", "password")), "requires the ARN of a secret: password"),
        (MQ, access(("BASIC_AUTH", SECRET), ("BASIC_AUTH", SECRET)), "can be given only once"),
        (SELF_MANAGED_KAFKA, access(("VPC_SUBNET", "subnet-1")), "a URI that begins with subnet:"),
        (SELF_MANAGED_KAFKA, access(("VPC_SECURITY_GROUP", "sg-1")), "a URI that begins with security_group:"),
        (SELF_MANAGED_KAFKA, access(("IAM_AUTH", "x")), "IAM_AUTH does not take a URI"),
        (SELF_MANAGED_KAFKA, access(("OAUTHBEARER_SCOPE", "s")), "requires OAUTHBEARER_AUTH."),
        (SELF_MANAGED_KAFKA, access(("OAUTHBEARER_IDENTITY_POOL", "s")), "requires OAUTHBEARER_AUTH."),
        (
            SELF_MANAGED_KAFKA,
            access(("OAUTHBEARER_AUDIENCE", "a")),
            "requires OAUTHBEARER_AUTH or IAM_OAUTHBEARER_AUTH",
        ),
        (SELF_MANAGED_KAFKA, access(("IAM_OAUTHBEARER_AUTH", None)), "requires OAUTHBEARER_AUDIENCE"),
        (
            SELF_MANAGED_KAFKA,
            access(("IAM_OAUTHBEARER_AUTH", None), ("OAUTHBEARER_AUDIENCE", "a"), ("OAUTHBEARER_AUTH", SECRET)),
            "does not support OAUTHBEARER_AUTH",
        ),
        (SELF_MANAGED_KAFKA, {"SourceAccessConfigurations": [{"URI": SECRET}]}, "Unsupported source access"),
    ],
)
def test_access_that_does_not_fit(kind: SourceType, values: dict[str, Any], words: str) -> None:
    """Types of other kinds, URIs of another form, and types without their companions are refused."""
    assert words in refused(kind, **values)


@pytest.mark.parametrize("kind", KAFKA, ids=["msk", "self-managed"])
def test_schema_registries(kind: SourceType) -> None:
    """A registry needs provisioned mode and what to validate; Glue's needs no access of its own."""
    assert kind.kafka is not None
    basic = [{"Type": "BASIC_AUTH", "URI": SECRET}]
    confluent = {**REGISTRY, "SchemaRegistryURI": "https://registry.example.com", "AccessConfigs": basic}
    for registry in (REGISTRY, confluent):
        config = {kind.kafka: {"SchemaRegistryConfig": registry}}
        assert accepted(kind, ProvisionedPollerConfig=POLLERS, **config)[kind.kafka] == config[kind.kafka]
    assert "requires ProvisionedPollerConfig" in refused(kind, **{kind.kafka: {"SchemaRegistryConfig": REGISTRY}})
    bad: list[dict[str, Any]] = [{name: None} for name in REGISTRY]
    bad += [{"SchemaRegistryURI": uri} for uri in (f"arn:aws:sqs:{AT}:q", "http://x", f"arn:aws:glue:{AT}:table/t")]
    bad += [{"AccessConfigs": basic}, {**confluent, "AccessConfigs": [{"Type": "BASIC_AUTH", "URI": "x"}]}]
    for change in bad:
        config = {kind.kafka: {"SchemaRegistryConfig": {**REGISTRY, **change}}}
        refused(kind, ProvisionedPollerConfig=POLLERS, **config)


def test_share_groups() -> None:
    """In the mode Queue Kafka has no position and no infinite retries, and does not retry unless told to."""
    queue = {"SelfManagedKafkaEventSourceConfig": {"ConsumptionMode": "Queue"}, "StartingPosition": None}
    assert accepted(SELF_MANAGED_KAFKA, **queue)["MaximumRetryAttempts"] == 0
    assert accepted(SELF_MANAGED_KAFKA, **queue, MaximumRetryAttempts=5)["MaximumRetryAttempts"] == 5
    assert "(-1)" in refused(SELF_MANAGED_KAFKA, **queue, MaximumRetryAttempts=-1)
    assert "StartingPosition" in refused(SELF_MANAGED_KAFKA, **{**queue, "StartingPosition": "LATEST"})


@pytest.mark.parametrize(
    ("kind", "position", "timestamp"),
    [
        (SQS, None, None),
        (DYNAMODB, "LATEST", None),
        (KINESIS, "TRIM_HORIZON", None),
        (KINESIS, "AT_TIMESTAMP", 100.0),
        (MSK, "AT_TIMESTAMP", 99.0),
        (SELF_MANAGED_KAFKA, "AT_TIMESTAMP", 0.0),
        (DOCUMENTDB, "AT_TIMESTAMP", 1.0),
    ],
)
def test_starts_that_fit(kind: SourceType, position: str | None, timestamp: float | None) -> None:
    """Reading starts at an end or, but for DynamoDB, at a time up to now."""
    check_start(kind, "arn", position, timestamp, now_seconds=100.0)


@pytest.mark.parametrize(
    ("kind", "position", "timestamp", "message"),
    [
        (DYNAMODB, "AT_TIMESTAMP", 1.0, "Unsupported starting position for arn type: arn"),
        (KINESIS, "AT_TIMESTAMP", None, "Need to specify a timestamp"),
        (KINESIS, "AT_TIMESTAMP", 100.1, "StartingPositionTimestamp cannot be in the future."),
        (
            KINESIS,
            "LATEST",
            1.0,
            "StartingPositionTimestamp is only supported when StartingPosition is AT_TIMESTAMP.",
        ),
    ],
)
def test_starts_that_do_not_fit(kind: SourceType, position: str, timestamp: float | None, message: str) -> None:
    """A time needs its position, a position its time, and neither lies ahead."""
    with pytest.raises(ServiceError) as refusal:
        check_start(kind, "arn", position, timestamp, now_seconds=100.0)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("kind", "before", "change", "after"),
    [
        (SQS, {"FilterCriteria": SAMPLES["FilterCriteria"]}, {"FilterCriteria": {}}, {"FilterCriteria": None}),
        (SQS, {"ScalingConfig": {"MaximumConcurrency": 2}}, {"ScalingConfig": {}}, {"ScalingConfig": None}),
        (SQS, {"KMSKeyArn": SAMPLES["KMSKeyArn"]}, {"KMSKeyArn": ""}, {"KMSKeyArn": None}),
        (SQS, {"MetricsConfig": {"Metrics": ["EventCount"]}}, {"MetricsConfig": {"Metrics": []}}, {"MetricsConfig": None}),
        (
            SQS,
            {"FunctionResponseTypes": ["ReportBatchItemFailures"]},
            {"FunctionResponseTypes": []},
            {"FunctionResponseTypes": []},
        ),
        (KINESIS, failing_to(f"arn:aws:sqs:{AT}:q"), failing_to(""), {"DestinationConfig": {"OnFailure": {}}}),
        (KINESIS, {"BisectBatchOnFunctionError": True}, {"BisectBatchOnFunctionError": False},
         {"BisectBatchOnFunctionError": False}),
        (KINESIS, {"TumblingWindowInSeconds": 1}, {"TumblingWindowInSeconds": 0}, {"TumblingWindowInSeconds": 0}),
        (MSK, failing_to(f"arn:aws:sqs:{AT}:q"), failing_to(""), {"DestinationConfig": None}),
        (MSK, {"ProvisionedPollerConfig": POLLERS}, {"ProvisionedPollerConfig": {}}, {"ProvisionedPollerConfig": None}),
        (
            MSK,
            {"ProvisionedPollerConfig": {**POLLERS, "PollerGroupName": "g"}},
            {"ProvisionedPollerConfig": {"PollerGroupName": ""}},
            {"ProvisionedPollerConfig": POLLERS},
        ),
        (
            MSK,
            {"ProvisionedPollerConfig": POLLERS},
            {"ProvisionedPollerConfig": {"MaximumPollers": 9}},
            {"ProvisionedPollerConfig": {"MinimumPollers": 1, "MaximumPollers": 9}},
        ),
        (MSK, {"SourceAccessConfigurations": access(("SASL_SCRAM_512_AUTH", SECRET))["SourceAccessConfigurations"]},
         {"SourceAccessConfigurations": []}, {"SourceAccessConfigurations": None}),
        (
            DOCUMENTDB,
            {"DocumentDBEventSourceConfig": {"DatabaseName": "d", "CollectionName": "c"}},
            {"DocumentDBEventSourceConfig": {"FullDocument": "UpdateLookup"}},
            {
                "DocumentDBEventSourceConfig": {
                    "DatabaseName": "d", "CollectionName": "c", "FullDocument": "UpdateLookup",
                }
            },
        ),
        (SQS, {"BatchSize": 5}, {}, {"BatchSize": 5}),
    ],
)  # fmt: skip
def test_updates(kind: SourceType, before: dict[str, Any], change: dict[str, Any], after: dict[str, Any]) -> None:
    """An update changes what it names; an empty value goes back to what the kind has by itself."""
    settings = merge(kind, accepted(kind, **before), change)
    assert {name: settings.get(name) for name in after} == after


def test_updates_of_schema_registries() -> None:
    """An empty registry is taken away; an empty configuration around it changes nothing, and the consumer group stays."""
    config = {"ConsumerGroupId": "g", "SchemaRegistryConfig": REGISTRY}
    name = "AmazonManagedKafkaEventSourceConfig"
    settings = accepted(MSK, ProvisionedPollerConfig=POLLERS, **{name: config})
    assert merge(MSK, settings, {name: {}})[name] == config
    assert merge(MSK, settings, {name: {"SchemaRegistryConfig": {}}})[name] == {"ConsumerGroupId": "g"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"}},
            "Unsupported 'amazonManagedKafkaEventSourceConfig.consumerGroupId' parameter",
        ),
        (
            {"SelfManagedKafkaEventSourceConfig": {"ConsumptionMode": "Queue"}},
            "Unsupported 'selfManagedKafkaEventSourceConfig.consumptionMode' parameter",
        ),
        (access(("VIRTUAL_HOST", "/")), "VIRTUAL_HOST cannot be updated"),
    ],
)
def test_what_cannot_be_updated(values: dict[str, Any], words: str) -> None:
    """The consumer group, the mode of consumption and the virtual host are for creation alone."""
    with pytest.raises(ServiceError) as refusal:
        check_update(values)
    assert words in refusal.value.message
