"""Capacity providers are kept and returned; nothing runs on them."""

from typing import Any

from api_bench import Bench

GIVEN: dict[str, Any] = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": "arn:aws:iam::000000000000:role/operator"},
    "CapacityProviderScalingConfig": {"MaxVCpuCount": 30, "ScalingMode": "Auto"},
}
ARN = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p"


def test_the_life_of_a_capacity_provider(bench: Bench) -> None:
    """What is given is returned, also after a restart; changes replace members; a second of that name is a conflict."""

    async def first(bench: Bench) -> None:
        created = await bench.call("CreateCapacityProvider", CapacityProviderName="p", **GIVEN, Tags={"a": "b"})
        assert created["CapacityProvider"]["State"] == "Pending"
        await bench.refused("CreateCapacityProvider", "ResourceConflictException", CapacityProviderName="p", **GIVEN)

    async def second(bench: Bench) -> None:
        found = (await bench.call("GetCapacityProvider", CapacityProviderName=ARN))["CapacityProvider"]
        assert found.pop("LastModified")
        assert found == {"CapacityProviderArn": ARN, "State": "Active", **GIVEN}
        assert await bench.call("ListTags", Resource=ARN) == {"Tags": {"a": "b"}}
        scaling = {"MaxVCpuCount": 60}
        await bench.call("UpdateCapacityProvider", CapacityProviderName="p", CapacityProviderScalingConfig=scaling)
        (listed,) = (await bench.call("ListCapacityProviders", State="Active"))["CapacityProviders"]
        assert listed["CapacityProviderScalingConfig"] == scaling
        assert listed["VpcConfig"] == GIVEN["VpcConfig"]
        assert (await bench.call("ListCapacityProviders", State="Failed"))["CapacityProviders"] == []
        users = await bench.call("ListFunctionVersionsByCapacityProvider", CapacityProviderName="p")
        assert users == {"CapacityProviderArn": ARN, "FunctionVersions": []}
        deleted = await bench.call("DeleteCapacityProvider", CapacityProviderName="p")
        assert deleted["CapacityProvider"]["State"] == "Deleting"
        for operation in ("GetCapacityProvider", "DeleteCapacityProvider", "UpdateCapacityProvider"):
            await bench.refused(operation, "ResourceNotFoundException", CapacityProviderName="p")

    bench.run(first, second)


def test_strict_refuses_capacity_providers(bench: Bench) -> None:
    """In strict mode none can be made."""
    bench.strict = True

    async def scenario(bench: Bench) -> None:
        await bench.refused(
            "CreateCapacityProvider", "InvalidParameterValueException", CapacityProviderName="p", **GIVEN
        )

    bench.run(scenario)
