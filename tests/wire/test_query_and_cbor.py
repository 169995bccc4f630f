"""The protocols query and rpc-v2-cbor: what botocore writes is read exactly, what comes from strangers does no harm."""

import contextlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.serialize import create_serializer
from botocore.session import get_session
from harness import cbor_samples
from hypothesis import given
from hypothesis import strategies as st

from midge.model.errors import ServiceError
from midge.wire import cbor
from midge.wire.messages import Request
from midge.wire.model import load_service_model
from midge.wire.protocols import Wires

MODEL = load_service_model("cloudwatch")
WIRES = Wires(MODEL)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False) | st.binary(max_size=20)
    | st.text(max_size=20) | st.integers(0, 2**32).map(lambda at: datetime.fromtimestamp(at, UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
def test_what_is_encoded_is_decoded(value: Any) -> None:
    """Every value comes back as it was, and as botocore's own reader has it."""
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    """Nothing that is sent does more than be refused; what is read can be written again, but for what is not ours."""
    with contextlib.suppress(cbor.CborError):
        value = cbor.decode(data)
        assert repr(cbor.decode(cbor.encode(value))) == repr(value)


@pytest.mark.parametrize(("data", "value"), cbor_samples.SAMPLES)
def test_rfc_8949s_forms_are_read(data: str, value: Any) -> None:
    """Each form that a client may choose for a value is understood."""
    assert cbor.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize("data", cbor_samples.BROKEN)
def test_broken_forms_are_refused(data: str) -> None:
    """What ends in the middle, is nested without end, or is none of Smithy's types is refused."""
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(data))


INPUT = {
    "Namespace": "Own é&=",
    "MetricData": [
        {"MetricName": "a b+c", "Value": 1.5, "Dimensions": [{"Name": "n", "Value": "ü"}], "Timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
        {"MetricName": "x", "Values": [float(n) for n in range(12)], "StorageResolution": 60, "Unit": "Count"},
    ],
    "StrictEntityValidation": True,
}  # fmt: skip


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_what_botocore_writes_is_read(protocol: str) -> None:
    """An input with every kind of member is read as it was given."""
    service = get_session().get_service_model("cloudwatch")
    written: dict[str, Any] = dict(
        create_serializer(protocol).serialize_to_request(INPUT, service.operation_model("PutMetricData"))
    )
    body = written["body"]
    body = urlencode(body) if isinstance(body, dict) else body
    headers = {name.lower(): str(value) for name, value in written["headers"].items()}
    request = Request(
        method="POST", path=written["url_path"], headers=headers, body=body.encode() if isinstance(body, str) else body
    )
    wire = WIRES.of(request)
    match = wire.match(request)
    assert match.operation.name == "PutMetricData"
    assert wire.parse(match, request) == INPUT


@pytest.mark.parametrize(
    "body",
    [b"Action=ListMetrics&Dimensions.member.x.Name=a", b"Action=ListMetrics&Dimensions=a", b"Action=ListMetrics&Namespace.a=b",
     b"Action=GetMetricStatistics&Period=many", b"Action=PutMetricData&MetricData.member.1=x", b"Action=Nothing", b"", b"\xff&&=",
     b"Action=ListMetrics&Dimensions.member.1.Name=a&Dimensions.member=b", b"Action=GetMetricStatistics&StartTime=tomorrow"],
)  # fmt: skip
def test_a_broken_form_is_refused(body: bytes) -> None:
    """With an error that is the caller's."""
    wire = WIRES.of(Request(method="POST", path="/"))
    request = Request(method="POST", path="/", body=body)
    with pytest.raises(ServiceError) as refused:
        wire.parse(wire.match(request), request)
    assert wire.error(refused.value, "id").status == 400
