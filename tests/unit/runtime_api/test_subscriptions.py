"""Subscriptions to telemetry: what is read from a document, and what is said of one that makes no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.model.limits import Limits
from midge.model.telemetry import Buffering, TelemetrySubscription
from midge.runtime_api.subscriptions import SubscriptionError, parse_subscription

LIMITS = Limits()
GOOD: dict[str, Any] = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in?x=1"},
}


def parse(document: Any, *, logs_api: bool = False) -> TelemetrySubscription:
    return parse_subscription("ext", json.dumps(document).encode(), LIMITS, logs_api=logs_api)


def test_a_subscription_has_aws_defaults() -> None:
    """Without buffering a batch has up to 1,000 events, 262,144 bytes or 1,000 ms."""
    assert parse(GOOD) == TelemetrySubscription(
        extension="ext",
        schema_version="2022-12-13",
        types=("platform", "function"),
        port=8080,
        path="/in?x=1",
        buffering=Buffering(max_items=1_000, max_bytes=262_144, timeout_seconds=1.0),
    )


@pytest.mark.parametrize("destination", [{"protocol": "TCP", "port": 7}, {"protocol": "TCP", "URI": "tcp://sandbox:7"}])
def test_a_tcp_sink_has_a_port(destination: dict[str, Any]) -> None:
    """A TCP sink may be named by its port or by a URI."""
    found = parse({**GOOD, "destination": destination})
    assert (found.port, found.path) == (7, None)


def test_the_logs_api_needs_no_schema() -> None:
    """The first version of the Logs API is meant where none is named."""
    document = {name: value for name, value in GOOD.items() if name != "schemaVersion"}
    found = parse(document, logs_api=True)
    assert (found.schema_version, found.logs_api) == ("2020-08-15", True)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"schemaVersion": None}, "schemaVersion is not provided"),
    ({"schemaVersion": "2020"}, "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29"),
    ({"types": []}, "types should not be empty"),
    ({"types": ["platform", "x"]}, "types should be of platform, function, extension, not x"),
    ({"destination": None}, "destination is not provided"),
    ({"destination": {"protocol": "UDP"}}, "destination protocol should be HTTP or TCP"),
    ({"destination": {"protocol": "HTTP"}}, "destination URI is not provided"),
    ({"destination": {"protocol": "TCP"}}, "destination port is not provided"),
    ({"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}}, "URI port is not provided"),
    ({"destination": {"protocol": "HTTP", "URI": "http://example.com:1"}}, "URI host should be sandbox.localdomain"),
    ({"destination": {"protocol": "HTTP", "URI": "https://sandbox:1"}}, "URI scheme should be http"),
    ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:99999"}}, "destination URI is not valid"),
    ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:1/\x7f"}}, "URI path is not valid"),
    ({"destination": {"protocol": "TCP", "port": 9001}}, "destination port should be from 1 to 65535 and not 9001"),
    ({"buffering": []}, "buffering should be an object"),
    ({"buffering": {"maxItems": 999}}, "maxItems should be an integer from 1000 to 10000"),
    ({"buffering": {"maxItems": 10_001}}, "maxItems should be an integer from 1000 to 10000"),
    ({"buffering": {"maxBytes": 262_143}}, "maxBytes should be an integer from 262144 to 1048576"),
    ({"buffering": {"maxBytes": 1_048_577}}, "maxBytes should be an integer from 262144 to 1048576"),
    ({"buffering": {"timeoutMs": 24}}, "timeoutMs should be an integer from 25 to 30000"),
    ({"buffering": {"timeoutMs": 30_001}}, "timeoutMs should be an integer from 25 to 30000"),
    ({"buffering": {"timeoutMs": True}}, "timeoutMs should be an integer from 25 to 30000"),
]


@pytest.mark.parametrize(("change", "problem"), REFUSED)
def test_what_makes_no_sense_is_named(change: dict[str, Any], problem: str) -> None:
    """Each member out of its bounds is refused with its name."""
    with pytest.raises(SubscriptionError) as caught:
        parse({**GOOD, **change})
    assert str(caught.value) == problem


def test_all_problems_are_told_at_once() -> None:
    """A document with several mistakes has all of them named, as AWS does."""
    with pytest.raises(SubscriptionError, match="URI port is not provided; maxItems should be"):
        uri = {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}
        parse({**GOOD, "destination": uri, "buffering": {"maxItems": 1}})


@pytest.mark.parametrize("member", [{"method": "PUT"}, {"method": "GET"}, {"encoding": "XML"}])
def test_the_logs_api_refuses_what_is_not_there(member: dict[str, str]) -> None:
    """Ways to deliver that midge does not have are refused by name."""
    with pytest.raises(SubscriptionError, match=r"destination (method|encoding)"):
        parse({**GOOD, "schemaVersion": "2021-03-18", "destination": {**GOOD["destination"], **member}}, logs_api=True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["HTTP", "TCP", "http://sandbox:1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "protocol", "URI", "port", "maxItems"]), inner),
    max_leaves=12,
)  # fmt: skip


@given(anything, st.booleans())
def test_anything_else_is_refused(document: Any, logs_api: bool) -> None:
    """Whatever is sent is a subscription within its limits or a SubscriptionError."""
    try:
        found = parse(document, logs_api=logs_api)
    except SubscriptionError:
        return
    assert found.types
    assert 0 < found.port < 65536


@given(st.binary(max_size=64))
def test_bytes_that_are_no_json_are_refused(body: bytes) -> None:
    """Bytes in place of a document are refused as well."""
    with pytest.raises(SubscriptionError):
        parse_subscription("ext", body, LIMITS, logs_api=False)
