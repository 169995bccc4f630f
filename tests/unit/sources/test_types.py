"""The table of event sources: each ARN to its kind, each kind within the service model."""

import pytest

from midge.api.event_source_settings import SETTINGS
from midge.sources import types
from midge.sources.types import SourceType, source_type_of
from midge.wire.model import load_service_model

AT = "us-east-1:000000000000"
ARNS = [
    (f"arn:aws:sqs:{AT}:q", types.SQS),
    (f"arn:aws:sqs:{AT}:q.fifo", types.SQS_FIFO),
    (f"arn:aws-cn:sqs:{AT}:q", types.SQS),
    (f"arn:aws:kinesis:{AT}:stream/s", types.KINESIS),
    (f"arn:aws:kinesis:{AT}:stream/s/consumer/c:1541139109", types.KINESIS),
    (f"arn:aws:dynamodb:{AT}:table/t/stream/2026-11-23T19:00:00.000", types.DYNAMODB),
    (f"arn:aws:kafka:{AT}:cluster/c/fc2f5bdf-fd1b-45ad-85dd-15b4a5a6247e-2", types.MSK),
    (f"arn:aws:kafka:{AT}:vpc-connection/000000000000/c/fc2f5bdf-2", types.MSK),
    (f"arn:aws:mq:{AT}:broker:b:b-b4d492ef-bdc3-45e3-a781-cd1a3102ecca", types.MQ),
    (f"arn:aws:rds:{AT}:cluster:c", types.DOCUMENTDB),
]
KINDS = [
    types.SQS, types.SQS_FIFO, types.KINESIS, types.DYNAMODB, types.MSK, types.SELF_MANAGED_KAFKA, types.MQ,
    types.DOCUMENTDB,
]  # fmt: skip


@pytest.mark.parametrize(("arn", "kind"), ARNS)
def test_an_arn_tells_the_kind(arn: str, kind: SourceType) -> None:
    """Every documented form of an event source's ARN leads to its kind; with a self-managed cluster beside it to none."""
    assert source_type_of(arn) is kind
    assert source_type_of(arn, self_managed=True) is None


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "q",
        f"arn:aws:sns:{AT}:t",
        f"arn:aws:s3:{AT}:b",
        "arn:aws:sqs:us-east-1::q",
        "arn:aws:sqs::000000000000:q",
        f"arn:aws:sqs:{AT}:",
        f"arn:aws:sqs:{AT}:q.other",
        f"arn:aws:kinesis:{AT}:s",
        f"arn:aws:kinesis:{AT}:stream/s/consumer/c",
        f"arn:aws:dynamodb:{AT}:table/t",
        f"arn:aws:kafka:{AT}:topic/t",
        f"arn:aws:mq:{AT}:broker:b",
        f"arn:aws:rds:{AT}:db:d",
    ],
)
def test_what_is_no_event_source(arn: str) -> None:
    """Other services, other resources of the same services, and texts that are no ARN have no kind."""
    assert source_type_of(arn) is None


def test_a_self_managed_cluster_has_no_arn() -> None:
    """Without an ARN only a self-managed Kafka cluster is a source."""
    assert source_type_of(None, self_managed=True) is types.SELF_MANAGED_KAFKA
    assert source_type_of(None) is None


def test_the_table_names_members_of_the_service_model() -> None:
    """Kinds take, need and fill in nothing that CreateEventSourceMapping does not have, and no member is left to none."""
    shape = load_service_model("lambda").shapes["CreateEventSourceMappingRequest"]
    for kind in KINDS:
        taken = kind.members | types.EVERY_MEMBER
        assert taken <= shape.members.keys()
        assert taken.issuperset([*kind.required, *kind.defaults])
        assert bool(kind.starting_positions) == ("StartingPosition" in taken)
        assert bool(kind.access_types) == ("SourceAccessConfigurations" in taken)
        assert (kind.pollers is not None) == ("ProvisionedPollerConfig" in taken)
    everything = types.EVERY_MEMBER.union(*(kind.members for kind in KINDS))
    assert everything == shape.members.keys() - {"FunctionName", "Enabled", "Tags"}
    assert everything == {*SETTINGS, "EventSourceArn", "StartingPositionTimestamp"}


def test_access_types_are_those_of_the_service_model() -> None:
    """Every type of the enumeration belongs to some kind, and no kind has another."""
    enum = load_service_model("lambda").shapes["SourceAccessType"].enum
    assert enum is not None
    assert set(enum) == set().union(*(kind.access_types for kind in KINDS))
