"""Functions through the control plane's entrance: create, look at, list, update, delete."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from api_bench import ARN, CONTEXT, ROLE, Bench, make_zip

from midge.blobs.digests import code_of
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId, FunctionVersion
from midge.model.limits import Limits
from midge.store.errors import StorageFullError
from midge.store.memory import MemoryStore


def test_a_function_is_pending_then_active(bench: Bench) -> None:
    """Creation answers State Pending with AWS's reason; the function becomes Active with a new revision, unpacked."""

    async def scenario(bench: Bench) -> None:
        bench.packages.gate = asyncio.Event()
        created = await bench.create()
        assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
        assert created["StateReason"] == "The function is being created."
        assert "LastUpdateStatus" not in created
        assert bench.router.versions[f"{ARN}:$LATEST"].state == "Pending"
        bench.packages.gate.set()
        active = await bench.settle()
        assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
        assert "StateReason" not in active
        assert active["RevisionId"] != created["RevisionId"]
        assert bench.router.versions[f"{ARN}:$LATEST"].state == "Active"
        assert (bench.router.roots[f"{ARN}:$LATEST"] / "app.py").read_bytes().startswith(b"def handler")

    bench.run(scenario)


def test_whoever_reads_that_a_function_is_active_can_invoke_it(bench: Bench) -> None:
    """When the store says Active, or an update Successful, the router has known it before."""
    known: list[tuple[str, str]] = []

    class Store(MemoryStore):
        async def replace_version(self, version: FunctionVersion, expected_revision: str) -> None:
            if version.state == "Active" and version.last_update_status == "Successful":
                known.append((version.revision_id, bench.router.versions[version.arn].revision_id))
            await super().replace_version(version, expected_revision)

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"def handler(event, context): 1"))
        await bench.settle()

    bench.store = Store()
    bench.run(scenario)
    assert len(known) == 2
    assert all(stored == routed for stored, routed in known)


def test_the_configuration_has_every_member_that_aws_returns(bench: Bench) -> None:
    """A function created with defaults shows AWS's defaults, member by member."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        found = await bench.call("GetFunctionConfiguration", FunctionName="f")
        revision, version_arn = found.pop("RevisionId"), found.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
        code = code_of(make_zip())
        assert len(revision) == 36
        assert len(base64.b64decode(found.pop("ConfigSha256"))) == 32
        assert version_arn.startswith("arn:aws:lambda:us-east-1::runtime:")
        assert found == {
            "FunctionName": "f",
            "FunctionArn": ARN,
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "app.handler",
            "CodeSize": code.size_bytes,
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "LastModified": "2027-01-15T08:00:00.000+0000",
            "CodeSha256": code.sha256,
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        }

    bench.run(scenario)


def test_what_was_given_is_returned(bench: Bench) -> None:
    """Every member that is enforced or kept comes back as it was given."""

    async def scenario(bench: Bench) -> None:
        given: dict[str, Any] = {
            "Description": "d",
            "Timeout": 900,
            "MemorySize": 10_240,
            "EphemeralStorage": {"Size": 10_240},
            "Environment": {"Variables": {"KEY": "välue"}},
            "Architectures": ["arm64"],
            "TracingConfig": {"Mode": "Active"},
            "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
            "LoggingConfig": {
                "LogFormat": "JSON", "LogGroup": "/own", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN",
            },
        }  # fmt: skip
        vpc = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        found = await bench.created(**given, VpcConfig=vpc, Tags={"team": "a"}, PackageType="Zip", Layers=[])
        assert {name: found[name] for name in given} == given
        assert found["VpcConfig"] == {**vpc, "VpcId": ""}
        assert "Tags" not in found
        assert (await bench.call("GetFunction", FunctionName="f"))["Tags"] == {"team": "a"}

    bench.run(scenario)


def test_json_logs_have_default_levels(bench: Bench) -> None:
    """With LogFormat JSON both levels are INFO unless given; back in Text they are gone."""

    async def scenario(bench: Bench) -> None:
        found = await bench.created(LoggingConfig={"LogFormat": "JSON"})
        assert found["LoggingConfig"] == {
            "LogFormat": "JSON", "LogGroup": "/aws/lambda/f", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO",
        }  # fmt: skip
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", LoggingConfig={"LogFormat": "Text"})
        assert (await bench.settle())["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}

    bench.run(scenario)


def test_a_name_is_taken_once(bench: Bench) -> None:
    """Creating a function again, also at the same moment, is a conflict, and its zip is not kept."""

    async def scenario(bench: Bench) -> None:
        outcomes = await asyncio.gather(
            *(bench.create(Code={"ZipFile": make_zip(b"%d" % n)}) for n in range(5)), return_exceptions=True
        )
        assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1
        message = await bench.refused(
            "CreateFunction", "ResourceConflictException", FunctionName="f", Runtime="python3.12", Handler="a.b",
            Role=ROLE, Code={"ZipFile": make_zip()},
        )  # fmt: skip
        assert message == "Function already exist: f"
        assert len(await bench.blobs.digests()) == 1

    bench.run(scenario)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Runtime": None}, "Runtime and Handler are mandatory parameters for functions created with deployment packages."),
        ({"Handler": None}, "Runtime and Handler are mandatory parameters for functions created with deployment packages."),
        ({"Code": {}}, "Please provide a source for function code."),
        ({"Code": {"S3Bucket": "b"}}, "Please provide both S3Bucket and S3Key as the source for function code."),
        (
            {"Code": {"ZipFile": make_zip(), "S3Bucket": "b", "S3Key": "k"}},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        (
            {"Code": {"ZipFile": b"no zip"}},
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        ({"Code": {"ZipFile": b""}}, "Uploaded file must be a non-empty zip"),
        (
            {"Code": {"S3Bucket": "b", "S3Key": "gone"}},
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        ({"Runtime": "ruby3.4"}, "midge cannot run the runtime ruby3.4 here: it is missing."),
        ({"Runtime": "custom"}, "midge does not support the runtime custom yet."),
    ],
)  # fmt: skip
def test_a_bad_creation_leaves_nothing(bench: Bench, values: dict[str, Any], message: str) -> None:
    """A creation that is refused says why in AWS's words and stores neither function nor zip."""

    async def scenario(bench: Bench) -> None:
        given = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE}
        given |= {"Code": {"ZipFile": make_zip()}, **values}
        assert await bench.refused("CreateFunction", "InvalidParameterValueException", **given) == message
        assert (await bench.call("ListFunctions"))["Functions"] == []
        assert await bench.blobs.digests() == set()

    bench.run(scenario)


def test_code_comes_from_s3(bench: Bench) -> None:
    """S3Bucket, S3Key and S3ObjectVersion choose the object whose bytes become the package."""

    async def scenario(bench: Bench) -> None:
        bench.objects["b", "k", None] = make_zip(b"current")
        bench.objects["b", "k", "v1"] = make_zip(b"old")
        created = await bench.created(Code={"S3Bucket": "b", "S3Key": "k"})
        assert created["CodeSha256"] == code_of(make_zip(b"current")).sha256
        source = {"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "v1"}
        updated = await bench.call("UpdateFunctionCode", FunctionName="f", **source)
        assert updated["CodeSha256"] == code_of(make_zip(b"old")).sha256

    bench.run(scenario)


def test_the_code_link_downloads_what_was_uploaded(bench: Bench) -> None:
    """Code.Location is a link at the caller's own address that gives back the zip, byte by byte, for ten minutes."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        location = (await bench.call("GetFunction", FunctionName="f"))["Code"]
        assert location["RepositoryType"] == "S3"
        path, _, query = location["Location"].removeprefix("http://localhost:9000").partition("?")
        links = bench.services().code_links
        assert await bench.blobs.get(links.open_code_link(path, query)) == make_zip()
        bench.clock.advance(601)
        with pytest.raises(ServiceError, match="expired"):
            links.open_code_link(path, query)

    bench.run(scenario)


def test_listing_shows_functions_by_name_in_pages(bench: Bench) -> None:
    """ListFunctions pages by name without states; with ALL it shows every version with its qualified ARN."""

    async def scenario(bench: Bench) -> None:
        for name in ("c", "a", "b"):
            await bench.created(name)
        await bench.call("PublishVersion", FunctionName="b")
        first = await bench.call("ListFunctions", MaxItems=2)
        rest = await bench.call("ListFunctions", MaxItems=2, Marker=first["NextMarker"])
        assert [f["FunctionName"] for f in first["Functions"] + rest["Functions"]] == ["a", "b", "c"]
        assert "NextMarker" not in rest
        assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & first["Functions"][0].keys()
        every = await bench.call("ListFunctions", FunctionVersion="ALL")
        assert [f["FunctionArn"].rpartition("function:")[2] for f in every["Functions"]] == [
            "a:$LATEST", "b:$LATEST", "b:1", "c:$LATEST",
        ]  # fmt: skip
        assert (await bench.call("ListFunctions", FunctionVersion="ALL", MasterRegion="ALL"))["Functions"] == []
        await bench.refused("ListFunctions", "InvalidParameterValueException", Marker="made up")

    bench.run(scenario)


def test_a_listing_shows_at_most_fifty(bench: Bench) -> None:
    """Whatever MaxItems says, a page has at most 50 functions."""

    async def scenario(bench: Bench) -> None:
        await asyncio.gather(*(bench.create(f"f{number}") for number in range(51)))
        assert len((await bench.call("ListFunctions", MaxItems=10_000))["Functions"]) == 50

    bench.run(scenario)


def test_a_code_update_goes_through_in_progress(bench: Bench) -> None:
    """UpdateFunctionCode answers InProgress; until it is Successful the router keeps the old code."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created()
        bench.clock.advance(60)
        bench.packages.gate = asyncio.Event()
        updated = await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))
        assert (updated["State"], updated["LastUpdateStatus"]) == ("Active", "InProgress")
        assert updated["LastUpdateStatusReasonCode"] == "Creating"
        assert updated["LastModified"] > before["LastModified"]
        assert bench.router.versions[f"{ARN}:$LATEST"].code.sha256 == before["CodeSha256"]
        bench.packages.gate.set()
        after = await bench.settle()
        assert after["CodeSha256"] == code_of(make_zip(b"new")).sha256
        assert bench.router.versions[f"{ARN}:$LATEST"].code.sha256 == after["CodeSha256"]
        assert len({before["RevisionId"], updated["RevisionId"], after["RevisionId"]}) == 3

    bench.run(scenario)


def test_a_configuration_update_changes_what_is_given(bench: Bench) -> None:
    """Members that are given change, all others stay; an empty value clears what was kept."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created(
            Environment={"Variables": {"A": "1", "B": "2"}}, KMSKeyArn="arn:aws:kms:us-east-1:000000000000:key/k"
        )
        await bench.call(
            "UpdateFunctionConfiguration", FunctionName="f", Timeout=30, Environment={"Variables": {"A": "9"}},
            KMSKeyArn="",
        )  # fmt: skip
        after = await bench.settle()
        assert (after["Timeout"], after["Environment"]) == (30, {"Variables": {"A": "9"}})
        assert "KMSKeyArn" not in after
        moved = {"RevisionId", "LastModified", "Timeout", "Environment", "KMSKeyArn", "ConfigSha256"}
        assert before["ConfigSha256"] != after["ConfigSha256"]
        assert {k: v for k, v in after.items() if k not in moved} == {k: v for k, v in before.items() if k not in moved}
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Environment={"Variables": {}})
        assert "Environment" not in await bench.settle()

    bench.run(scenario)


def test_code_has_room_in_its_account(bench: Bench) -> None:
    """Code of all versions together stays within the account's storage; what would exceed it leaves nothing."""
    size = len(make_zip())
    bench.limits = Limits(code_storage_bytes=2 * size)

    async def scenario(bench: Bench) -> None:
        await bench.created("f")
        await bench.call("PublishVersion", FunctionName="f")
        with pytest.raises(ServiceError, match="CodeStorageExceededException"):
            await bench.create("g")
        larger = make_zip(b"def handler(event, context): return event")
        refused = "CodeStorageExceededException"
        await bench.refused("UpdateFunctionCode", refused, FunctionName="f", ZipFile=larger)
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        await bench.settle()
        await bench.refused("PublishVersion", refused, FunctionName="f")
        await bench.call("DeleteFunction", FunctionName="f", Qualifier="1")
        await bench.call("PublishVersion", FunctionName="f")
        await bench.refused("GetFunction", "ResourceNotFoundException", FunctionName="g")

    bench.run(scenario)


def test_changes_are_refused_while_one_is_going_on(bench: Bench) -> None:
    """While Pending or InProgress further changes are conflicts in AWS's words; afterwards they are welcome."""

    async def scenario(bench: Bench) -> None:
        bench.packages.gate = asyncio.Event()
        await bench.create()
        pending = await bench.refused(
            "UpdateFunctionConfiguration", "ResourceConflictException", FunctionName="f", Timeout=5
        )
        assert pending == (
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
        await bench.refused("PublishVersion", "ResourceConflictException", FunctionName="f")
        bench.packages.gate.set()
        await bench.settle()
        bench.packages.gate.clear()
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        busy = await bench.refused("UpdateFunctionCode", "ResourceConflictException", FunctionName="f", ZipFile=b"")
        assert busy == (f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}")
        assert bench.router.versions[f"{ARN}:$LATEST"].timeout_seconds == 3
        bench.packages.gate.set()
        await bench.settle()
        assert bench.router.versions[f"{ARN}:$LATEST"].timeout_seconds == 5
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))

    bench.run(scenario)


def test_a_revision_id_guards_changes(bench: Bench) -> None:
    """A change with another RevisionId than the current one is refused; with the current one it is made."""

    async def scenario(bench: Bench) -> None:
        current = (await bench.created())["RevisionId"]
        for operation, values in (
            ("UpdateFunctionCode", {"ZipFile": make_zip(b"x")}),
            ("UpdateFunctionConfiguration", {"Timeout": 9}),
            ("PublishVersion", {}),
        ):
            message = await bench.refused(
                operation, "PreconditionFailedException", FunctionName="f", RevisionId="other", **values
            )
            assert message.startswith("The Revision Id provided does not match the latest Revision Id.")
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", RevisionId=current, Timeout=9)

    bench.run(scenario)


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    """DryRun checks the zip and shows what it would be, and neither function nor blobs change."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created()
        shown = await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"), DryRun=True)
        assert shown["CodeSha256"] == code_of(make_zip(b"new")).sha256
        assert await bench.settle() == before
        assert len(await bench.blobs.digests()) == 1
        await bench.refused(
            "UpdateFunctionCode", "InvalidParameterValueException", FunctionName="f", ZipFile=b"no", DryRun=True
        )

    bench.run(scenario)


def test_deleting_takes_function_versions_and_aliases(bench: Bench) -> None:
    """After DeleteFunction nothing of it is found anywhere, and its name can be used again."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        assert await bench.call("DeleteFunction", FunctionName="f") == {"StatusCode": 204}
        assert (bench.router.versions, bench.router.aliases) == ({}, {})
        message = await bench.refused("GetFunction", "ResourceNotFoundException", FunctionName="f")
        assert message == f"Function not found: {ARN}"
        await bench.refused("DeleteFunction", "ResourceNotFoundException", FunctionName="f")
        await bench.created()

    bench.run(scenario)


def test_a_function_deleted_while_pending_stays_deleted(bench: Bench) -> None:
    """Preparation that ends after the deletion brings nothing back."""

    async def scenario(bench: Bench) -> None:
        await bench.create()
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.quiet()
        assert bench.router.versions == {}
        assert (await bench.call("ListFunctions"))["Functions"] == []

    bench.run(scenario)


def test_unused_code_goes_after_a_while(bench: Bench) -> None:
    """A zip that no version names is removed, package and blob, once running invocations must have ended; others stay."""

    async def scenario(bench: Bench) -> None:
        await bench.created("f")
        await bench.created("g")
        await bench.created("h", Code={"ZipFile": make_zip(b"other")})
        root = bench.router.roots["arn:aws:lambda:us-east-1:000000000000:function:h:$LATEST"]
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.call("DeleteFunction", FunctionName="h")
        assert len(await bench.blobs.digests()) == 2
        bench.clock.advance(bench.limits.unused_package_seconds)
        await bench.quiet()
        assert await bench.blobs.digests() == {code_of(make_zip()).digest}
        assert not root.exists()

    bench.run(scenario)


def test_code_that_is_used_again_in_time_stays(bench: Bench) -> None:
    """A zip that is uploaded again before it was removed is still there afterwards."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        bench.clock.advance(bench.limits.unused_package_seconds)
        await bench.quiet()
        assert await bench.blobs.digests() == {code_of(make_zip()).digest}
        assert (bench.router.roots[f"{ARN}:$LATEST"] / "app.py").exists()

    bench.run(scenario)


def test_a_restart_finds_everything(bench: Bench) -> None:
    """A new process tells the router of functions at once and of versions and aliases when they are invoked; orphans go."""

    async def first(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await bench.blobs.put(b"orphan")

    async def second(bench: Bench) -> None:
        function = FunctionId(account=CONTEXT.account, region=CONTEXT.region, name="f")

        def known() -> dict[str, str]:
            return {arn: version.state for arn, version in bench.router.versions.items()}

        assert known() == {f"{ARN}:$LATEST": "Active"}
        await bench.api.load(function, "nothing")
        await bench.api.load(replace(function, name="unknown"), None)
        assert (known(), bench.router.aliases) == ({f"{ARN}:$LATEST": "Active"}, {})
        told = len(bench.router.history)
        await asyncio.gather(*(bench.api.load(function, "live") for _ in range(5)))
        assert len(bench.router.history) == told + 1
        assert known() == {f"{ARN}:$LATEST": "Active", f"{ARN}:1": "Active"}
        assert list(bench.router.aliases) == [f"{ARN}:live"]
        assert await bench.blobs.digests() == {code_of(make_zip()).digest}

    bench.run(first, second)


def test_a_restart_completes_what_was_going_on(bench: Bench) -> None:
    """A function that was Pending, or InProgress, when midge ended comes to rest in the next life."""

    async def first(bench: Bench) -> None:
        await bench.created("updated")
        bench.packages.gate = asyncio.Event()
        await bench.create("created")
        await bench.call("UpdateFunctionConfiguration", FunctionName="updated", Timeout=77)
        found = [await bench.call("GetFunctionConfiguration", FunctionName=name) for name in ("created", "updated")]
        assert [(each["State"], each.get("LastUpdateStatus")) for each in found] == [
            ("Pending", None),
            ("Active", "InProgress"),
        ]

    async def second(bench: Bench) -> None:
        assert (await bench.settle("created"))["State"] == "Active"
        updated = await bench.settle("updated")
        assert (updated["State"], updated["LastUpdateStatus"], updated["Timeout"]) == ("Active", "Successful", 77)
        assert {version.state for version in bench.router.versions.values()} == {"Active"}

    bench.run(first, second)


def test_a_lost_package_marks_its_function_failed(bench: Bench) -> None:
    """When the zip is gone from disk the function becomes Failed with a reason; the others run."""

    async def first(bench: Bench) -> None:
        await bench.created("lost", Code={"ZipFile": make_zip(b"lost")})
        await bench.created("fine")
        await bench.blobs.delete(code_of(make_zip(b"lost")).digest)
        for path in (bench.directory / "packages" / code_of(make_zip(b"lost")).digest).iterdir():
            path.unlink()
        (bench.directory / "packages" / code_of(make_zip(b"lost")).digest).rmdir()

    async def second(bench: Bench) -> None:
        lost = await bench.settle("lost")
        assert (lost["State"], lost["StateReasonCode"]) == ("Failed", "InvalidZipFileException")
        assert (await bench.settle("fine"))["State"] == "Active"
        await bench.call("UpdateFunctionCode", FunctionName="lost", ZipFile=make_zip(b"found"))
        assert (await bench.settle("lost"))["State"] == "Active"

    bench.run(first, second)


def test_a_caller_that_hangs_up_does_not_split_store_and_router(bench: Bench) -> None:
    """A call whose caller is gone still runs to its end: what is stored is what is routed."""

    async def scenario(bench: Bench) -> None:
        for steps in range(12):
            call = asyncio.ensure_future(bench.create(f"f{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await bench.quiet()
        stored = {f["FunctionArn"] + ":$LATEST" for f in (await bench.call("ListFunctions"))["Functions"]}
        assert stored == set(bench.router.versions)
        assert len(stored) >= 11
        assert {version.state for version in bench.router.versions.values()} == {"Active"}

    bench.run(scenario)


def test_a_full_disk_is_an_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store has no room the caller gets a ServiceException that says so, and no zip stays in use."""

    async def full(*_: object) -> None:
        raise StorageFullError("the disk that holds midge's data is full")

    async def scenario(bench: Bench) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(bench.store, "create_function", full)
            message = await bench.refused(
                "CreateFunction", "ServiceException", FunctionName="f", Runtime="python3.12", Handler="a.b",
                Role=ROLE, Code={"ZipFile": make_zip()},
            )  # fmt: skip
        assert "full" in message
        assert bench.router.versions == {}
        await bench.created()

    bench.run(scenario)


def test_an_outcome_that_could_not_be_stored_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function whose Active could not be written stays Pending and becomes Active when the disk has room again."""

    async def scenario(bench: Bench) -> None:
        replace_version = bench.store.replace_version
        attempts = 0

        async def full_at_first(*given: Any) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise StorageFullError("full")
            await replace_version(*given)

        monkeypatch.setattr(bench.store, "replace_version", full_at_first)
        await bench.create()
        while not bench.clock._timers:
            await asyncio.wait(list(bench.api._tasks._tasks), timeout=0.01)
        assert (await bench.call("GetFunctionConfiguration", FunctionName="f"))["State"] == "Pending"
        bench.clock.advance(bench.limits.store_retry_seconds)
        assert (await bench.settle())["State"] == "Active"

    bench.run(scenario)


def test_an_update_that_fails_leaves_the_old_code_running(bench: Bench) -> None:
    """When a new package cannot be unpacked the function stays Active on its old code, for as long as it takes."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created()
        bench.packages.failure = OSError(28, "No space left on device")
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))
        failed = await bench.settle()
        assert (failed["State"], failed["LastUpdateStatus"]) == ("Active", "Failed")
        assert failed["LastUpdateStatusReason"] == "An internal error occurred: No space left on device."
        assert failed["LastUpdateStatusReasonCode"] == "InternalError"
        bench.clock.advance(bench.limits.unused_package_seconds)
        await bench.quiet()
        assert bench.router.versions[f"{ARN}:$LATEST"].code.sha256 == before["CodeSha256"]
        assert (bench.router.roots[f"{ARN}:$LATEST"] / "app.py").exists()
        bench.packages.failure = None
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"newer"))
        assert (await bench.settle())["LastUpdateStatus"] == "Successful"
        assert bench.router.versions[f"{ARN}:$LATEST"].code.sha256 == code_of(make_zip(b"newer")).sha256

    bench.run(scenario)


def test_replaced_code_goes_after_a_while(bench: Bench) -> None:
    """After a successful update the old zip is removed in time, unless a published version still names it."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"second"))
        await bench.settle()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"third"))
        await bench.settle()
        bench.clock.advance(bench.limits.unused_package_seconds)
        await bench.quiet()
        assert await bench.blobs.digests() == {code_of(make_zip(content)).digest for content in (b"second", b"third")}

    bench.run(scenario)
