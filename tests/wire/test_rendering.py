"""Results and errors as bytes, where botocore's parser is too lenient to notice."""

import datetime as dt
import json
from typing import Any

import pytest

from midge.model.errors import ServiceError
from midge.wire.model import ServiceModel
from midge.wire.rendering import render_error, render_result

_NONE: dict[str, Any] = {}


def test_an_invocations_result_is_its_payload(model: ServiceModel) -> None:
    """Invoke's answer is the payload untouched; everything else is in headers and status."""
    values = {"StatusCode": 202, "FunctionError": "Unhandled", "ExecutedVersion": "$LATEST", "Payload": b'{"a":1}'}
    response = render_result(model, model.operations["Invoke"], values, "id-1")
    assert response.status == 202
    assert response.body == b'{"a":1}'
    assert response.headers == {
        "x-amzn-RequestId": "id-1",
        "X-Amz-Function-Error": "Unhandled",
        "X-Amz-Executed-Version": "$LATEST",
        "Content-Type": "application/json",
    }


def test_no_content_has_no_body(model: ServiceModel) -> None:
    """An answer of 204 has neither body nor content type, by the model's status or by the result's."""
    for name, values in (("DeleteAlias", _NONE), ("DeleteFunction", {"StatusCode": 204})):
        response = render_result(model, model.operations[name], values, "id-1")
        assert (response.status, response.body) == (204, b"")
        assert response.headers == {"x-amzn-RequestId": "id-1"}


def test_none_is_left_out(model: ServiceModel) -> None:
    """Members without a value do not travel, at any depth."""
    values = {"FunctionName": "f", "KMSKeyArn": None, "VpcConfig": {"VpcId": None, "SubnetIds": []}}
    response = render_result(model, model.operations["GetFunctionConfiguration"], values, "id-1")
    assert json.loads(response.body) == {"FunctionName": "f", "VpcConfig": {"SubnetIds": []}}


def test_timestamps_are_seconds(model: ServiceModel) -> None:
    """A timestamp travels as seconds since 1970, to the millisecond."""
    moment = dt.datetime(2026, 11, 30, 11, 0, 0, 250_400, tzinfo=dt.UTC)
    response = render_result(model, model.operations["GetEventSourceMapping"], {"LastModified": moment}, "id-1")
    assert response.body == b'{"LastModified":1796036400.25}'


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"NoSuchMember": 1}, ValueError),
        ({"VpcConfig": {"NoSuchMember": 1}}, ValueError),
        ({"Timeout": "3"}, TypeError),
        ({"Timeout": True}, TypeError),
        ({"FunctionName": 3}, TypeError),
        ({"Layers": {"a": 1}}, TypeError),
        ({"Environment": {"Variables": {"A1": 1}}}, TypeError),
    ],
)
def test_a_wrong_result_is_our_fault(model: ServiceModel, values: dict[str, Any], error: type[Exception]) -> None:
    """A result that the model does not have is refused rather than sent."""
    with pytest.raises(error):
        render_result(model, model.operations["GetFunctionConfiguration"], values, "id-1")


def test_an_operation_without_output_has_no_result(model: ServiceModel) -> None:
    """Values for an operation that answers nothing are refused."""
    with pytest.raises(ValueError, match="DeleteAlias has no output"):
        render_result(model, model.operations["DeleteAlias"], {"Name": "a"}, "id-1")


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("ResourceNotFoundException", 404, {"Type": "User", "Message": "text"}),
        ("ResourceConflictException", 409, {"Type": "User", "message": "text"}),
        ("ServiceException", 500, {"Type": "Service", "Message": "text"}),
        ("ValidationException", 400, {"message": "text"}),
        ("SerializationException", 400, {"Message": "text"}),
        ("AccessDeniedException", 403, {"Message": "text"}),
        ("UnrecognizedClientException", 403, {"message": "text"}),
        ("UnknownOperationException", 404, {"message": "text"}),
        ("ServiceUnavailableException", 503, {"message": "text"}),
        ("InternalFailure", 500, {"message": "text"}),
        ("NeverHeardOfIt", 500, {"message": "text"}),
        ("FunctionConfiguration", 500, {"message": "text"}),
    ],
)
def test_an_error_is_spelt_as_its_shape(model: ServiceModel, code: str, status: int, body: dict[str, str]) -> None:
    """Status, type header and the spelling of the body's keys follow the shape, or AWS's common errors."""
    response = render_error(model, ServiceError(code, "text"), "id-1")
    assert response.status == status
    assert json.loads(response.body) == body
    assert response.headers == {
        "x-amzn-RequestId": "id-1",
        "x-amzn-ErrorType": code,
        "Content-Type": "application/json",
    }


def test_throttling_says_when_to_come_back(model: ServiceModel) -> None:
    """TooManyRequestsException has its reason in the body and the wait in Retry-After."""
    error = ServiceError(
        "TooManyRequestsException", "Rate Exceeded.", Reason="CallerRateLimitExceeded", retryAfterSeconds="3"
    )
    response = render_error(model, error, "id-1")
    assert response.status == 429
    assert response.headers["Retry-After"] == "3"
    assert json.loads(response.body) == {
        "Type": "User",
        "Reason": "CallerRateLimitExceeded",
        "message": "Rate Exceeded.",
    }
