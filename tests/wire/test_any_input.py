"""Whatever the service model allows, and whatever it does not, meets AWS's answer or AWS's error: never a 5xx.

The whole control plane over a store in memory, from the bytes of a request to the bytes of the answer.
"""

import asyncio
import contextlib
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.inputs import ACCOUNT, REGION, ROLE, Inputs, as_json, names, package
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.api.api_bench import Bench

from midge.api.services import CallContext
from midge.http.control import ControlPlane
from midge.invoke.request_ids import RequestIds
from midge.model.errors import ServiceError
from midge.wire.messages import Request, Response
from midge.wire.model import Operation, ServiceModel, load_service_model

MODEL = load_service_model("lambda")
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
COMMON = {
    "ValidationException", "SerializationException", "InvalidParameterValueException", "AccessDeniedException",
    "InvalidRequestContentException", "RequestEntityTooLargeException", "ResourceNotFoundException",
    "UnknownOperationException",
}  # fmt: skip
"""Errors that an operation may have without naming them: of the protocol, of names, and midge's refusal by name."""
SOURCES = [
    f"sqs:{REGION}:{ACCOUNT}:q",
    f"sqs:{REGION}:{ACCOUNT}:q.fifo",
    f"kinesis:{REGION}:{ACCOUNT}:stream/s",
    f"dynamodb:{REGION}:{ACCOUNT}:table/t/stream/2026",
    f"kafka:{REGION}:{ACCOUNT}:cluster/c/1",
    f"mq:{REGION}:{ACCOUNT}:broker:b:1",
    f"rds:{REGION}:{ACCOUNT}:cluster:c",
    f"sns:{REGION}:{ACCOUNT}:t",
]
OPERATIONS = sorted(set(MODEL.operations) - {"Invoke", "InvokeAsync", "InvokeWithResponseStream"})
_settings = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
INPUTS = Inputs(
    MODEL,
    {
        "FunctionName": names(FUNCTION),
        "Qualifier": st.sampled_from(["live", "1", "$LATEST", "2", "none"]),
        "Name": st.sampled_from(["live", "other"]),
        "FunctionVersion": st.sampled_from(["1", "$LATEST", "ALL", "9"]),
        "Role": st.just(ROLE),
        "ZipFile": st.sampled_from([package(), b"", b"no zip"]),
        "Resource": st.sampled_from([FUNCTION, f"{FUNCTION}:1"]),
        "ResourceArn": st.sampled_from([FUNCTION, f"{FUNCTION}:live"]),
        "EventSourceArn": st.sampled_from([f"arn:aws:{source}" for source in SOURCES]),
        "Pattern": st.sampled_from(['{"a": [1]}', '{"a": [{"prefix": "b"}]}', "{}", ""]),
    },
)


class Server:
    """A control plane with a function, a version and an alias in it; ``ask`` sends one request."""

    def __init__(self, directory: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._bench = Bench(directory)
        self._life = self._bench.living()
        self._loop.run_until_complete(self._open())
        self._control = ControlPlane(
            MODEL, self._perform, RequestIds(), account=ACCOUNT, region=REGION, address="127.0.0.1:9"
        )

    async def _open(self) -> None:
        await self._life.__aenter__()
        await self._furnish()

    async def _furnish(self) -> None:
        """Make again what a request has deleted."""
        try:
            await self._bench.call("GetFunction", FunctionName="f", Qualifier="live")
        except ServiceError:
            with contextlib.suppress(ServiceError):
                await self._bench.created("f", Publish=True)
            with contextlib.suppress(ServiceError):
                version = (await self._bench.call("PublishVersion", FunctionName="f"))["Version"]
                await self._bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion=version)

    async def _perform(self, operation: str, values: Any, *, account: str, region: str, **more: str) -> Any:
        context = CallContext(account=account, region=region, **more)
        return await self._bench.api.handle(operation, dict(values), context)

    def ask(self, request: Request) -> Response:
        self._loop.run_until_complete(self._furnish())
        return self._loop.run_until_complete(self._control(request, None))

    def close(self) -> None:
        self._loop.run_until_complete(self._life.__aexit__(None, None, None))
        self._loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


def request_for(model: ServiceModel, operation: Operation, values: dict[str, Any]) -> Request:
    """A request that carries ``values`` wherever the model says, whether they fit or not."""
    path, query, body = operation.http.request_uri, list[tuple[str, str]](), dict[str, Any]()
    path, _, fixed = path.partition("?")
    headers = {"host": "127.0.0.1:9"}
    shape = model.input_of(operation)
    for name, value in values.items():
        member = shape.members[name] if shape is not None else None
        wire_name = member.location_name or name if member is not None else name
        match member.location if member is not None else None:
            case "uri":
                text = urllib.parse.quote(str(value), safe="")
                path = path.replace(f"{{{wire_name}}}", text).replace(f"{{{wire_name}+}}", text)
            case "querystring":
                query += [(wire_name, str(part)) for part in (value if isinstance(value, list) else [value])]
            case "header":
                headers[wire_name.lower()] = str(value).encode("ascii", "replace").decode()
            case _:
                body[wire_name] = as_json(value)
    text = "&".join(part for part in (fixed, urllib.parse.urlencode(query)) if part)
    content = json.dumps(body).encode() if body else b""
    return Request(method=operation.http.method, path=path, query=text, headers=headers, body=content)


def check(operation: Operation, response: Response) -> None:
    """The answer is a success, or an error that the operation may have."""
    if response.status < 300:
        return
    assert 400 <= response.status < 500, (response.status, response.body)
    code = response.headers["x-amzn-ErrorType"].partition(":")[0]
    assert code in COMMON | {error.shape for error in operation.errors}, (code, response.body)
    assert b"Traceback" not in response.body
    assert {"message", "Message"} & json.loads(response.body).keys()


@pytest.mark.parametrize("name", OPERATIONS)
@_settings
@given(data=st.data())
def test_valid_input_meets_an_answer(name: str, server: Server, data: st.DataObject) -> None:
    """An input that satisfies the model is answered, or refused with an error that the operation has."""
    operation = MODEL.operations[name]
    values = data.draw(INPUTS.valid(operation))
    check(operation, server.ask(request_for(MODEL, operation, values)))


@pytest.mark.parametrize("name", OPERATIONS)
@_settings
@given(data=st.data())
def test_spoiled_input_meets_an_error(name: str, server: Server, data: st.DataObject) -> None:
    """An input with something wrong in it is refused with a modelled error, or answered if that changed nothing."""
    operation = MODEL.operations[name]
    values = data.draw(INPUTS.spoiled(operation))
    check(operation, server.ask(request_for(MODEL, operation, values)))


@pytest.mark.parametrize("name", OPERATIONS)
@_settings
@given(body=st.binary(max_size=60) | st.sampled_from([b"null", b"[]", b"1", b"{", b'"x"', b'{"a":1}' * 3, b"\xff"]))
def test_any_body_meets_an_error(name: str, server: Server, body: bytes) -> None:
    """Whatever bytes stand where JSON should, the answer is an error of the protocol and never a 5xx."""
    operation = MODEL.operations[name]
    path = operation.http.request_uri.partition("?")[0].replace("{", "x").replace("+}", "").replace("}", "")
    request = Request(method=operation.http.method, path=path, query="", headers={"host": "127.0.0.1:9"}, body=body)
    check(operation, server.ask(request))
