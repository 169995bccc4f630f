"""Layers: publish, look at, list, delete; what they count for, and how long their zips stay."""

from dataclasses import replace
from typing import Any

import pytest
from api_bench import CONTEXT, Bench, make_zip

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l"
OTHER = replace(CONTEXT, account="111111111111")


async def listed(bench: Bench, **values: Any) -> list[int]:
    found = await bench.call("ListLayerVersions", LayerName="l", **values)
    return [version["Version"] for version in found["LayerVersions"]]


def test_a_version_is_answered_as_aws_answers_it(bench: Bench) -> None:
    """Publishing and both ways to get a version show the same members; what was not given is absent."""
    full: dict[str, Any] = {
        "Description": "d", "CompatibleRuntimes": ["python3.12"], "CompatibleArchitectures": ["x86_64"],
        "LicenseInfo": "MIT",
    }  # fmt: skip

    async def scenario(bench: Bench) -> None:
        data = make_zip(b"layer")
        published = await bench.publish_layer(data=data, **full)
        location = published["Content"].pop("Location")
        assert location.startswith("http://localhost:9000/_midge/code/")
        assert published == {
            "Content": {"CodeSha256": published["Content"]["CodeSha256"], "CodeSize": len(data)},
            "LayerArn": LAYER,
            "LayerVersionArn": f"{LAYER}:1",
            "CreatedDate": "2027-01-15T08:00:00.000+0000",
            "Version": 1,
            **full,
        }
        by_name = await bench.call("GetLayerVersion", LayerName="l", VersionNumber=1)
        by_arn = await bench.call("GetLayerVersionByArn", Arn=f"{LAYER}:1")
        by_layer_arn = await bench.call("GetLayerVersion", LayerName=LAYER, VersionNumber=1)
        assert by_name.pop("Content")["Location"] == location
        assert by_arn.pop("Content") == by_layer_arn.pop("Content")
        del published["Content"]
        assert by_name == by_arn == by_layer_arn == published
        bare = await bench.publish_layer("m")
        assert bare["Description"] == ""
        assert not {"CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"} & bare.keys()

    bench.run(scenario)


def test_the_link_leads_to_the_archive(bench: Bench) -> None:
    """Content.Location opens to the digest of the zip, as a function's does."""

    async def scenario(bench: Bench) -> None:
        data = make_zip(b"layer")
        location = (await bench.publish_layer(data=data))["Content"]["Location"]
        path, _, query = location.removeprefix("http://localhost:9000").partition("?")
        digest = bench.api._services.code_links.open_code_link(path, query)
        assert await bench.blobs.get(digest) == data

    bench.run(scenario)


def test_every_publication_is_a_new_version(bench: Bench) -> None:
    """The same archive again is the next number, also when the last one has been deleted."""

    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            await bench.publish_layer()
        await bench.call("DeleteLayerVersion", LayerName="l", VersionNumber=3)
        assert (await bench.publish_layer())["Version"] == 4
        assert await listed(bench) == [4, 2, 1]

    bench.run(scenario)


def test_a_layer_may_come_from_s3(bench: Bench) -> None:
    """S3Bucket, S3Key and S3ObjectVersion name the archive; an object that is not there is told in S3's words."""
    bench.objects["b", "k", "v"] = make_zip()

    async def scenario(bench: Bench) -> None:
        content = {"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "v", "S3ObjectStorageMode": "COPY"}
        published = await bench.call("PublishLayerVersion", LayerName="l", Content=content)
        assert published["Content"]["CodeSize"] == len(make_zip())
        message = await bench.refused(
            "PublishLayerVersion",
            "InvalidParameterValueException",
            LayerName="l",
            Content={"S3Bucket": "b", "S3Key": "other"},
        )
        assert "S3 Error Code: NoSuchKey." in message

    bench.run(scenario)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({}, "InvalidParameterValueException", "Please provide a source for layer content."),
        ({"ZipFile": b""}, "InvalidParameterValueException", "Uploaded file must be a non-empty zip"),
        ({"ZipFile": b"no"}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        (
            {"ZipFile": b"x", "S3Bucket": "b"},
            "InvalidParameterValueException",
            "Please do not provide other LayerVersionContent parameters",
        ),
        ({"ZipFile": bytes(301)}, "RequestEntityTooLargeException", "Request must be smaller than 400 bytes"),
        (
            {"S3Bucket": "b", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"},
            "InvalidParameterValueException",
            "midge does not support the parameter Content.S3ObjectStorageMode yet.",
        ),
        ({"ZipFile": make_zip(bytes(1_001))}, "InvalidParameterValueException", "Unzipped size must be smaller"),
    ],
)
def test_what_is_no_archive_is_refused(bench: Bench, content: dict[str, Any], code: str, message: str) -> None:
    """An archive is checked as a function's is, before anything is stored."""
    wide = "Unzipped" in message
    bench.limits = replace(bench.limits, zip_inline_bytes=9_999 if wide else 300, package_unzipped_bytes=1_000)

    async def scenario(bench: Bench) -> None:
        assert (await bench.refused("PublishLayerVersion", code, LayerName="l", Content=content)).startswith(message)
        assert (await bench.call("ListLayers"))["Layers"] == []
        assert await bench.blobs.digests() == set()

    bench.run(scenario)


def test_listings_show_the_newest_that_fits(bench: Bench) -> None:
    """ListLayers shows each layer with its newest matching version, ListLayerVersions all; both page and narrow."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer("a", CompatibleRuntimes=["python3.12"])
        await bench.publish_layer("l", CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["arm64"])
        await bench.publish_layer("l", CompatibleRuntimes=["nodejs22.x"])
        first = await bench.call("ListLayers", MaxItems=1)
        assert [item["LayerName"] for item in first["Layers"]] == ["a"]
        second = await bench.call("ListLayers", MaxItems=1, Marker=first["NextMarker"])
        assert second == {
            "Layers": [
                {
                    "LayerName": "l",
                    "LayerArn": LAYER,
                    "LatestMatchingVersion": {
                        "LayerVersionArn": f"{LAYER}:2",
                        "Version": 2,
                        "Description": "",
                        "CreatedDate": "2027-01-15T08:00:00.000+0000",
                        "CompatibleRuntimes": ["nodejs22.x"],
                    },
                }
            ]
        }
        python = await bench.call("ListLayers", CompatibleRuntime="python3.12")
        assert [item["LatestMatchingVersion"]["Version"] for item in python["Layers"]] == [1, 1]
        assert await listed(bench) == [2, 1]
        assert await listed(bench, CompatibleArchitecture="arm64") == [1]
        assert await listed(bench, CompatibleArchitecture="arm64", CompatibleRuntime="nodejs22.x") == []
        assert await listed(bench, MaxItems=1) == [2]
        assert (await bench.call("ListLayerVersions", LayerName="unknown")) == {"LayerVersions": []}
        await bench.refused("ListLayers", "InvalidParameterValueException", Marker="no")

    bench.run(scenario)


def test_a_version_that_is_not_there(bench: Bench) -> None:
    """Getting it is not found in AWS's words; deleting it succeeds; a number below 1 is refused."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        missing = "The resource you requested does not exist."
        for name, number in (("l", 2), ("m", 1)):
            values = {"LayerName": name, "VersionNumber": number}
            assert await bench.refused("GetLayerVersion", "ResourceNotFoundException", **values) == missing
            assert await bench.call("DeleteLayerVersion", **values) == {}
        by_arn = await bench.refused("GetLayerVersionByArn", "ResourceNotFoundException", Arn=f"{LAYER}:2")
        assert by_arn == missing
        for operation in ("GetLayerVersion", "DeleteLayerVersion"):
            await bench.refused(operation, "InvalidParameterValueException", LayerName="l", VersionNumber=0)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("PublishLayerVersion", {"Content": {"ZipFile": make_zip()}}),
        ("GetLayerVersion", {"VersionNumber": 1}),
        ("ListLayerVersions", {}),
        ("DeleteLayerVersion", {"VersionNumber": 1}),
    ],
)
def test_layers_of_others_are_out_of_reach(bench: Bench, operation: str, values: dict[str, Any]) -> None:
    """Another account's layer is denied, whether it exists or not; another region's is not found."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        bench.context = OTHER
        for name in ("l", "unknown"):
            layer = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}"
            message = await bench.refused(operation, "AccessDeniedException", LayerName=layer, **values)
            assert f"is not authorized to perform: lambda:{operation} on resource: {layer}" in message
        layer = "arn:aws:lambda:eu-west-1:111111111111:layer:l"
        await bench.refused(operation, "ResourceNotFoundException", LayerName=layer, **values)
        assert (await bench.call("ListLayers")) == {"Layers": []}

    bench.run(scenario)


def test_layers_count_as_stored_code(bench: Bench) -> None:
    """GetAccountSettings counts every layer version with its whole archive until it is deleted."""

    async def scenario(bench: Bench) -> None:
        size = len(make_zip(b"layer"))
        for _ in range(2):
            await bench.publish_layer()
        assert (await bench.call("GetAccountSettings"))["AccountUsage"] == {
            "TotalCodeSize": 2 * size,
            "FunctionCount": 0,
        }
        await bench.call("DeleteLayerVersion", LayerName="l", VersionNumber=1)
        assert (await bench.call("GetAccountSettings"))["AccountUsage"]["TotalCodeSize"] == size

    bench.run(scenario)


def test_an_archive_stays_as_long_as_a_version_names_it(bench: Bench) -> None:
    """Two versions share a zip; it goes some time after the second was deleted, and the next start agrees."""

    async def scenario(bench: Bench) -> None:
        for _ in range(2):
            await bench.publish_layer()
        await bench.call("DeleteLayerVersion", LayerName="l", VersionNumber=1)
        bench.clock.advance(10_000)
        await bench.quiet()
        assert len(await bench.blobs.digests()) == 1

    async def restarted(bench: Bench) -> None:
        assert len(await bench.blobs.digests()) == 1
        await bench.call("DeleteLayerVersion", LayerName="l", VersionNumber=2)
        assert len(await bench.blobs.digests()) == 1
        bench.clock.advance(10_000)
        await bench.quiet()
        assert await bench.blobs.digests() == set()

    bench.run(scenario, restarted)
