"""Functions with layers: which they may have, what is shown of them, and how long what they need stays."""

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from api_bench import CONTEXT, ROLE, Bench, make_zip

from midge.blobs.digests import code_of, layers_name
from midge.model.functions import FunctionId

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer"
ONE, TWO = make_zip(b"one"), make_zip(b"two")
DIGESTS = [code_of(data).digest for data in (ONE, TWO)]
BOTH = layers_name(DIGESTS)
FUNCTION = code_of(make_zip()).digest


def creation(**values: Any) -> dict[str, Any]:
    return {
        "FunctionName": "f", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": make_zip()},
        **values,
    }  # fmt: skip


async def two_layers(bench: Bench) -> list[str]:
    """ARNs of the first versions of the layers one and two."""
    published = [await bench.publish_layer(name, data) for name, data in (("one", ONE), ("two", TWO))]
    return [each["LayerVersionArn"] for each in published]


def directories(bench: Bench) -> set[str]:
    return {path.name for path in (bench.directory / "packages").iterdir() if path.is_dir()}


def arns(configuration: dict[str, Any]) -> list[str]:
    return [layer["Arn"] for layer in configuration.get("Layers", [])]


def test_layers_are_shown_wherever_a_function_is(bench: Bench) -> None:
    """Creation, getting, listing and published versions show ARN and size, in order; without layers there is no member."""

    async def scenario(bench: Bench) -> None:
        layers = await two_layers(bench)
        shown = [{"Arn": arn, "CodeSize": len(data)} for arn, data in zip(layers, (ONE, TWO), strict=True)]
        assert "Layers" not in await bench.created("bare")
        assert (await bench.create(Layers=layers))["Layers"] == shown
        assert (await bench.settle())["Layers"] == shown
        published = await bench.call("PublishVersion", FunctionName="f")
        assert published["Layers"] == shown
        listing = await bench.call("ListVersionsByFunction", FunctionName="f")
        assert [version["Layers"] for version in listing["Versions"]] == [shown, shown]
        assert (await bench.call("GetFunction", FunctionName="f"))["Configuration"]["Layers"] == shown

    bench.run(scenario)


def test_an_update_replaces_the_list(bench: Bench) -> None:
    """Layers given are all that the function then has; not given they stay; an empty list takes them away."""

    async def scenario(bench: Bench) -> None:
        one, two = await two_layers(bench)
        await bench.created(Layers=[one, two])
        for values, expected in (
            ({"Description": "d"}, [one, two]),
            ({"Layers": [two, one]}, [two, one]),
            ({"Layers": [two]}, [two]),
            ({"Layers": []}, []),
            ({"Layers": [one]}, [one]),
        ):
            answer = await bench.call("UpdateFunctionConfiguration", FunctionName="f", **values)
            assert arns(answer) == expected
            assert arns(await bench.settle()) == expected
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))
        assert arns(await bench.settle()) == [one]

    bench.run(scenario)


def test_other_layers_are_another_version(bench: Bench) -> None:
    """PublishVersion repeats a version only if the layers are the same, in the same order."""

    async def scenario(bench: Bench) -> None:
        one, two = await two_layers(bench)
        await bench.created(Layers=[one, two])
        numbers: list[str] = []
        for layers in ([one, two], [two, one], [two, one], [one], []):
            await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=layers)
            await bench.settle()
            numbers.append((await bench.call("PublishVersion", FunctionName="f"))["Version"])
        assert numbers == ["1", "2", "2", "3", "4"]

    bench.run(scenario)


def test_layers_are_there_before_a_function_is_active(bench: Bench) -> None:
    """The router gets the directory in which the layers lie over each other, later ones on top, once it is whole."""

    async def scenario(bench: Bench) -> None:
        layers = await two_layers(bench)
        await bench.created(Layers=layers)
        arn = FunctionId(account=CONTEXT.account, region=CONTEXT.region, name="f").qualified_arn("$LATEST")
        root = bench.router.layers_roots[arn]
        assert root == bench.directory / "packages" / BOTH
        assert root is not None
        assert (root / "app.py").read_bytes() == b"two"
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=layers[::-1])
        await bench.settle()
        reversed_root = bench.router.layers_roots[arn]
        assert reversed_root is not None
        assert (reversed_root / "app.py").read_bytes() == b"one"
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=layers[:1])
        await bench.settle()
        assert bench.router.layers_roots[arn] == bench.directory / "packages" / layers_name(DIGESTS[:1])
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
        await bench.settle()
        assert bench.router.layers_roots[arn] is None

    bench.run(scenario)


@pytest.mark.parametrize(
    ("layers", "code", "message"),
    [
        (
            [f"{LAYER}:x{number}:1" for number in range(6)],
            "InvalidParameterValueException",
            "Cannot reference more than 5 layers.",
        ),
        (
            [f"{LAYER}:one:1", f"{LAYER}:two:1", f"{LAYER}:one:2"],
            "InvalidParameterValueException",
            (
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{LAYER}:one:1 and {LAYER}:one:2 are versions of the same layer."
            ),
        ),
        (
            [f"{LAYER}:one:1", f"{LAYER}:one:1"],
            "InvalidParameterValueException",
            (
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{LAYER}:one:1 and {LAYER}:one:1 are versions of the same layer."
            ),
        ),
        ([f"{LAYER}:one:9"], "InvalidParameterValueException", f"Layer version {LAYER}:one:9 does not exist."),
        ([f"{LAYER}:none:1"], "InvalidParameterValueException", f"Layer version {LAYER}:none:1 does not exist."),
        (
            ["arn:aws:lambda:eu-west-1:000000000000:layer:one:1"],
            "InvalidParameterValueException",
            "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
        ),
        (
            ["arn:aws:lambda:us-east-1:111111111111:layer:one:1"],
            "AccessDeniedException",
            (
                "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: "
                "arn:aws:lambda:us-east-1:111111111111:layer:one:1 because no resource-based policy allows the "
                "lambda:GetLayerVersion action"
            ),
        ),
        (
            ["arn:aws:lambda:eu-west-1:111111111111:layer:one:1"],
            "AccessDeniedException",
            (
                "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: "
                "arn:aws:lambda:eu-west-1:111111111111:layer:one:1 because no resource-based policy allows the "
                "lambda:GetLayerVersion action"
            ),
        ),
        (
            ["arn:aws:lambda:::awslayer:AmazonLinux1803"],
            "InvalidParameterValueException",
            "midge does not support the layer arn:aws:lambda:::awslayer:AmazonLinux1803 yet.",
        ),
    ],
)
def test_layers_that_a_function_cannot_have(bench: Bench, layers: list[str], code: str, message: str) -> None:
    """Creation and update refuse them in AWS's words, and nothing is made or changed."""

    async def scenario(bench: Bench) -> None:
        await two_layers(bench)
        await bench.publish_layer("one", TWO)
        assert await bench.refused("CreateFunction", code, **creation(Layers=layers)) == message
        assert (await bench.call("ListFunctions"))["Functions"] == []
        before = await bench.created(Layers=[f"{LAYER}:two:1"])
        values = {"FunctionName": "f", "Layers": layers}
        assert await bench.refused("UpdateFunctionConfiguration", code, **values) == message
        assert await bench.call("GetFunctionConfiguration", FunctionName="f") == before

    bench.run(scenario)


def test_a_layer_may_bring_external_extensions(bench: Bench) -> None:
    """A layer with files in ``extensions`` can be published, and a function can have it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("extensions/watcher", "#!/bin/sh")

    async def scenario(bench: Bench) -> None:
        arn = (await bench.publish_layer(data=buffer.getvalue()))["LayerVersionArn"]
        created = await bench.created(Layers=[arn])
        assert [layer["Arn"] for layer in created["Layers"]] == [arn]

    bench.run(scenario)


@pytest.mark.parametrize(
    ("code", "sizes", "message"),
    [
        (400, (300, 300), None),
        (
            401,
            (300, 300),
            (
                "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. "
                "The actual size is 1001 bytes."
            ),
        ),
        (1, (501, 500), "Layers consume more than the available size of 1000 bytes"),
    ],
)
def test_function_and_layers_have_one_limit(
    bench: Bench, code: int, sizes: tuple[int, int], message: str | None
) -> None:
    """What they are unzipped counts together: at creation, when layers are added and when the code changes."""
    bench.limits = replace(bench.limits, package_unzipped_bytes=1_000)

    async def scenario(bench: Bench) -> None:
        layers = [
            (await bench.publish_layer(f"l{number}", make_zip(bytes(size))))["LayerVersionArn"]
            for number, size in enumerate(sizes)
        ]
        data = make_zip(bytes(code))
        if message is None:
            await bench.created(Code={"ZipFile": data}, Layers=layers)
            return
        invalid = "InvalidParameterValueException"
        values = creation(Code={"ZipFile": data}, Layers=layers)
        assert await bench.refused("CreateFunction", invalid, **values) == message
        await bench.created(Code={"ZipFile": data})
        values = {"FunctionName": "f", "Layers": layers}
        assert await bench.refused("UpdateFunctionConfiguration", invalid, **values) == message
        if message.startswith("Function"):
            await bench.created("g", Layers=layers)
            for dry in (True, False):
                values = {"FunctionName": "g", "ZipFile": data, "DryRun": dry}
                assert await bench.refused("UpdateFunctionCode", invalid, **values) == message

    bench.run(scenario)


def test_what_a_function_needs_outlives_its_layers(bench: Bench) -> None:
    """Zips and directory stay while any version has them, over restarts, and go some time after the last."""

    async def scenario(bench: Bench) -> None:
        layers = await two_layers(bench)
        await bench.created(Layers=layers)
        await bench.call("PublishVersion", FunctionName="f")
        for name in ("one", "two"):
            await bench.call("DeleteLayerVersion", LayerName=name, VersionNumber=1)
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
        await bench.settle()
        bench.clock.advance(10_000)
        await bench.quiet()
        assert directories(bench) == {FUNCTION, BOTH}

    async def restarted(bench: Bench) -> None:
        assert directories(bench) == {FUNCTION, BOTH}
        assert await bench.blobs.digests() == {FUNCTION, *DIGESTS}
        await bench.call("DeleteFunction", FunctionName="f", Qualifier="1")
        bench.clock.advance(10_000)
        await bench.quiet()
        assert directories(bench) == {FUNCTION}
        assert await bench.blobs.digests() == {FUNCTION}

    bench.run(scenario, restarted)


def test_every_change_is_counted_once(bench: Bench) -> None:
    """However often layers and code change, what nothing has any more goes and what something has stays."""

    async def scenario(bench: Bench) -> None:
        one, two = await two_layers(bench)
        await bench.created(Layers=[one, two])
        for number in range(3):
            for layers in ([two], [one, two], [two, one]):
                await bench.call("UpdateFunctionConfiguration", FunctionName="f", Layers=layers)
                await bench.settle()
            await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"%d" % number))
            await bench.settle()
        await bench.refused(
            "UpdateFunctionConfiguration", "PreconditionFailedException", FunctionName="f", RevisionId="x"
        )
        bench.clock.advance(10_000)
        await bench.quiet()
        code = code_of(make_zip(b"2")).digest
        assert directories(bench) == {code, layers_name(DIGESTS[::-1])}
        assert await bench.blobs.digests() == {code, *DIGESTS}
        await bench.call("DeleteFunction", FunctionName="f")
        bench.clock.advance(10_000)
        await bench.quiet()
        assert directories(bench) == set()
        assert await bench.blobs.digests() == set(DIGESTS)  # the layer versions are still there

    bench.run(scenario)


def test_a_lost_layer_keeps_only_its_function_from_running(bench: Bench) -> None:
    """When a layer's zip is gone, its function fails for a reason that is told; others start."""

    async def scenario(bench: Bench) -> None:
        layers = await two_layers(bench)
        await bench.blobs.delete(DIGESTS[0])
        failed = await bench.created(Layers=layers)
        assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "InvalidZipFileException")
        assert (await bench.created("g", Layers=layers[1:]))["State"] == "Active"

    bench.run(scenario)
