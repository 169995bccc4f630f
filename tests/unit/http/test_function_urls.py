"""Function URLs over the bytes of a connection, down to fake runtimes."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from unit.site import Answer, Site, on_site, request
from unit.world import FUNCTION, VERSION

from midge.model.function_urls import FunctionUrl
from midge.model.functions import Alias
from midge.model.limits import Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox

ID = "a0" * 16
NAME = f"{ID}.lambda-url.eu-west-1.localhost"
HOST = f"Host: {NAME}:4566"


def returning(payload: bytes) -> FakeSandbox:
    def reply(runtime: FakeRuntime, event: Event) -> None:
        del event
        runtime.respond(payload, then_next=True)

    return FakeSandbox(reply)


def failing() -> FakeSandbox:
    return FakeSandbox(lambda runtime, event: runtime.fail("Error", b'{"errorType":"Error"}'))


URL = FunctionUrl(function=FUNCTION, alias=None, url_id=ID, auth_type="NONE", creation_time="c", last_modified_time="l")


async def create(site: Site, **changes: Any) -> FunctionUrl:
    """A function URL of the world's function, or what it is changed to."""
    if await site.store.version(FUNCTION, "$LATEST") is None:
        await site.store.create_function(VERSION)
    url = replace(URL, **changes)
    await site.store.put_resource(url)
    site.urls.forget(FUNCTION)
    return url


def seen(site: Site) -> dict[str, Any]:
    """The event that the function got last."""
    return json.loads(site.world.runtime.events[-1].payload)


async def get(site: Site, target: str = "/", *headers: str, method: str = "GET") -> Answer:
    return await site.ask(request(target, b"", HOST, *headers, method=method))


@pytest.mark.parametrize(
    ("target", "headers"),
    [("/a/b?c=d", (HOST,)), (f"/_midge/function-urls/{ID}/a/b?c=d", ("Host: 127.0.0.1:4566",))],
)
def test_a_function_url_answers(tmp_path: Path, target: str, headers: tuple[str, ...]) -> None:
    """By its name and by its path the function gets the request as an event, and its return value is the answer."""

    async def scenario(site: Site) -> None:
        await create(site)
        for _ in range(2):  # looked up, then remembered
            answer = await site.ask(request(target, b'{"x":1}', *headers, "Content-Type: application/json"))
            assert (answer.status, json.loads(answer.body)) == (200, seen(site))
            assert seen(site)["requestContext"]["requestId"] == answer.headers["x-amzn-requestid"]
            assert answer.headers["content-type"] == "application/json"
        event = seen(site)
        assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/a/b", "c=d", '{"x":1}')
        assert event["requestContext"]["domainName"] == NAME
        assert event["requestContext"]["http"]["protocol"] == "HTTP/1.1"

    on_site(tmp_path, scenario)


def test_an_answer_is_what_the_function_says(tmp_path: Path) -> None:
    """Status, headers and every cookie of its own reach the client."""
    payload = {"statusCode": 418, "headers": {"X-A": "1"}, "cookies": ["a=1", "b=2"], "body": "tea"}

    async def scenario(site: Site) -> None:
        await create(site)
        site.send(request("/", b"", HOST, method="GET"))
        await site.world.settle()
        head, _, body = site.transport.written.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 418 I'm a Teapot"
        assert {b"X-A: 1", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Content-Length: 3"} <= set(lines)
        assert body == b"tea"

    on_site(tmp_path, scenario, returning(json.dumps(payload).encode()))


def test_head_and_no_content_have_no_body(tmp_path: Path) -> None:
    """The answer to HEAD, and a 204, end with their head; the connection goes on."""

    async def scenario(site: Site) -> None:
        await create(site)
        site.send(request("/", b"", HOST, method="HEAD"))
        await site.world.settle()
        assert site.transport.written.endswith(b"\r\n\r\n")
        assert b"Content-Length: 4\r\n" in site.transport.written
        assert not site.transport.closed

    on_site(tmp_path, scenario, returning(b'"hi"'))


@pytest.mark.parametrize("sandbox", [failing(), returning(b"no json"), returning(b'{"statusCode": "x"}')])
def test_a_fault_of_the_function_is_a_bad_gateway(tmp_path: Path, sandbox: FakeSandbox) -> None:
    """An error, or an answer that is none, is a 502 with AWS's body; nothing of the error leaks."""

    async def scenario(site: Site) -> None:
        await create(site)
        answer = await get(site)
        assert (answer.status, answer.body) == (502, b"Internal Server Error")

    on_site(tmp_path, scenario, sandbox)


def test_an_unknown_function_url_is_not_found(tmp_path: Path) -> None:
    """An id that nobody has, or has in another region, is a 404; one that is deleted becomes one."""

    async def scenario(site: Site) -> None:
        url = await create(site)
        assert (await get(site)).status == 200
        for host in (HOST.replace("a0a0", "b0b0"), HOST.replace("eu-west-1", "us-east-1")):
            answer = await site.ask(request("/", b"", host, method="GET"))
            assert (answer.status, answer.document()) == (404, {"Message": "Not Found"})
        assert (await site.ask(request("/_midge/function-urls/x/", b"", method="GET"))).status == 404
        await site.store.delete_resource(FunctionUrl, url.place)
        site.urls.forget(FUNCTION)
        assert (await get(site)).status == 404

    on_site(tmp_path, scenario)


def test_throttled_calls_are_told_so(tmp_path: Path) -> None:
    """With no concurrency left the answer is a 429, readable by the pages that may read the others."""

    async def scenario(site: Site) -> None:
        await create(site, cors={"AllowOrigins": ["*"]})
        site.world.router.reserve(FUNCTION, 0)
        answer = await get(site, "/", "Origin: https://a.test")
        assert answer.status == 429
        assert answer.headers["access-control-allow-origin"] == "*"

    on_site(tmp_path, scenario)


@pytest.mark.parametrize(("size", "kind"), [(2_000, "text/plain"), (900, "image/png")])
def test_an_event_above_the_limit_is_refused(tmp_path: Path, size: int, kind: str) -> None:
    """A body above the limit, or one whose event is, in base64 say, is a 413 and runs nothing."""

    async def scenario(site: Site) -> None:
        await create(site)
        answer = await site.ask(request("/", b"x" * size, HOST, f"Content-Type: {kind}"))
        assert answer.status == 413
        assert not site.world.sandbox.runtimes

    on_site(tmp_path, scenario, limits=Limits(payload_bytes=1_500))


def test_an_alias_has_a_url_of_its_own(tmp_path: Path) -> None:
    """What runs is what the alias points at, and the function sees that it was called by it."""

    async def scenario(site: Site) -> None:
        site.world.put(version="1")
        alias = Alias(function=FUNCTION, name="live", version="1", revision_id="a")
        site.world.router.put_alias(alias)
        await site.store.create_function(VERSION)
        await site.store.create_alias(Alias(function=FUNCTION, name="live", version="$LATEST", revision_id="a"))
        await create(site, alias="live")
        assert (await get(site)).status == 200
        arn = site.world.runtime.events[-1].headers["lambda-runtime-invoked-function-arn"]
        assert arn == FUNCTION.qualified_arn("live")
        assert site.world.runtime.request.environment["AWS_LAMBDA_FUNCTION_VERSION"] == "1"

    on_site(tmp_path, scenario)


def test_pages_may_call_as_far_as_the_settings_allow(tmp_path: Path) -> None:
    """A preflight is answered without the function; its own CORS headers give way to the settings'."""
    cors = {"AllowOrigins": ["https://a.test"], "AllowMethods": ["PUT"], "MaxAge": 9}
    answered = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "X-A": "1"}}
    asks = ("Origin: https://a.test", "Access-Control-Request-Method: PUT")

    async def scenario(site: Site) -> None:
        await create(site, cors=cors, auth_type="AWS_IAM")
        preflight = await get(site, "/", *asks, method="OPTIONS")
        assert (preflight.status, preflight.body) == (200, b"")
        assert preflight.headers["access-control-allow-methods"] == "PUT"
        assert not site.world.sandbox.runtimes
        await create(site, cors=cors)
        answer = await get(site, "/", "Origin: https://a.test")
        assert (answer.headers["access-control-allow-origin"], answer.headers["x-a"]) == ("https://a.test", "1")
        assert "access-control-allow-origin" not in (await get(site, "/", "Origin: https://b.test")).headers

    on_site(tmp_path, scenario, returning(json.dumps(answered).encode()))


def test_without_settings_the_function_speaks_to_pages_itself(tmp_path: Path) -> None:
    """Without Cors an OPTIONS request is an event like any other, and the function's own headers stay."""
    answered = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}

    async def scenario(site: Site) -> None:
        await create(site)
        answer = await get(site, "/", "Origin: https://a.test", "Access-Control-Request-Method: PUT", method="OPTIONS")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert seen(site)["requestContext"]["http"]["method"] == "OPTIONS"

    on_site(tmp_path, scenario, returning(json.dumps(answered).encode()))


def signed(
    body: bytes = b"{}", *, key: str = "AKID", secret: str = "secret", token: str | None = None,
    region: str = "eu-west-1", service: str = "lambda", host: str = NAME, target: str = "/p%20q?b=2&a=1", query: bool = False,
) -> bytes:  # fmt: skip
    """A request as botocore signs it, at the world's time."""
    credentials = Credentials(key, secret, token)
    signer = (SigV4QueryAuth if query else SigV4Auth)(credentials, service, region)
    method, body = ("GET", b"") if query else ("POST", body)
    made = AWSRequest(method, f"http://{host}{target}", data=body, headers={"Host": host, "Content-Type": "text/plain"})
    signer.add_auth(made)
    prepared = made.prepare()
    headers: Mapping[str, str] = prepared.headers
    lines = [f"{n}: {v.decode() if isinstance(v, bytes) else v}" for n, v in headers.items() if n != "Content-Length"]
    return request(prepared.url.partition(host)[2], body, *lines, method=method)


@pytest.fixture
def at_the_worlds_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs at the time at which a world stands still."""
    now = dt.datetime.fromtimestamp(1_800_000_000, dt.UTC).replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: now)


@pytest.mark.usefixtures("at_the_worlds_time")
@pytest.mark.parametrize("query", [False, True])
def test_a_signature_opens_a_closed_url(tmp_path: Path, query: bool) -> None:
    """Under AWS_IAM a request signed by a known key, in the header or the query, is let in and the event names it."""

    async def scenario(site: Site) -> None:
        await create(site, auth_type="AWS_IAM")
        for host, target in ((NAME, "/p%20q?b=2&a=1"), ("127.0.0.1:4566", f"/_midge/function-urls/{ID}/p%20q?b=2")):
            answer = await site.ask(signed(host=host, target=target, query=query))
            assert answer.status == 200, answer.body
            assert seen(site)["rawPath"] == "/p%20q"
            iam = seen(site)["requestContext"]["authorizer"]["iam"]
            assert (iam["accessKey"], iam["accountId"]) == ("AKID", "123456789012")
            assert "authorization" not in seen(site)["headers"]

    on_site(tmp_path, scenario)


@pytest.mark.usefixtures("at_the_worlds_time")
def test_functions_sign_with_what_they_are_given(tmp_path: Path) -> None:
    """The credentials in a function's environment open a closed URL, as its account's."""

    async def scenario(site: Site) -> None:
        await create(site)
        await get(site)
        own = site.world.runtime.request.environment
        key, secret, token = (own[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"))
        await create(site, auth_type="AWS_IAM")
        answer = await site.ask(signed(key=key, secret=secret, token=token))
        assert answer.status == 200
        assert seen(site)["requestContext"]["accountId"] == FUNCTION.account
        assert (await site.ask(signed(key=key, secret=secret, token="made up"))).status == 403

    on_site(tmp_path, scenario)


@pytest.mark.usefixtures("at_the_worlds_time")
@pytest.mark.parametrize(
    "change",
    [
        {"secret": "guessed"},
        {"key": "UNKNOWN"},
        {"region": "us-east-1"},
        {"service": "execute-api"},
        {"token": "made up"},
    ],
)
def test_what_is_signed_otherwise_is_forbidden(tmp_path: Path, change: dict[str, Any]) -> None:
    """A wrong secret, an unknown key, another region or service: 403, and nothing runs."""

    async def scenario(site: Site) -> None:
        await create(site, auth_type="AWS_IAM")
        answer = await site.ask(signed(**change))
        assert (answer.status, answer.document()) == (403, {"Message": "Forbidden"})
        assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
        assert not site.world.sandbox.runtimes

    on_site(tmp_path, scenario)


@pytest.mark.usefixtures("at_the_worlds_time")
def test_without_a_signature_a_closed_url_is_forbidden(tmp_path: Path) -> None:
    """Not signed, altered after signing, or signed long ago: 403."""

    async def scenario(site: Site) -> None:
        await create(site, auth_type="AWS_IAM")
        assert (await get(site)).status == 403
        altered = signed(b"{}").replace(b"\r\n\r\n{}", b"\r\n\r\n[]")
        assert (await site.ask(altered)).status == 403
        late = signed()
        site.world.clock.advance(16 * 60)
        site.connection, site.transport = site.connect()
        assert (await site.ask(late)).status == 403

    on_site(tmp_path, scenario)
