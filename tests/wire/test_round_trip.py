"""All operations of the Lambda API against botocore's own serialiser and parser."""

import datetime as dt
import io
from dataclasses import dataclass
from typing import Any

import botocore.awsrequest
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.response import StreamingBody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.errors import ServiceError
from midge.wire.messages import Request, Response
from midge.wire.model import ServiceModel
from midge.wire.parsing import parse_request
from midge.wire.rendering import render_error, render_result
from midge.wire.routing import Router

_OPERATIONS = sorted(Loader().load_service_model("lambda", "service-2")["operations"])
every_operation = pytest.mark.parametrize("operation", _OPERATIONS)
_MOMENT = dt.datetime(2026, 11, 23, 12, 30, 1, tzinfo=dt.UTC)
_SCALARS: dict[str, Any] = {
    "string": "a b/c:d%20é+&=?#",
    "integer": 7,
    "long": 2**40,
    "double": 0.25,
    "float": 0.5,
    "boolean": True,
    "timestamp": _MOMENT,
    "blob": b"\x00\xff{}",
}
_HEADER_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))
_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "boolean": st.booleans(),
    "timestamp": _MOMENTS,
    "blob": st.binary(max_size=40),
}


def full(shape: Any) -> Any:
    """One value of a botocore shape with every member there."""
    match shape.type_name:
        case "structure":
            return {name: _full_member(member) for name, member in shape.members.items()}
        case "list":
            return [full(shape.member), full(shape.member)]
        case "map":
            return {f"Key{number}": full(shape.value) for number in range(2)}
        case scalar:
            return _SCALARS[scalar]


def _full_member(member: Any) -> Any:
    if member.serialization.get("location") == "header" and member.type_name == "string":
        return "text-0123 ;=,"
    return full(member)


def varied(shape: Any) -> st.SearchStrategy[Any]:
    """Values of a botocore shape, each optional member there or not."""
    match shape.type_name:
        case "structure":
            required = {name: _varied_member(shape, name) for name in shape.required_members}
            optional = {name: _varied_member(shape, name) for name in shape.members if name not in required}
            return st.fixed_dictionaries(required, optional=optional)
        case "list":
            return st.lists(varied(shape.member), max_size=3)
        case "map":
            return st.dictionaries(_TEXT, varied(shape.value), max_size=3)
        case scalar:
            return _STRATEGIES[scalar]


def _varied_member(shape: Any, name: str) -> st.SearchStrategy[Any]:
    member = shape.members[name]
    location = member.serialization.get("location")
    payload = shape.serialization.get("payload") == name
    if location == "header" and member.type_name == "string":
        return _HEADER_TEXT
    if location == "uri" and member.type_name == "string":
        return _TEXT.filter(bool)
    if location == "statusCode":
        return st.integers(200, 299)
    if location == "querystring" and member.type_name == "list":
        return st.lists(varied(member.member), min_size=1, max_size=3)
    if payload and member.type_name == "blob":
        return st.binary(min_size=1, max_size=40)
    return varied(member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Botocore:
    """botocore's side of the wire."""

    model: Any
    serializer: Any

    def operation(self, name: str) -> Any:
        """The model of one operation; botocore's lazy properties have no useful types."""
        return self.model.operation_model(name)

    def serialise(self, operation: str, values: dict[str, Any]) -> Request:
        """The request as it leaves botocore, as midge's listener would hand it on."""
        prepared = self.serializer.serialize_to_request(values, self.model.operation_model(operation))
        botocore.awsrequest.prepare_request_dict(prepared, "http://127.0.0.1:9000", {"use_global_endpoint": False})
        request = botocore.awsrequest.create_request_object(prepared).prepare()
        path, _, query = request.url.removeprefix("http://127.0.0.1:9000").partition("?")
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body: Any = request.body or b""
        return Request(method=request.method, path=path, query=query, headers=headers, body=body)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture(scope="session")
def botocore_side() -> Botocore:
    loaded = botocore.model.ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")
    return Botocore(model=loaded, serializer=botocore.serialize.create_serializer("rest-json", False))


_EVENT_STREAMS = {"InvokeWithResponseStream"}
_REQUEST_ID = "8f1c7d2e-0c1f-4c53-9d0c-6b1df2a51b7e"
_varying = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _parse_back(model: ServiceModel, router: Router, side: Botocore, operation: str, values: dict[str, Any]) -> Any:
    request = side.serialise(operation, values)
    match = router.match(request.method, request.path, request.query)
    assert match is not None
    assert match.operation.name == operation
    return parse_request(model, match, request)


def _read_by_botocore(response: Response, shape: Any, *, streaming: bool) -> Any:
    body = StreamingBody(io.BytesIO(response.body), len(response.body)) if streaming else response.body
    raw = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": body}
    parsed = botocore.parsers.create_parser("rest-json").parse(raw, shape)
    return {name: value.read() if isinstance(value, StreamingBody) else value for name, value in parsed.items()}


def _member(shape: Any, name: str) -> Any:
    return shape.members[name]


def _structured_payload(shape: Any) -> list[str]:
    """The member that is the whole body, if there is one and it is a structure."""
    name = shape.serialization.get("payload") if shape is not None else None
    return [name] if name is not None and _member(shape, name).type_name == "structure" else []


@every_operation
def test_a_full_input_comes_back(operation: str, model: ServiceModel, router: Router, botocore_side: Botocore) -> None:
    """Every member of an input that botocore serialises is parsed back exactly."""
    shape: Any = botocore_side.operation(operation).input_shape
    values = full(shape) if shape is not None else {}
    assert _parse_back(model, router, botocore_side, operation, values) == values


@every_operation
@_varying
@given(data=st.data())
def test_any_input_comes_back(
    operation: str, model: ServiceModel, router: Router, botocore_side: Botocore, data: st.DataObject
) -> None:
    """Whatever members are there and whatever their values, what botocore serialises is parsed back exactly."""
    shape: Any = botocore_side.operation(operation).input_shape
    values = data.draw(varied(shape)) if shape is not None else {}
    expected = dict(values)
    for name in _structured_payload(shape):
        expected.setdefault(name, {})  # botocore sends {} for a structure that is the body and was not given
    assert _parse_back(model, router, botocore_side, operation, values) == expected


def _render_and_read(model: ServiceModel, side: Botocore, operation: str, values: dict[str, Any]) -> Any:
    theirs: Any = side.operation(operation)
    response = render_result(model, model.operations[operation], values, _REQUEST_ID)
    parsed = _read_by_botocore(response, theirs.output_shape, streaming=theirs.has_streaming_output)
    assert parsed.pop("ResponseMetadata") == {
        "RequestId": _REQUEST_ID,
        "HTTPStatusCode": response.status,
        "HTTPHeaders": {name.lower(): value for name, value in response.headers.items()},
    }
    return response, parsed


@every_operation
def test_a_full_result_is_read_back(operation: str, model: ServiceModel, botocore_side: Botocore) -> None:
    """Every member of a result is read back exactly by botocore's parser, with the operation's status."""
    theirs: Any = botocore_side.operation(operation)
    values = full(theirs.output_shape) if theirs.output_shape is not None else {}
    if operation in _EVENT_STREAMS:
        with pytest.raises(ValueError, match="event stream"):
            render_result(model, model.operations[operation], values, _REQUEST_ID)
        return
    for name in values:
        if _member(theirs.output_shape, name).serialization.get("location") == "statusCode":
            values[name] = 202
    response, parsed = _render_and_read(model, botocore_side, operation, values)
    assert parsed == values
    assert response.status == (202 if 202 in values.values() else theirs.http["responseCode"])


@every_operation
@_varying
@given(data=st.data())
def test_any_result_is_read_back(
    operation: str, model: ServiceModel, botocore_side: Botocore, data: st.DataObject
) -> None:
    """Whatever members a result has, botocore's parser reads back exactly those."""
    theirs: Any = botocore_side.operation(operation)
    if operation in _EVENT_STREAMS:
        with pytest.raises(ValueError, match="event stream"):
            render_result(model, model.operations[operation], {"EventStream": {}}, _REQUEST_ID)
        return
    values = data.draw(varied(theirs.output_shape)) if theirs.output_shape is not None else {}
    response, parsed = _render_and_read(model, botocore_side, operation, values)
    if theirs.output_shape is not None:
        for name, member in theirs.output_shape.members.items():
            if member.serialization.get("location") == "statusCode":
                values.setdefault(name, response.status)
            if theirs.has_streaming_output and member.type_name == "blob":
                values.setdefault(name, b"")
    assert parsed == values


def test_the_one_operation_without_a_rendering_is_the_event_stream(model: ServiceModel) -> None:
    """No operation but InvokeWithResponseStream answers with an event stream."""
    streams = {
        operation.name
        for operation in model.operations.values()
        if (shape := model.output_of(operation)) is not None
        and any(model.shapes[member.shape].eventstream for member in shape.members.values())
    }
    assert streams == _EVENT_STREAMS


def test_every_error_shape_is_read_back(model: ServiceModel, botocore_side: Botocore) -> None:
    """For each error shape botocore reads code, message, status and the shape's members as they were raised."""
    shapes = [shape for shape in botocore_side.model.error_shapes if shape.metadata.get("exception")]
    assert len(shapes) == 58
    for shape in shapes:
        fields = {name: f"value of {name}" for name in shape.members if name.lower() != "message"}
        response = render_error(model, ServiceError(shape.name, "what went wrong", **fields), _REQUEST_ID)
        assert response.status == shape.metadata["error"]["httpStatusCode"]
        parsed = _read_by_botocore(response, None, streaming=False)
        assert parsed["Error"]["Code"] == shape.name
        assert parsed["Error"]["Message"] == "what went wrong"
        assert parsed["ResponseMetadata"]["RequestId"] == _REQUEST_ID
        modelled = _read_by_botocore(response, shape, streaming=False)
        message = next(name for name in shape.members if name.lower() == "message")
        for name, value in {**fields, message: "what went wrong"}.items():
            assert modelled[name] == value, (shape.name, name)
