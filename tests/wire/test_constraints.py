"""The wording of violated constraints, against messages that AWS is known to give."""

from typing import Any

import pytest

from midge.model.errors import ServiceError
from midge.wire.constraints import check
from midge.wire.model import ServiceModel

_ROLE = "arn:aws:iam::000000000000:role/r"
_LAYER = r"((arn:(aws[a-zA-Z-]*)?:lambda:"


def _message(model: ServiceModel, operation: str, values: dict[str, Any]) -> str:
    with pytest.raises(ServiceError) as caught:
        check(model, model.operations[operation], values)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def _create(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"FunctionName": "f", "Role": _ROLE, "Code": {"ZipFile": b"x"}}
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MemorySize": 40000}, "Value '40000' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 32768"),
        ({"MemorySize": 64}, "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"),
        ({"Role": None}, "Value null at 'role' failed to satisfy constraint: Member must not be null"),
        ({"Role": "AWSLambdaBasicExecutionRole"}, r"Value 'AWSLambdaBasicExecutionRole' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"),
        ({"PackageType": "Tar"}, "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]"),
        ({"Description": "x" * 257}, f"Value '{'x' * 257}' at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"),
        ({"FunctionName": "f" * 141}, f"Value '{'f' * 141}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140"),
        ({"KMSKeyArn": "k"}, r"Value 'k' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: "),
        ({"Code": {"S3Bucket": "b"}}, "Value 'b' at 'code.s3Bucket' failed to satisfy constraint: Member must have length greater than or equal to 3"),
        ({"Architectures": ["x86_64", "arm64"]}, "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"),
        ({"Architectures": ["mips"]}, "Value '[mips]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"),
        ({"Layers": ["0"]}, f"Value '[0]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: {_LAYER}"),
        ({"Layers": [None]}, "Value '[null]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: ["),
        ({"Environment": {"Variables": {"A": "secret"}}}, "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"),
        ({"Tags": {"k": "v" * 257}}, f"Value '{{k={'v' * 257}}}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: "),
        ({"FileSystemConfigs": [{"Arn": "a", "LocalMountPath": "/mnt/x"}]}, "Value 'a' at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must satisfy regular expression pattern: "),
        ({"FileSystemConfigs": [None]}, "Value null at 'fileSystemConfigs.1.member' failed to satisfy constraint: Member must not be null"),
        ({"FileSystemConfigs": [{"LocalMountPath": "/mnt/x"}]}, "Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must not be null"),
    ],
)  # fmt: skip
def test_one_violation_in_awss_words(model: ServiceModel, changes: dict[str, Any], message: str) -> None:
    """Each kind of constraint is worded as AWS words it."""
    found = _message(model, "CreateFunction", _create(**changes))
    assert found.startswith(f"1 validation error detected: {message}")


def test_doubles_keep_their_point(model: ServiceModel) -> None:
    """The bound of a double is written as a double, and scalars of a map are reported on the map."""
    values = {"FunctionName": "f", "Name": "a", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.5}}}  # fmt: skip
    assert _message(model, "CreateAlias", values) == (
        "1 validation error detected: Value '{2=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy "
        "constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]"
    )


def test_all_violations_are_told_at_once(model: ServiceModel) -> None:
    """Several violations are counted and joined by semicolons."""
    found = _message(model, "CreateFunction", _create(MemorySize=1, Timeout=0, Handler="a b"))
    assert found.startswith("3 validation errors detected: Value ")
    assert [part.split(" failed")[0] for part in found.removeprefix("3 validation errors detected: ").split("; ")] == [
        "Value 'a b' at 'handler'",
        "Value '0' at 'timeout'",
        "Value '1' at 'memorySize'",
    ]


def test_a_sensitive_value_is_not_repeated(model: ServiceModel) -> None:
    """Environment variables do not come back in an error."""
    found = _message(model, "CreateFunction", _create(Environment={"Variables": {"9": "hunter2"}}))
    assert "hunter2" not in found


def test_nested_lists_tell_the_whole_rule(model: ServiceModel) -> None:
    """A list inside a map is reported on the map with the list's and its elements' constraints."""
    values = {"FunctionName": "f", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["nowhere"]}}}
    found = _message(model, "CreateEventSourceMapping", values)
    assert found.startswith(
        "1 validation error detected: Value '{KAFKA_BOOTSTRAP_SERVERS=[nowhere]}' at "
        "'selfManagedEventSource.endpoints' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must have length less than or equal to 10, Member must have length greater than or equal to 1, "
        "Member must satisfy constraint: [Member must have length less than or equal to 300, "
    )


def test_a_good_request_passes(model: ServiceModel) -> None:
    """A request that satisfies every constraint is let through."""
    values = _create(
        FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:f",
        Runtime="python3.11",
        Handler="app.handler",
        MemorySize=128,
        Timeout=900,
        Environment={"Variables": {"LOG_LEVEL": "debug"}},
        Tags={"équipe": "a b/c"},
        Layers=["arn:aws:lambda:eu-west-1:000000000000:layer:l:1"],
        Architectures=["arm64"],
    )
    check(model, model.operations["CreateFunction"], values)
    check(model, model.operations["GetAccountSettings"], {})
    check(model, model.operations["Invoke"], {"FunctionName": "f:LIVE", "Qualifier": "$LATEST", "Payload": b"{}"})


def test_a_long_text_costs_no_time(model: ServiceModel) -> None:
    """A text of megabytes is refused for its length alone, without being tried against the pattern."""
    values = {"FunctionName": "f", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a." * 2**20]}}}
    assert _message(model, "CreateEventSourceMapping", values).count("failed to satisfy") == 1
