"""Functions that are container images, as the API sees them."""

import asyncio
import shutil
from typing import Any

import pytest
from api_bench import ROLE, Bench, make_zip
from harness import oci
from harness.oci import Image, file, layer

from midge.model.functions import LATEST, FunctionId

SETTINGS = {"Entrypoint": ["/app"], "Cmd": ["a"], "WorkingDir": "/w", "Env": ["A=1"]}
FIRST = oci.image(layer(file("app", b"1")), config=SETTINGS)
SECOND = oci.image(layer(file("app", b"2")), config=SETTINGS)
FUNCTION = FunctionId(account="000000000000", region="us-east-1", name="f")


@pytest.fixture
def layout(bench: Bench) -> str:
    """Two images in an OCI layout, by the names one and two."""
    return f"oci:{oci.write_layout(bench.directory / 'layout', {'one': FIRST, 'two': SECOND})}"


def creating(uri: str, **values: Any) -> dict[str, Any]:
    return {"FunctionName": "f", "PackageType": "Image", "Role": ROLE, "Code": {"ImageUri": uri}, **values}


def roots(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.directory / "images").iterdir())


def hex_of(image: Image) -> str:
    return image.digest.removeprefix("sha256:")


def test_an_image_becomes_active(bench: Bench, layout: str) -> None:
    """Creation answers Pending with the image's digest and without what zips have; then the image is unpacked."""

    async def scenario(bench: Bench) -> None:
        created = await bench.call("CreateFunction", **creating(f"{layout}:one"))
        assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
        assert (created["PackageType"], created["CodeSha256"], created["CodeSize"]) == ("Image", hex_of(FIRST), 0)
        assert not {"Runtime", "Handler", "Layers", "RuntimeVersionConfig", "ImageConfigResponse"} & created.keys()
        found = await bench.settle()
        assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Successful")
        version = bench.router.versions[FUNCTION.qualified_arn(LATEST)]
        assert version.image is not None
        assert (version.image.entry_point, version.image.command) == (("/app",), ("a",))
        assert (bench.router.roots[version.arn] / "app").read_text() == "1"

    bench.run(scenario)


def test_get_function_tells_the_image(bench: Bench, layout: str) -> None:
    """GetFunction shows the URI as it was given and the one that it was resolved to."""

    async def scenario(bench: Bench) -> None:
        await bench.call("CreateFunction", **creating(f"{layout}:one"))
        await bench.settle()
        assert (await bench.call("GetFunction", FunctionName="f"))["Code"] == {
            "RepositoryType": "ECR", "ImageUri": f"{layout}:one", "ResolvedImageUri": f"{layout}@{FIRST.digest}",
        }  # fmt: skip
        (listed,) = (await bench.call("ListFunctions"))["Functions"]
        assert (listed["PackageType"], listed["CodeSha256"]) == ("Image", hex_of(FIRST))

    bench.run(scenario)


def test_image_config_is_kept_and_replaced_whole(bench: Bench, layout: str) -> None:
    """What is set comes back, an update replaces all of it, and an empty one clears it."""

    async def scenario(bench: Bench) -> None:
        config = {"EntryPoint": ["/x"], "Command": ["b", "c"], "WorkingDirectory": "/y"}
        created = await bench.call("CreateFunction", **creating(f"{layout}:one", ImageConfig=config))
        assert created["ImageConfigResponse"] == {"ImageConfig": config}
        before = await bench.settle()
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", ImageConfig={"Command": ["d"]})
        changed = await bench.settle()
        assert changed["ImageConfigResponse"] == {"ImageConfig": {"Command": ["d"]}}
        assert changed["ConfigSha256"] != before["ConfigSha256"]
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", ImageConfig={})
        assert "ImageConfigResponse" not in await bench.settle()

    bench.run(scenario)


def test_an_update_turns_to_another_image(bench: Bench, layout: str) -> None:
    """The new image is resolved, unpacked and run; published versions keep theirs; what nobody has goes after a while."""

    async def scenario(bench: Bench) -> None:
        await bench.call("CreateFunction", **creating(f"{layout}:one", Publish=True))
        await bench.settle()
        await bench.settle(version="1")
        answer = await bench.call("UpdateFunctionCode", FunctionName="f", ImageUri=f"{layout}:two")
        assert (answer["LastUpdateStatus"], answer["CodeSha256"]) == ("InProgress", hex_of(SECOND))
        await bench.settle()
        assert (bench.router.roots[FUNCTION.qualified_arn(LATEST)] / "app").read_text() == "2"
        assert (bench.router.roots[FUNCTION.qualified_arn("1")] / "app").read_text() == "1"
        assert len(roots(bench)) == 2
        await bench.call("DeleteFunction", FunctionName="f", Qualifier="1")
        assert len(roots(bench)) == 2  # its environments may still be ending
        bench.clock.advance(bench.limits.unused_package_seconds + 1)
        await bench.quiet()
        assert roots(bench) == [bench.router.roots[FUNCTION.qualified_arn(LATEST)].name]

    bench.run(scenario)


def test_a_dry_run_changes_nothing(bench: Bench, layout: str) -> None:
    """DryRun shows what an update would make of the function, and keeps nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.call("CreateFunction", **creating(f"{layout}:one"))
        await bench.settle()
        answer = await bench.call("UpdateFunctionCode", FunctionName="f", ImageUri=f"{layout}:two", DryRun=True)
        assert answer["CodeSha256"] == hex_of(SECOND)
        assert (await bench.settle())["CodeSha256"] == hex_of(FIRST)
        assert len(roots(bench)) == 1

    bench.run(scenario)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        *(
            (extra, "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.")
            for extra in ({"Runtime": "python3.12"}, {"Handler": "a.b"}, {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]})
        ),
        ({"Code": {}}, "Please provide ImageUri when creating a function with packageType Image."),
        ({"Code": {"ZipFile": b"x"}}, "Please provide ImageUri when creating a function with packageType Image."),
        ({"Code": {"ImageUri": "f:latest"}}, "Source image f:latest is not valid. Provide a valid source image."),
        ({"Code": {"ImageUri": "r.example/f:1"}}, "midge may not contact https://r.example"),
        ({"Code": {"ImageUri": "oci:/etc"}}, "midge may not read /etc"),
        (
            {"CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"},
            "Code signing is not supported for functions created with container images.",
        ),
    ],
)  # fmt: skip
def test_what_an_image_cannot_be_created_with(bench: Bench, layout: str, values: dict[str, Any], message: str) -> None:
    """What belongs to zips, names no image, or may not be looked at is refused; nothing is created."""

    async def scenario(bench: Bench) -> None:
        refused = await bench.refused(
            "CreateFunction", "InvalidParameterValueException", **creating(f"{layout}:one", **values)
        )
        assert message in refused
        assert (await bench.call("ListFunctions"))["Functions"] == []

    bench.run(scenario)


def test_what_a_zip_cannot_be_created_with(bench: Bench, layout: str) -> None:
    """A function that is a zip takes neither ImageConfig nor an image as its code, when created and when updated."""

    async def scenario(bench: Bench) -> None:
        zipped = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE}
        bad = "InvalidParameterValueException"
        config = {"ImageConfig": {"Command": ["x"]}}
        assert "ImageConfig" in await bench.refused(
            "CreateFunction", bad, **zipped, Code={"ZipFile": make_zip()}, **config
        )
        message = await bench.refused("CreateFunction", bad, **zipped, Code={"ImageUri": f"{layout}:one"})
        assert message == "Please provide a source for function code."
        both = {"ImageUri": f"{layout}:one", "ZipFile": make_zip()}
        assert "other FunctionCode parameters" in await bench.refused("CreateFunction", bad, **zipped, Code=both)
        await bench.created()
        message = await bench.refused("UpdateFunctionCode", bad, FunctionName="f", ImageUri=f"{layout}:one")
        assert message == "Please don't provide ImageUri when updating a function with packageType Zip."
        assert "ImageConfig" in await bench.refused("UpdateFunctionConfiguration", bad, FunctionName="f", **config)

    bench.run(scenario)


def test_what_an_image_cannot_be_updated_with(bench: Bench, layout: str) -> None:
    """An image stays an image: zips, runtimes, layers, signatures and runtime versions are refused."""

    async def scenario(bench: Bench) -> None:
        await bench.call("CreateFunction", **creating(f"{layout}:one"))
        before = await bench.settle()
        bad = "InvalidParameterValueException"
        for values in ({"ZipFile": make_zip()}, {"S3Bucket": "bucket", "S3Key": "k"}, {}):
            message = await bench.refused("UpdateFunctionCode", bad, FunctionName="f", **values)
            assert message == "Please provide ImageUri when updating a function with packageType Image."
        for values in ({"Runtime": "python3.12"}, {"Handler": "a.b"}):
            assert "PackageType is Image" in await bench.refused(
                "UpdateFunctionConfiguration", bad, FunctionName="f", **values
            )
        await bench.refused("PutRuntimeManagementConfig", bad, FunctionName="f", UpdateRuntimeOn="Auto")
        config = await bench.call(
            "CreateCodeSigningConfig",
            AllowedPublishers={
                "SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/1234567890"]
            },
        )
        arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
        await bench.refused("PutFunctionCodeSigningConfig", bad, FunctionName="f", CodeSigningConfigArn=arn)
        assert await bench.settle() == before

    bench.run(scenario)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (
            403,
            "AccessDeniedException",
            "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
        ),
        (404, "InvalidParameterValueException", "Source image {uri} does not exist. Provide a valid source image."),
        (500, "InvalidParameterValueException", "Source image {uri} cannot be used: {host} answers with status 500."),
    ],
)
def test_a_registry_s_refusal_is_told_at_once(bench: Bench, status: int, code: str, message: str) -> None:
    """An image that is denied, missing or unreachable fails the creation, in AWS's words where it has some."""
    with oci.serving([("v", FIRST)]) as registry:
        registry.status = status
        uri = f"{registry.address}/app:v"

        async def scenario(bench: Bench) -> None:
            assert await bench.refused("CreateFunction", code, **creating(uri)) == message.format(
                uri=uri, host=registry.address
            )

        bench.run(scenario)


def test_a_foreign_image_is_not_supported(bench: Bench) -> None:
    """An image for another processor is refused when it is named."""
    with oci.serving([("v", oci.image(layer(file("a")), architecture="s390x"))]) as registry:

        async def scenario(bench: Bench) -> None:
            uri = f"{registry.address}/app:v"
            message = await bench.refused("CreateFunction", "InvalidParameterValueException", **creating(uri))
            assert message.startswith(
                f"The image manifest, config or layer media type for the source image {uri} is not supported."
            )
            assert "s390x" in message

        bench.run(scenario)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda registry: registry.blobs.pop(next(iter(FIRST.blobs))), "ImageDeleted"),
        (
            lambda registry: setattr(registry, "changed", lambda data: data[::-1] if data[:1] != b"{" else data),
            "InvalidImage",
        ),
    ],
)
def test_an_image_that_cannot_be_pulled_fails_the_function(bench: Bench, spoil: Any, code: str) -> None:
    """State is Failed with AWS's reason code; after the image is back an update makes the function whole."""
    with oci.serving([("v", FIRST)]) as registry:

        async def scenario(bench: Bench) -> None:
            spoil(registry)
            uri = f"{registry.address}/app:v"
            await bench.call("CreateFunction", **creating(uri))
            found = await bench.settle()
            assert (found["State"], found["StateReasonCode"]) == ("Failed", code)
            assert (found["LastUpdateStatus"], found["LastUpdateStatusReasonCode"]) == ("Failed", code)
            registry.push(FIRST, "v")
            registry.changed = None
            await bench.call("UpdateFunctionCode", FunctionName="f", ImageUri=uri)
            assert (await bench.settle())["State"] == "Active"

        bench.run(scenario)


def test_a_failed_update_leaves_the_old_image_running(bench: Bench) -> None:
    """LastUpdateStatus tells of the failure, and invocations go on with the image that was there."""
    with oci.serving([("one", FIRST), ("two", SECOND)]) as registry:

        async def scenario(bench: Bench) -> None:
            await bench.call("CreateFunction", **creating(f"{registry.address}/app:one"))
            await bench.settle()
            registry.blobs.pop(next(iter(SECOND.blobs)))
            await bench.call("UpdateFunctionCode", FunctionName="f", ImageUri=f"{registry.address}/app:two")
            found = await bench.settle()
            assert (found["State"], found["LastUpdateStatus"]) == ("Active", "Failed")
            assert found["LastUpdateStatusReasonCode"] == "ImageDeleted"
            assert (bench.router.roots[FUNCTION.qualified_arn(LATEST)] / "app").read_text() == "1"

        bench.run(scenario)


def test_a_start_needs_no_registry(bench: Bench) -> None:
    """What was unpacked is there after a restart, with the registry gone; what nobody has any more is not."""
    with oci.serving([("one", FIRST), ("two", SECOND)]) as registry:

        async def before(bench: Bench) -> None:
            for name, tag in (("f", "one"), ("g", "two")):
                await bench.call("CreateFunction", **creating(f"{registry.address}/app:{tag}", FunctionName=name))
                await bench.settle(name)
            await bench.call("DeleteFunction", FunctionName="g")
            assert len(roots(bench)) == 2

        bench.run(before)

    async def after(bench: Bench) -> None:
        assert len(roots(bench)) == 1
        await bench.api.load(FUNCTION, None)
        await bench.quiet()
        assert (bench.router.roots[FUNCTION.qualified_arn(LATEST)] / "app").read_text() == "1"

    bench.run(after)


def test_an_interrupted_pull_is_taken_up_again(bench: Bench, layout: str) -> None:
    """A function that was Pending when midge stopped becomes Active after the next start."""

    async def before(bench: Bench) -> None:
        shutil.move(bench.directory / "layout", bench.directory / "away")
        with pytest.raises(Exception, match="does not exist"):
            await bench.call("CreateFunction", **creating(f"{layout}:one"))
        shutil.move(bench.directory / "away", bench.directory / "layout")
        created = await bench.call("CreateFunction", **creating(f"{layout}:one"))
        assert created["State"] == "Pending"

    async def after(bench: Bench) -> None:
        assert (await bench.settle())["State"] == "Active"

    bench.run(before, after)


def test_images_are_refused_where_they_cannot_run(bench: Bench, layout: str) -> None:
    """Without namespaces there is no root of one's own: that is said when a function is created."""
    bench.runs_images = False

    async def scenario(bench: Bench) -> None:
        message = await bench.refused("CreateFunction", "InvalidParameterValueException", **creating(f"{layout}:one"))
        assert message.startswith("midge cannot run container images here")

    bench.run(scenario)


def test_concurrent_creations_of_one_image_share_it(bench: Bench, layout: str) -> None:
    """Ten functions of one image have one root, which stays until the last is gone."""

    async def scenario(bench: Bench) -> None:
        names = [f"f{number}" for number in range(10)]
        await asyncio.gather(
            *(bench.call("CreateFunction", **creating(f"{layout}:one", FunctionName=name)) for name in names)
        )
        for name in names:
            assert (await bench.settle(name))["State"] == "Active"
        assert len(roots(bench)) == 1
        for name in names:
            assert len(roots(bench)) == 1
            await bench.call("DeleteFunction", FunctionName=name)
        bench.clock.advance(bench.limits.unused_package_seconds + 1)
        await bench.quiet()
        assert roots(bench) == []

    bench.run(scenario)
