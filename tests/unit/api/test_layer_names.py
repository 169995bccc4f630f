"""Layers as callers name them: every form that AWS takes, and what is refused."""

import pytest
from api_bench import CONTEXT

from midge.api.layer_names import check_number, check_place, parse_layer, parse_layer_version
from midge.model.errors import ServiceError
from midge.model.layers import LayerId

HERE = LayerId(account="000000000000", region="us-east-1", name="my-layer_1")
ELSEWHERE = LayerId(account="111111111111", region="eu-west-1", name="l")


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("my-layer_1", HERE),
        ("arn:aws:lambda:us-east-1:000000000000:layer:my-layer_1", HERE),
        ("arn:aws:lambda:eu-west-1:111111111111:layer:l", ELSEWHERE),
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:111111111111:layer:l",
            LayerId(account="111111111111", region="us-gov-west-1", name="l"),
        ),
    ],
)
def test_a_layer_is_named_by_name_or_arn(text: str, layer: LayerId) -> None:
    """A bare name is the caller's own layer here; an ARN says for itself where its layer is."""
    assert parse_layer(text, CONTEXT) == layer


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:lambda:us-east-1:000000000000:layer:l:1",
        "arn:aws:lambda:us-east-1:000000000000:function:l",
        "arn:aws:lambda:us-east-1:1:layer:l",
        "000000000000:l",
    ],
)
def test_what_names_no_layer_is_refused(text: str) -> None:
    """A layer version's ARN, a function's and a half one are no layer."""
    with pytest.raises(ServiceError, match="InvalidParameterValueException"):
        parse_layer(text, CONTEXT)


def test_a_layer_version_is_named_by_its_arn() -> None:
    """The number is part of it, and what is made of an ARN has that ARN."""
    layer, number = parse_layer_version("arn:aws:lambda:eu-west-1:111111111111:layer:l:12")
    assert (layer, number) == (ELSEWHERE, 12)
    assert layer.version_arn(number) == "arn:aws:lambda:eu-west-1:111111111111:layer:l:12"


@pytest.mark.parametrize(
    "arn", ["arn:aws:lambda:::awslayer:AmazonLinux1803", "arn:aws:lambda:eu-west-1:111111111111:layer:l"]
)
def test_other_layer_versions_are_refused_by_name(arn: str) -> None:
    """AWS's own layers do not exist here; an ARN without a number is none of a version."""
    with pytest.raises(ServiceError, match=f"midge does not support the layer {arn} yet"):
        parse_layer_version(arn)


@pytest.mark.parametrize(
    ("layer", "code", "message"),
    [
        (
            LayerId(account="111111111111", region="us-east-1", name="l"),
            "AccessDeniedException",
            (
                "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:DeleteLayerVersion on resource: "
                "arn:aws:lambda:us-east-1:111111111111:layer:l because no resource-based policy allows the "
                "lambda:DeleteLayerVersion action"
            ),
        ),
        (
            LayerId(account="000000000000", region="eu-west-1", name="l"),
            "ResourceNotFoundException",
            "Layers from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
    ],
)
def test_a_layer_elsewhere_is_refused(layer: LayerId, code: str, message: str) -> None:
    """Another account's layer is denied, another region's not found."""
    with pytest.raises(ServiceError) as refusal:
        check_place("DeleteLayerVersion", layer, layer.arn, CONTEXT)
    assert (refusal.value.code, refusal.value.message) == (code, message)


@pytest.mark.parametrize("number", [0, -1])
def test_versions_are_numbered_from_one(number: int) -> None:
    """A number below 1 is refused as such, not looked for."""
    check_number(1)
    with pytest.raises(ServiceError, match=r"Layer Version Cannot be less than 1\."):
        check_number(number)
