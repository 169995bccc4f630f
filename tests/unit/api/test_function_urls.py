"""Function URLs: addresses of functions and of their aliases, as AWS configures them."""

import re
from dataclasses import replace
from typing import Any

import pytest
import structlog
from api_bench import ARN, CONTEXT, Bench

from midge.api.url_directory import UrlDirectory
from midge.model.function_urls import FunctionUrl
from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.store.memory import MemoryStore
from midge.wire.model import load_service_model

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"


async def create(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("CreateFunctionUrlConfig", FunctionName=name, **{"AuthType": "NONE", **values})


async def get(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("GetFunctionUrlConfig", FunctionName=name, **values)


async def update(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("UpdateFunctionUrlConfig", FunctionName=name, **values)


async def with_alias(bench: Bench) -> None:
    await bench.created(Publish=True)
    await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")


def test_a_url_is_created_as_on_aws(bench: Bench) -> None:
    """The answer has an address of 32 letters and digits at the caller's port, the defaults and the time, and no more."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        answer = await create(bench)
        pattern = r"http://[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:9000/"
        assert re.fullmatch(pattern, answer.pop("FunctionUrl"))
        assert answer == {
            "FunctionArn": ARN, "AuthType": "NONE", "InvokeMode": "BUFFERED", "CreationTime": "2027-01-15T08:00:00.000000Z",
        }  # fmt: skip

    bench.run(scenario)


def test_what_is_created_comes_back(bench: Bench) -> None:
    """Get answers what was sent, with the time of the last change, in another life of the process too."""
    cors = {
        "AllowCredentials": True, "AllowHeaders": ["X-A", "*"], "AllowMethods": ["GET", "*"],
        "AllowOrigins": ["*"], "ExposeHeaders": ["Date"], "MaxAge": 86_400,
    }  # fmt: skip
    answers: list[dict[str, Any]] = []

    async def first(bench: Bench) -> None:
        await bench.created()
        answers.append(await create(bench, AuthType="AWS_IAM", Cors=cors, InvokeMode="RESPONSE_STREAM"))
        assert answers[0]["Cors"] == cors

    async def second(bench: Bench) -> None:
        expected = {**answers[0], "LastModifiedTime": answers[0]["CreationTime"]}
        assert await get(bench) == expected
        assert await get(bench, ARN) == expected

    bench.run(first, second)


def test_updates_change_what_they_name(bench: Bench) -> None:
    """The address and the creation stay; an empty Cors takes the settings away, and Cors is replaced as a whole."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        before = await create(bench, Cors={"AllowOrigins": ["*"], "MaxAge": 5})
        bench.clock.advance(1.5)
        changed = await update(bench, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
        assert changed == {
            **before, "AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM",
            "LastModifiedTime": "2027-01-15T08:00:01.500000Z",
        }  # fmt: skip
        assert (await update(bench, Cors={"MaxAge": 6}))["Cors"] == {"MaxAge": 6}
        assert "Cors" not in await update(bench, Cors={})
        assert "Cors" not in await get(bench)

    bench.run(scenario)


def test_function_and_aliases_have_urls_of_their_own(bench: Bench) -> None:
    """Each has one, named in any form, and it goes with its own: a new alias of that name has none."""

    async def scenario(bench: Bench) -> None:
        await with_alias(bench)
        plain, live = await create(bench), await create(bench, "f:live")
        assert (plain["FunctionArn"], live["FunctionArn"]) == (ARN, f"{ARN}:live")
        assert plain["FunctionUrl"] != live["FunctionUrl"]
        assert (await get(bench, Qualifier="live"))["FunctionUrl"] == live["FunctionUrl"]
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await bench.refused("GetFunctionUrlConfig", NOT_FOUND, FunctionName="f", Qualifier="live")
        assert (await create(bench, "f:live"))["FunctionUrl"] != live["FunctionUrl"]
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        await bench.refused("GetFunctionUrlConfig", NOT_FOUND, FunctionName="f")

    bench.run(scenario)


def test_there_is_one_url_each(bench: Bench) -> None:
    """A second one is a conflict in AWS's words, spaces and all."""

    async def scenario(bench: Bench) -> None:
        await with_alias(bench)
        for name, arn in (("f", ARN), ("f:live", f"{ARN}:live")):
            await create(bench, name)
            message = await bench.refused(
                "CreateFunctionUrlConfig", "ResourceConflictException", FunctionName=name, AuthType="NONE"
            )
            assert message == (
                f"Failed to create function url config for [functionArn = {arn}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )

    bench.run(scenario)


@pytest.mark.parametrize("name", ["g", "f:live", "f:1", "f:$LATEST"])
def test_only_functions_and_aliases_have_urls(bench: Bench, name: str) -> None:
    """A function or an alias that is not there, a version and $LATEST cannot have one."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        message = await bench.refused("CreateFunctionUrlConfig", NOT_FOUND, FunctionName=name, AuthType="NONE")
        assert message == "Function does not exist"

    bench.run(scenario)


@pytest.mark.parametrize("operation", ["GetFunctionUrlConfig", "UpdateFunctionUrlConfig", "DeleteFunctionUrlConfig"])
def test_what_is_not_there_says_so(bench: Bench, operation: str) -> None:
    """Without a URL there is none to look at, change or delete, whether the function exists or not."""

    async def scenario(bench: Bench) -> None:
        await with_alias(bench)
        for name in ("f", "f:live", "g"):
            message = await bench.refused(operation, NOT_FOUND, FunctionName=name)
            assert message == "The resource you requested does not exist."

    bench.run(scenario)


def test_a_url_is_deleted(bench: Bench) -> None:
    """Deletion takes one URL and leaves the others; the next one has another address."""

    async def scenario(bench: Bench) -> None:
        await with_alias(bench)
        first = await create(bench)
        await create(bench, "f:live")
        assert await bench.call("DeleteFunctionUrlConfig", FunctionName="f") == {}
        await bench.refused("GetFunctionUrlConfig", NOT_FOUND, FunctionName="f")
        await get(bench, "f:live")
        assert (await create(bench))["FunctionUrl"] != first["FunctionUrl"]

    bench.run(scenario)


@pytest.mark.parametrize(
    ("cors", "words"),
    [
        ({"AllowMethods": ["FETCH"]}, "Cors.AllowMethods: FETCH is not one of *, DELETE, GET, HEAD, PATCH, POST, PUT."),
        ({"AllowMethods": ["get"]}, "Cors.AllowMethods: get is not one of"),
        ({"AllowHeaders": ["a b"]}, "Cors.AllowHeaders: 'a b' is not the name of a header."),
        ({"ExposeHeaders": [""]}, "Cors.ExposeHeaders: '' is not the name of a header."),
        ({"ExposeHeaders": ["a\n"]}, "is not the name of a header."),
    ],
)
def test_cors_is_checked(bench: Bench, cors: dict[str, Any], words: str) -> None:
    """Methods that cannot be allowed and names that no header has are refused, at creation and at an update."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        assert words in await bench.refused(
            "CreateFunctionUrlConfig", INVALID, FunctionName="f", AuthType="NONE", Cors=cors
        )
        await create(bench)
        assert words in await bench.refused("UpdateFunctionUrlConfig", INVALID, FunctionName="f", Cors=cors)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("base_url", "end"),
    [
        ("http://localhost:9000", ".localhost:9000/"),
        ("http://127.0.0.1:4566", ".localhost:4566/"),
        ("http://midge.example.com", ".localhost/"),
        ("http://[::1]:65535", ".localhost:65535/"),
        ("http://host:port", ".localhost/"),
    ],
)
def test_the_address_is_at_the_callers_port(bench: Bench, base_url: str, end: str) -> None:
    """The same URL has the port by which each caller reaches midge, and always a length that the service model allows."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await create(bench)
        context = replace(CONTEXT, base_url=base_url)
        found = await bench.api.handle("GetFunctionUrlConfig", {"FunctionName": "f"}, context)
        assert found["FunctionUrl"].endswith(end)
        shape = load_service_model("lambda").shapes["FunctionUrl"]
        assert shape.min is not None
        assert shape.max is not None
        assert shape.min <= len(found["FunctionUrl"]) <= shape.max

    bench.run(scenario)


def test_listings_are_paged(bench: Bench) -> None:
    """The function's own URL first, then its aliases' by name, page by page; another function's are not among them."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.created("g")
        await create(bench, "g")
        for name in "cab":
            await bench.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion="1")
            await create(bench, f"f:{name}")
        await create(bench)
        found: list[str] = []
        marker = None
        while True:
            page = await bench.call("ListFunctionUrlConfigs", FunctionName="f", MaxItems=3, Marker=marker)
            found += [each["FunctionArn"] for each in page["FunctionUrlConfigs"]]
            if (marker := page.get("NextMarker")) is None:
                break
        assert found == [ARN, f"{ARN}:a", f"{ARN}:b", f"{ARN}:c"]
        assert await bench.refused("ListFunctionUrlConfigs", NOT_FOUND, FunctionName="h") == "Function does not exist"

    bench.run(scenario)


def test_nothing_of_a_url_is_only_kept(bench: Bench) -> None:
    """Strict mode takes every setting, and midge's log has nothing to say of them."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        with structlog.testing.capture_logs() as logs:
            await create(bench, InvokeMode="RESPONSE_STREAM", Cors={"AllowOrigins": ["*"]})
            await update(bench, AuthType="AWS_IAM")
        assert not [entry for entry in logs if entry["event"] == "kept_without_effect"]

    bench.strict = True
    bench.run(scenario)


def test_calls_find_a_url_as_it_is_now(bench: Bench) -> None:
    """What was found is remembered until it is changed or goes, with its function or alias too."""

    async def found(bench: Bench, answer: dict[str, Any]) -> str | None:
        url_id = answer["FunctionUrl"].removeprefix("http://").partition(".")[0]
        url = await bench.api.urls.find(url_id)
        assert bench.api.urls.known(url_id) == url
        return None if url is None else url.auth_type

    async def scenario(bench: Bench) -> None:
        await with_alias(bench)
        own, alias = await create(bench), await create(bench, Qualifier="live")
        assert (await found(bench, own), await found(bench, alias)) == ("NONE", "NONE")
        await update(bench, AuthType="AWS_IAM")
        assert (await found(bench, own), await found(bench, alias)) == ("AWS_IAM", "NONE")
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        assert (await found(bench, own), await found(bench, alias)) == ("AWS_IAM", None)
        await bench.call("DeleteFunctionUrlConfig", FunctionName="f")
        assert await found(bench, own) is None
        again = await create(bench)
        assert await found(bench, again) == "NONE"
        await bench.call("DeleteFunction", FunctionName="f")
        assert await found(bench, again) is None

    bench.run(scenario)


def test_what_changes_while_it_is_looked_up_is_not_remembered(bench: Bench) -> None:
    """A look-up that began before a change does not put the former state back; no more are kept than the limit."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        url_id = (await create(bench))["FunctionUrl"].removeprefix("http://").partition(".")[0]
        directory = UrlDirectory(bench.store, Limits(function_urls_remembered=1))
        looking = directory.find(url_id)
        directory.forget(FunctionId(account="000000000000", region="us-east-1", name="other"))
        assert await looking is not None
        assert directory.known(url_id) is not None

        class Slow(MemoryStore):
            async def function_url(self, url_id: str) -> FunctionUrl | None:
                found = await bench.store.function_url(url_id)
                slow.forget(FunctionId(account="000000000000", region="us-east-1", name="f"))
                return found

        slow = UrlDirectory(Slow(), Limits())
        assert await slow.find(url_id) is not None
        assert slow.known(url_id) is None

    bench.run(scenario)
