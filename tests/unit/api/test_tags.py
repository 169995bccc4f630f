"""Tags of functions: they belong to the function, not to its configuration."""

from typing import Any

import pytest
from api_bench import ARN, ROLE, Bench, make_zip


async def tags_of(bench: Bench) -> dict[str, str]:
    """What both operations that show tags agree on."""
    listed = (await bench.call("ListTags", Resource=ARN))["Tags"]
    assert (await bench.call("GetFunction", FunctionName="f")).get("Tags", {}) == listed
    return listed


def test_tags_are_added_replaced_and_taken_away(bench: Bench) -> None:
    """Tags given at creation and later are one set; unknown keys can be taken away too; the last leaves none."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Tags={"a": "1", "b": "2"})
        assert await tags_of(bench) == {"a": "1", "b": "2"}
        assert await bench.call("TagResource", Resource=ARN, Tags={"b": "3", "c": ""}) == {}
        assert await tags_of(bench) == {"a": "1", "b": "3", "c": ""}
        assert await bench.call("UntagResource", Resource=ARN, TagKeys=["a", "b", "never"]) == {}
        assert await tags_of(bench) == {"c": ""}
        await bench.call("UntagResource", Resource=ARN, TagKeys=["c"])
        assert await tags_of(bench) == {}
        assert "Tags" not in await bench.call("GetFunction", FunctionName="f")

    bench.run(scenario)


def test_tagging_changes_nothing_else(bench: Bench) -> None:
    """A tagged function keeps its revision and its place in the router, and there is nothing new to publish."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created()
        first = await bench.call("PublishVersion", FunctionName="f")
        told = len(bench.router.history)
        await bench.call("TagResource", Resource=ARN, Tags={"a": "1"})
        assert await bench.settle() == before
        assert await bench.call("PublishVersion", FunctionName="f") == first
        assert len(bench.router.history) == told

    bench.run(scenario)


def test_versions_show_the_tags_of_their_function(bench: Bench) -> None:
    """GetFunction of a version answers with the function's tags of today."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.call("TagResource", Resource=ARN, Tags={"a": "1"})
        assert (await bench.call("GetFunction", FunctionName="f", Qualifier="1"))["Tags"] == {"a": "1"}

    bench.run(scenario)


def test_tags_survive_a_restart_and_go_with_the_function(bench: Bench) -> None:
    """Another life of the process has the tags; a function created anew under the same name has none."""

    async def first(bench: Bench) -> None:
        await bench.created()
        await bench.call("TagResource", Resource=ARN, Tags={"a": "1"})

    async def second(bench: Bench) -> None:
        assert await tags_of(bench) == {"a": "1"}
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        assert await tags_of(bench) == {}

    bench.run(first, second)


def test_there_are_fifty_tags_at_most(bench: Bench) -> None:
    """The fifty-first tag is refused, at creation and later, and leaves the others as they were."""
    message = "Number of tags exceeds resource tag limit."
    fifty = {f"k{number}": "v" for number in range(50)}

    async def scenario(bench: Bench) -> None:
        given = {"Runtime": "python3.12", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": make_zip()}}
        tags = {**fifty, "more": "v"}
        refused = await bench.refused(
            "CreateFunction", "InvalidParameterValueException", FunctionName="f", Tags=tags, **given
        )
        assert refused == message
        await bench.created(Tags=fifty)
        refused = await bench.refused("TagResource", "InvalidParameterValueException", Resource=ARN, Tags={"more": "v"})
        assert refused == message
        await bench.call("TagResource", Resource=ARN, Tags={"k0": "new"})
        assert await tags_of(bench) == {**fifty, "k0": "new"}

    bench.run(scenario)


@pytest.mark.parametrize(
    ("resource", "tags", "message"),
    [
        (ARN, {"aws:x": "v"}, "aws: prefixed tag key names are not allowed for external use."),
        (ARN, {"AWS:x": "v"}, "aws: prefixed tag key names are not allowed for external use."),
        (ARN, {}, "An error occurred and the request cannot be processed."),
        (f"{ARN}:1", {"a": "b"}, "Tags on function aliases and versions are not supported. Please specify a function ARN."),
        (
            "arn:aws:lambda:us-east-1:000000000000:network-connector:n",
            {"a": "b"},
            "midge does not support tags of the resource type network-connector yet.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_tagged_is_refused(bench: Bench, resource: str, tags: dict[str, str], message: str) -> None:
    """Keys that are AWS's own, no tags, qualified ARNs and other resources are refused, each in its words."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        refused = await bench.refused("TagResource", "InvalidParameterValueException", Resource=resource, Tags=tags)
        assert refused == message
        assert await tags_of(bench) == {}

    bench.run(scenario)


@pytest.mark.parametrize(
    ("operation", "values"),
    [("TagResource", {"Tags": {"a": "b"}}), ("UntagResource", {"TagKeys": ["a"]}), ("ListTags", {})],
)
def test_an_unknown_function_has_no_tags(bench: Bench, operation: str, values: dict[str, Any]) -> None:
    """Every operation on tags of a function that is not there is a ResourceNotFoundException with its ARN."""

    async def scenario(bench: Bench) -> None:
        message = await bench.refused(operation, "ResourceNotFoundException", Resource=ARN, **values)
        assert message == f"Function not found: {ARN}"

    bench.run(scenario)
