"""Whatever the model of CloudWatch allows, and whatever it does not, meets an answer or the caller's error: never a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from harness.inputs import Inputs, as_json
from harness.metrics import CloudWatchMetrics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.services.cloudwatch.api import OPERATIONS
from midge.wire import cbor
from midge.wire.messages import Request, Response
from midge.wire.model import load_service_model

MODEL = load_service_model("cloudwatch")
INPUTS = Inputs(
    MODEL,
    {
        "Namespace": st.sampled_from(["Own", "AWS/Lambda"]),
        "Period": st.sampled_from([60, 300, 3600, 90, 10]),
        "Stat": st.sampled_from(["Sum", "p99.9", "p101", "tm90", ""]),
        "Id": st.sampled_from(["m1", "m2", "e1", "E"]),
        "Expression": st.sampled_from(["m1 + m2", "SUM(METRICS())", "FILL(m1, 0)", "m1 ^ m1 ^ m1", "1", "(", "SELECT x FROM y"]),
        "Unit": st.sampled_from(["Count", "None"]),
    },
)  # fmt: skip
_settings = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWatchMetrics]:
    service = CloudWatchMetrics(tmp_path_factory.mktemp("metrics"))
    yield service
    service.close()


def ask(service: CloudWatchMetrics, operation: str, values: dict[str, Any]) -> Iterator[Response]:
    """The answers in JSON and in CBOR."""
    document = {name: as_json(value) for name, value in values.items()}
    target = {"x-amz-target": f"GraniteServiceVersion20100801.{operation}"}
    yield send(service, Request(method="POST", path="/", headers=target, body=json.dumps(document).encode()))
    path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
    headers = {"smithy-protocol": "rpc-v2-cbor"}
    yield send(service, Request(method="POST", path=path, headers=headers, body=cbor.encode(document)))


def send(service: CloudWatchMetrics, request: Request) -> Response:
    return service.run(service.control(request, None))


def check(response: Response) -> None:
    """The answer is a success, or an error that is the caller's and has a name."""
    if response.status != 200:
        assert 400 <= response.status < 500, (response.status, response.body)
        assert response.headers["x-amzn-query-error"].endswith(";Sender")


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@_settings
@given(data=st.data())
def test_valid_input_meets_an_answer(operation: str, service: CloudWatchMetrics, data: st.DataObject) -> None:
    """An input that satisfies the model is answered, or refused with the caller's error."""
    for response in ask(service, operation, data.draw(INPUTS.valid(MODEL.operations[operation]))):
        check(response)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@_settings
@given(data=st.data())
def test_spoiled_input_meets_an_error(operation: str, service: CloudWatchMetrics, data: st.DataObject) -> None:
    """An input with something wrong in it is refused with the caller's error, or answered if that changed nothing."""
    for response in ask(service, operation, data.draw(INPUTS.spoiled(MODEL.operations[operation]))):
        check(response)


@_settings
@given(body=st.binary(max_size=80), gzip=st.booleans())
def test_any_body_meets_an_error(service: CloudWatchMetrics, body: bytes, gzip: bool) -> None:
    """Whatever bytes stand where a document should, the answer is the caller's error."""
    packed = {"content-encoding": "gzip"} if gzip else {}
    for path, headers in (
        ("/", {"x-amz-target": "GraniteServiceVersion20100801.ListMetrics"}),
        ("/service/GraniteServiceVersion20100801/operation/ListMetrics", {"smithy-protocol": "rpc-v2-cbor"}),
        ("/", {}),
    ):
        request = Request(method="POST", path=path, headers={**headers, **packed}, body=body)
        response = send(service, request)
        assert response.status in {200, 400}, response.body
        assert service.control.owns(request) in {True, False}
