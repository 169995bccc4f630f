"""Code signing configurations, and what they mean for functions."""

import re
from typing import Any

import pytest
import structlog
from api_bench import ARN, Bench, make_zip

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/abcdefghij"
ABSENT = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"


async def config(bench: Bench, policy: str | None = None, **values: Any) -> dict[str, Any]:
    policies = {} if policy is None else {"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy}}
    publishers = {"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]}}
    created = await bench.call("CreateCodeSigningConfig", **publishers, **policies, **values)
    return created["CodeSigningConfig"]


def test_the_life_of_a_configuration(bench: Bench) -> None:
    """It has AWS's form and defaults, changes in the members given, is listed, and is gone when it is deleted."""

    async def first(bench: Bench) -> None:
        made = await config(bench)
        assert re.fullmatch(r"csc-[a-z0-9]{17}", made["CodeSigningConfigId"])
        arn = made["CodeSigningConfigArn"]
        assert arn.endswith(":code-signing-config:" + made["CodeSigningConfigId"])
        assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
        assert made["AllowedPublishers"] == {"SigningProfileVersionArns": [PROFILE]}
        policies = {"UntrustedArtifactOnDeployment": "Enforce"}
        changed = await bench.call("UpdateCodeSigningConfig", CodeSigningConfigArn=arn, CodeSigningPolicies=policies)
        assert changed["CodeSigningConfig"] | {"LastModified": ""} == made | {
            "CodeSigningPolicies": policies,
            "LastModified": "",
        }
        await bench.call("UpdateCodeSigningConfig", CodeSigningConfigArn=arn, Description="d")

    async def second(bench: Bench) -> None:
        (found,) = (await bench.call("ListCodeSigningConfigs"))["CodeSigningConfigs"]
        arn = found["CodeSigningConfigArn"]
        assert found["Description"] == "d"
        assert (await bench.call("GetCodeSigningConfig", CodeSigningConfigArn=arn))["CodeSigningConfig"] == found
        await bench.call("DeleteCodeSigningConfig", CodeSigningConfigArn=arn)
        await bench.refused("DeleteCodeSigningConfig", "ResourceNotFoundException", CodeSigningConfigArn=arn)
        assert (await bench.call("ListCodeSigningConfigs"))["CodeSigningConfigs"] == []

    bench.run(first, second)


def test_a_publisher_is_a_version_of_a_signing_profile(bench: Bench) -> None:
    """Another ARN among the allowed publishers is refused, and nothing is made."""

    async def scenario(bench: Bench) -> None:
        publishers = {"SigningProfileVersionArns": [PROFILE, ARN]}
        await bench.refused("CreateCodeSigningConfig", "InvalidParameterValueException", AllowedPublishers=publishers)
        assert (await bench.call("ListCodeSigningConfigs"))["CodeSigningConfigs"] == []

    bench.run(scenario)


def test_enforce_blocks_code_without_a_signature(bench: Bench) -> None:
    """Under Enforce no package is deployed, neither at creation nor as new code; what was there before stays and runs."""

    async def scenario(bench: Bench) -> None:
        arn = (await config(bench, "Enforce"))["CodeSigningConfigArn"]
        with pytest.raises(Exception, match="CodeVerificationFailedException"):
            await bench.create(CodeSigningConfigArn=arn)
        assert (await bench.call("ListFunctions"))["Functions"] == []
        before = await bench.created()
        await bench.call("PutFunctionCodeSigningConfig", FunctionName="f", CodeSigningConfigArn=arn)
        message = await bench.refused(
            "UpdateFunctionCode", "CodeVerificationFailedException", FunctionName="f", ZipFile=make_zip(b"new")
        )
        assert message.endswith("Check the provided signature for f.")
        after = await bench.settle()
        assert (after["CodeSha256"], after["State"]) == (before["CodeSha256"], "Active")
        await bench.call("DeleteFunctionCodeSigningConfig", FunctionName="f")
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))

    bench.run(scenario)


def test_warn_lets_code_pass_and_says_so(bench: Bench) -> None:
    """Under Warn code is deployed and midge's log names function and configuration."""

    async def scenario(bench: Bench) -> None:
        arn = (await config(bench, "Warn"))["CodeSigningConfigArn"]
        with structlog.testing.capture_logs() as logs:
            await bench.created(CodeSigningConfigArn=arn)
        assert [
            (entry["function"], entry["code_signing_config"]) for entry in logs if "untrusted" in entry["event"]
        ] == [("f", arn)]

    bench.run(scenario)


def test_a_configuration_in_use_stays(bench: Bench) -> None:
    """Its functions are listed page by page; it cannot be deleted before the last has let go of it or is deleted."""

    async def scenario(bench: Bench) -> None:
        arn = (await config(bench))["CodeSigningConfigArn"]
        for name in "fg":
            await bench.created(name, CodeSigningConfigArn=arn)
        await bench.created("other")
        page = await bench.call("ListFunctionsByCodeSigningConfig", CodeSigningConfigArn=arn, MaxItems=1)
        rest = await bench.call("ListFunctionsByCodeSigningConfig", CodeSigningConfigArn=arn, Marker=page["NextMarker"])
        assert [*page["FunctionArns"], *rest["FunctionArns"]] == [ARN, ARN.removesuffix("f") + "g"]
        await bench.call("DeleteFunctionCodeSigningConfig", FunctionName="f")
        await bench.refused("DeleteCodeSigningConfig", "ResourceConflictException", CodeSigningConfigArn=arn)
        await bench.call("DeleteFunction", FunctionName="g")
        await bench.call("DeleteCodeSigningConfig", CodeSigningConfigArn=arn)

    bench.run(scenario)


def test_a_function_tells_its_configuration(bench: Bench) -> None:
    """Put, get and delete of a function's configuration answer with names; one that does not exist is not found."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        arn = (await config(bench))["CodeSigningConfigArn"]
        put = await bench.call("PutFunctionCodeSigningConfig", FunctionName=ARN, CodeSigningConfigArn=arn)
        assert put == {"CodeSigningConfigArn": arn, "FunctionName": "f"}
        assert await bench.call("GetFunctionCodeSigningConfig", FunctionName="f") == put
        for operation in ("PutFunctionCodeSigningConfig", "CreateFunction"):
            given: dict[str, Any] = {"FunctionName": "f", "CodeSigningConfigArn": ABSENT}
            if operation == "CreateFunction":
                given |= {"FunctionName": "g", "Runtime": "python3.12", "Handler": "a.b", "Role": "r"}
                given |= {"Code": {"ZipFile": make_zip()}}
            await bench.refused(operation, "CodeSigningConfigNotFoundException", **given)
        assert (await bench.call("GetFunctionCodeSigningConfig", FunctionName="f")) == put

    bench.run(scenario)


def test_configurations_have_tags(bench: Bench) -> None:
    """Tags given at creation or later are listed and taken away, and another region's ARN names nothing."""

    async def scenario(bench: Bench) -> None:
        arn = (await config(bench, Tags={"a": "1"}))["CodeSigningConfigArn"]
        await bench.call("TagResource", Resource=arn, Tags={"b": "2"})
        await bench.call("UntagResource", Resource=arn, TagKeys=["a"])
        assert await bench.call("ListTags", Resource=arn) == {"Tags": {"b": "2"}}
        await bench.refused("ListTags", "ResourceNotFoundException", Resource=ABSENT)
        elsewhere = arn.replace("us-east-1", "eu-west-1")
        await bench.refused("ListTags", "ResourceNotFoundException", Resource=elsewhere)
        stranger = arn.replace("000000000000", "111111111111")
        await bench.refused("ListTags", "AccessDeniedException", Resource=stranger)

    bench.run(scenario)
