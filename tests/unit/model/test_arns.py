"""ARNs, taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.model.arns import Arn, parse_arn


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("arn:aws:sqs:us-east-1:000000000000:q", "q"),
        ("arn:aws:sqs:us-east-1:000000000000:broker:name:b-1", "broker:name:b-1"),
        ("arn:aws:sqs:us-east-1:000000000000:", ""),
    ],
)
def test_the_parts_of_an_arn(text: str, resource: str) -> None:
    """What comes after the account is the resource, colons and all."""
    expected = Arn(partition="aws", service="sqs", region="us-east-1", account="000000000000", resource=resource)
    assert parse_arn(text) == expected


@pytest.mark.parametrize("text", ["", "q", "kafka://topic", "arn:aws:sqs:us-east-1:q", "urn:aws:sqs:r:a:q"])
def test_what_is_no_arn(text: str) -> None:
    """Fewer than six parts, or another beginning, is no ARN."""
    assert parse_arn(text) is None


@given(st.lists(st.text().filter(lambda part: ":" not in part), min_size=4, max_size=4), st.text())
def test_taking_apart_loses_nothing(parts: list[str], resource: str) -> None:
    """The parts, put together again, are the text."""
    text = ":".join(["arn", *parts, resource])
    arn = parse_arn(text)
    assert arn is not None
    assert f"arn:{arn.partition}:{arn.service}:{arn.region}:{arn.account}:{arn.resource}" == text
