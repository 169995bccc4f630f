"""Requests that botocore would not write: wrong types, broken JSON, odd headers."""

import datetime as dt
import json
from typing import Any

import pytest

from midge.model.errors import ServiceError
from midge.wire.messages import Request
from midge.wire.model import ServiceModel
from midge.wire.parsing import parse_request
from midge.wire.routing import Router

_CREATE = ("POST", "/2015-03-31/functions")


def _parse(model: ServiceModel, router: Router, method: str, target: str, body: bytes = b"", **headers: str) -> Any:
    path, _, query = target.partition("?")
    match = router.match(method, path, query)
    assert match is not None
    request = Request(
        method=method,
        path=path,
        query=query,
        body=body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return parse_request(model, match, request)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"MemorySize": "128"}, "STRING_VALUE can not be converted to an Integer"),
        ({"MemorySize": 1.5}, "DECIMAL_VALUE can not be converted to an Integer"),
        ({"MemorySize": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"MemorySize": [1]}, "Start of list found where not expected"),
        ({"MemorySize": {}}, "Start of structure or map found where not expected."),
        ({"FunctionName": 7}, "NUMBER_VALUE can not be converted to a String"),
        ({"FunctionName": False}, "FALSE_VALUE can not be converted to a String"),
        ({"Publish": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"Publish": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
        ({"Layers": "arn"}, "Expected list or null"),
        ({"Layers": {"a": 1}}, "Start of structure or map found where not expected."),
        ({"Layers": [5]}, "NUMBER_VALUE can not be converted to a String"),
        ({"Environment": "A=b"}, "Expected map or null"),
        ({"Environment": {"Variables": ["A"]}}, "Start of list found where not expected"),
        ({"Environment": {"Variables": {"A": 1}}}, "NUMBER_VALUE can not be converted to a String"),
        ({"Code": {"ZipFile": "not base64!"}}, "STRING_VALUE can not be converted to a Blob"),
        ({"Code": {"ZipFile": 5}}, "NUMBER_VALUE can not be converted to a Blob"),
        ([], "Start of list found where not expected"),
        ("text", "Expected map or null"),
    ],
)
def test_a_wrong_type_is_refused(model: ServiceModel, router: Router, document: Any, message: str) -> None:
    """JSON of the wrong type is a SerializationException in AWS's words."""
    with pytest.raises(ServiceError) as caught:
        _parse(model, router, *_CREATE, json.dumps(document).encode())
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


@pytest.mark.parametrize("body", [b"{", b"{'a': 1}", b"\xff\xfe", b'{"FunctionName": "\xff"}', b"{} {}", b"NaN"])
def test_broken_json_is_refused(model: ServiceModel, router: Router, body: bytes) -> None:
    """A body that is no JSON is a SerializationException that says so."""
    with pytest.raises(ServiceError) as caught:
        _parse(model, router, *_CREATE, body)
    assert caught.value.code == "SerializationException"
    assert caught.value.message.startswith("Could not parse request body into json: ")


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"FunctionName": null, "Unheard": [1, {"of": 2}]}'])
def test_what_is_not_given_is_not_there(model: ServiceModel, router: Router, body: bytes) -> None:
    """No body, nulls and members that the model does not have all leave the input empty."""
    assert _parse(model, router, *_CREATE, body) == {}


def test_nulls_inside_lists_and_maps_stay(model: ServiceModel, router: Router) -> None:
    """A null element is kept, for the constraints to refuse."""
    body = b'{"Layers": [null], "Environment": {"Variables": {"A1": null}}}'
    values = _parse(model, router, *_CREATE, body)
    assert values == {"Layers": [None], "Environment": {"Variables": {"A1": None}}}


def test_a_whole_float_is_an_integer(model: ServiceModel, router: Router) -> None:
    """JSON does not tell 128.0 from 128."""
    values = _parse(model, router, *_CREATE, b'{"MemorySize": 128.0}')
    assert values == {"MemorySize": 128}
    assert type(values["MemorySize"]) is int


@pytest.mark.parametrize(
    "written", ["1796036400", "1796036400.0", '"2026-11-30T11:00:00Z"', '"2026-11-30T12:00:00+01:00"']
)
def test_a_timestamp_is_read_in_any_form(model: ServiceModel, router: Router, written: str) -> None:
    """Seconds since 1970 and ISO 8601 texts are the same moment."""
    body = f'{{"StartingPositionTimestamp": {written}}}'.encode()
    values = _parse(model, router, "POST", "/2015-03-31/event-source-mappings", body)
    assert values == {"StartingPositionTimestamp": dt.datetime(2026, 11, 30, 11, tzinfo=dt.UTC)}


@pytest.mark.parametrize("written", ["1e300", '"soon"', "true"])
def test_no_moment_is_no_timestamp(model: ServiceModel, router: Router, written: str) -> None:
    """A number or text that is no moment is refused."""
    body = f'{{"StartingPositionTimestamp": {written}}}'.encode()
    with pytest.raises(ServiceError, match="can not be converted to a Timestamp"):
        _parse(model, router, "POST", "/2015-03-31/event-source-mappings", body)


@pytest.mark.parametrize("query", ["MaxItems=many", "MaxItems=", "MaxItems=1.5"])
def test_a_query_parameter_has_its_type(model: ServiceModel, router: Router, query: str) -> None:
    """A query parameter that is no number where one is expected is refused."""
    with pytest.raises(ServiceError, match="STRING_VALUE can not be converted to an Integer"):
        _parse(model, router, "GET", f"/2015-03-31/functions?{query}")


def test_an_invocation_is_read_from_its_headers(model: ServiceModel, router: Router) -> None:
    """Invoke takes qualifier, type, log type and context from query and headers, and the body as it is."""
    values = _parse(
        model,
        router,
        "POST",
        "/2015-03-31/functions/f/invocations?Qualifier=LIVE",
        b"not json at all",
        x_amz_invocation_type="Event",
        x_amz_log_type="Tail",
        x_amz_client_context="e30=",
        content_type="application/json",
    )
    assert values == {
        "FunctionName": "f",
        "Qualifier": "LIVE",
        "InvocationType": "Event",
        "LogType": "Tail",
        "ClientContext": "e30=",
        "Payload": b"not json at all",
    }


def test_a_plus_in_the_query_is_a_space(model: ServiceModel, router: Router) -> None:
    """Query strings follow the form encoding; a plus sign has to be encoded."""
    values = _parse(model, router, "GET", "/2015-03-31/event-source-mappings?FunctionName=a+b%2Bc")
    assert values == {"FunctionName": "a b+c"}
