"""The protocol ``json``: CloudWatch Logs against botocore's own serialiser and parser."""

import json
from typing import Any

import botocore.model
import botocore.parsers
import botocore.serialize
import pytest
from botocore.loaders import Loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.errors import ServiceError
from midge.wire import constraints
from midge.wire.messages import Request, Response
from midge.wire.model import load_service_model
from midge.wire.parsing import parse_request
from midge.wire.protocols import Wires

from .test_round_trip import full, varied

MODEL = load_service_model("logs")
WIRE = Wires(MODEL).of(Request(method="POST", path="/"))
BOTOCORE = botocore.model.ServiceModel(Loader().load_service_model("logs", "service-2"))
STREAMING = {"GetLogObject", "StartLiveTail"}
RECURSIVE = {"GetLogFields"}
"""Its output has no value with every member there."""
OPERATIONS = sorted(set(MODEL.operations) - STREAMING - RECURSIVE)
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


def request_of(operation: str, values: dict[str, Any]) -> Request:
    """What botocore would send."""
    serializer = botocore.serialize.JSONSerializer()
    sent: Any = serializer.serialize_to_request(values, BOTOCORE.operation_model(operation))
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    return Request(method=sent["method"], path=sent["url_path"], headers=headers, body=sent["body"])


def read_back(operation: str, response: Response) -> dict[str, Any]:
    """What botocore would make of the response."""
    parser = botocore.parsers.JSONParser()
    answer = {"status_code": response.status, "headers": response.headers, "body": response.body}
    parsed = parser.parse(answer, BOTOCORE.operation_model(operation).output_shape)
    assert parsed.pop("ResponseMetadata")["HTTPStatusCode"] == response.status
    return parsed


@every_operation
def test_every_input_is_read_as_it_was_sent(operation: str) -> None:
    """The operation and its whole input come back from what botocore sends."""
    shape = BOTOCORE.operation_model(operation).input_shape
    values = full(shape) if shape is not None else {}
    request = request_of(operation, values)
    match = WIRE.match(request)
    assert match.operation.name == operation
    assert parse_request(MODEL, match, request) == values


@every_operation
def test_every_output_is_written_as_it_is_read(operation: str) -> None:
    """botocore reads the members that were written; an operation without output answers nothing."""
    shape = BOTOCORE.operation_model(operation).output_shape
    values = full(shape) if shape is not None else {}
    response = WIRE.result(MODEL.operations[operation], values, "id")
    assert response.headers["Content-Type"] == "application/x-amz-json-1.1"
    if shape is None:
        assert response.body == b""
    assert read_back(operation, response) == values


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_any_input_is_read_as_it_was_sent(data: st.DataObject) -> None:
    """Inputs of any content, with or without each optional member, come back whole."""
    operation = data.draw(st.sampled_from(OPERATIONS))
    shape = BOTOCORE.operation_model(operation).input_shape
    values = data.draw(varied(shape)) if shape is not None else {}
    request = request_of(operation, values)
    assert parse_request(MODEL, WIRE.match(request), request) == values


@pytest.mark.parametrize("code", sorted(name for name, shape in MODEL.shapes.items() if shape.exception))
def test_every_error_is_understood(code: str) -> None:
    """botocore reads each error's code and message; a fault of the service is 500, all else 400."""
    response = WIRE.error(ServiceError(code, "what happened"), "id")
    assert response.status == (500 if MODEL.shapes[code].fault else 400) or code == "ServiceUnavailableException"
    answer = {"status_code": response.status, "headers": response.headers, "body": response.body}
    error = botocore.parsers.JSONParser().parse(answer, None)["Error"]
    assert error == {"Code": code, "Message": "what happened"}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", ""),
        ("POST", "Logs_20140328"),
        ("POST", "Logs_20140328.NoSuchOperation"),
        ("POST", "CreateLogGroup"),
        ("POST", "DynamoDB_20120810.ListTables"),
        ("GET", "Logs_20140328.CreateLogGroup"),
    ],
)
def test_what_names_no_operation_is_refused(method: str, target: str) -> None:
    """Only POST with the service's prefix and an operation's name is one; all else is UnknownOperationException, 400."""
    with pytest.raises(ServiceError) as refused:
        WIRE.match(Request(method=method, path="/", headers={"x-amz-target": target}))
    response = WIRE.error(refused.value, "id")
    assert response.status == 400
    assert json.loads(response.body) == {"__type": "UnknownOperationException"}


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"logGroupName": 7}', b'{"logGroupName": ["a"]}', b"\xff"])
def test_a_body_of_another_kind_is_refused(body: bytes) -> None:
    """What is no JSON object with values of the right types is a SerializationException, 400."""
    request = Request(method="POST", path="/", headers={"x-amz-target": "Logs_20140328.CreateLogGroup"}, body=body)
    with pytest.raises(ServiceError) as refused:
        parse_request(MODEL, WIRE.match(request), request)
    assert refused.value.code == "SerializationException"
    assert WIRE.error(refused.value, "id").status == 400


def test_constraints_are_told_under_the_services_own_name() -> None:
    """CloudWatch Logs calls a broken constraint InvalidParameterException, with the words that every service uses."""
    operation = MODEL.operations["CreateLogGroup"]
    with pytest.raises(ServiceError) as refused:
        constraints.check(MODEL, operation, {"logGroupName": "a b"}, "InvalidParameterException")
    assert refused.value.code == "InvalidParameterException"
    assert refused.value.message.startswith(
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy"
    )


def test_a_protocol_that_midge_does_not_speak_is_refused() -> None:
    """A service in the protocol rest-xml has no wire here."""
    with pytest.raises(ValueError, match="speaks rest-xml"):
        Wires(load_service_model("s3"))
