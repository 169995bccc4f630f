"""Policies of layer versions: as AWS writes them, by whom they may be changed, and what they let others do."""

import json
from dataclasses import replace
from typing import Any

import pytest
from api_bench import CONTEXT, Bench

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l"
OTHER = replace(CONTEXT, account="111111111111")
ONE = {"LayerName": "l", "VersionNumber": 1}
ALL = {"Action": "lambda:GetLayerVersion", "Principal": "*"}


async def add(bench: Bench, sid: str = "s", **values: Any) -> dict[str, Any]:
    return await bench.call("AddLayerVersionPermission", **{**ONE, **ALL, "StatementId": sid, **values})


def test_statements_are_written_as_aws_writes_them(bench: Bench) -> None:
    """Statement and policy are JSON without blanks; the policy has the revision that the last change answered."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        added = await add(bench, Principal="123456789012")
        statement = (
            '{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},'
            f'"Action":"lambda:GetLayerVersion","Resource":"{LAYER}:1"}}'
        )
        assert added["Statement"] == statement
        assert await bench.call("GetLayerVersionPolicy", **ONE) == {
            "Policy": f'{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}',
            "RevisionId": added["RevisionId"],
        }
        again = await add(bench, "t", OrganizationId="o-0123456789")
        assert json.loads(again["Statement"]) == {
            "Sid": "t",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "lambda:GetLayerVersion",
            "Resource": f"{LAYER}:1",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}},
        }
        assert again["RevisionId"] != added["RevisionId"]

    bench.run(scenario)


def test_a_version_has_a_policy_of_its_own(bench: Bench) -> None:
    """A new version begins without a policy; with its last statement a policy is gone."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        await add(bench)
        await bench.publish_layer()
        none = "No policy is associated with the given resource."
        two = {"LayerName": LAYER, "VersionNumber": 2}
        assert await bench.refused("GetLayerVersionPolicy", "ResourceNotFoundException", **two) == none
        assert await bench.call("RemoveLayerVersionPermission", StatementId="s", **ONE) == {}
        for operation, more in (("GetLayerVersionPolicy", {}), ("RemoveLayerVersionPermission", {"StatementId": "s"})):
            assert await bench.refused(operation, "ResourceNotFoundException", **ONE, **more) == none

    bench.run(scenario)


def test_refusals(bench: Bench) -> None:
    """A statement id twice, one that is not there, a version that is not there: each in AWS's words."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        await add(bench)
        given = {**ONE, **ALL, "StatementId": "s"}
        assert await bench.refused("AddLayerVersionPermission", "ResourceConflictException", **given) == (
            "The statement id (s) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
        other = {**ONE, "StatementId": "t"}
        assert (
            await bench.refused("RemoveLayerVersionPermission", "ResourceNotFoundException", **other)
            == "Statement t is not found in resource policy."
        )
        for operation in ("AddLayerVersionPermission", "RemoveLayerVersionPermission", "GetLayerVersionPolicy"):
            gone = {**given, "VersionNumber": 2}
            message = await bench.refused(operation, "ResourceNotFoundException", **gone)
            assert message == f"Layer version {LAYER}:2 does not exist."
            below = {**given, "VersionNumber": 0}
            await bench.refused(operation, "InvalidParameterValueException", **below)
            theirs = {**given, "LayerName": "arn:aws:lambda:us-east-1:111111111111:layer:l"}
            await bench.refused(operation, "AccessDeniedException", **theirs)

    bench.run(scenario)


def test_changes_may_insist_on_a_revision(bench: Bench) -> None:
    """RevisionId must be the policy's own; where there is no policy no id is right."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        stale = {**ONE, **ALL, "StatementId": "s", "RevisionId": "other"}
        message = await bench.refused("AddLayerVersionPermission", "PreconditionFailedException", **stale)
        assert message.startswith("The Revision Id provided does not match the latest Revision Id.")
        first = (await add(bench))["RevisionId"]
        second = (await add(bench, "t", RevisionId=first))["RevisionId"]
        for operation, sid in (("AddLayerVersionPermission", "u"), ("RemoveLayerVersionPermission", "s")):
            values = {**ONE, **ALL, "StatementId": sid, "RevisionId": first}
            await bench.refused(operation, "PreconditionFailedException", **values)
        await bench.call("RemoveLayerVersionPermission", StatementId="s", RevisionId=second, **ONE)

    bench.run(scenario)


def test_a_policy_has_a_limit(bench: Bench) -> None:
    """A statement that would make the policy longer than 20 KB is refused, and the policy stays as it was."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        bench.limits = replace(bench.limits, resource_policy_bytes=300)
        await add(bench)

    async def limited(bench: Bench) -> None:
        before = await bench.call("GetLayerVersionPolicy", **ONE)
        values = {**ONE, **ALL, "StatementId": "t" * 100}
        message = await bench.refused("AddLayerVersionPermission", "PolicyLengthExceededException", **values)
        assert message.endswith("is bigger than the limit (300).")
        assert await bench.call("GetLayerVersionPolicy", **ONE) == before

    bench.run(scenario, limited)


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": "111111111111"}, True),
        ({"Principal": "arn:aws:iam::111111111111:root"}, True),
        ({"Principal": "222222222222"}, False),
        ({"Principal": "*", "OrganizationId": "o-0123456789"}, False),
    ],
)
def test_a_policy_lets_others_use_a_layer(bench: Bench, values: dict[str, Any], allowed: bool) -> None:
    """Everybody, or an account, may get a version and have it in a function; nobody is in an organisation here."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        await bench.publish_layer()
        await add(bench, **values)
        bench.context = OTHER
        two = {"LayerName": LAYER, "VersionNumber": 2}
        await bench.refused("GetLayerVersion", "AccessDeniedException", **two)
        if allowed:
            one = await bench.call("GetLayerVersionByArn", Arn=f"{LAYER}:1")
            assert one["LayerVersionArn"] == f"{LAYER}:1"
            created = await bench.create(Layers=[f"{LAYER}:1"])
            assert created["Layers"] == [{"Arn": f"{LAYER}:1", "CodeSize": one["Content"]["CodeSize"]}]
        else:
            with pytest.raises(Exception, match="no resource-based policy allows the lambda:GetLayerVersion action"):
                await bench.create(Layers=[f"{LAYER}:1"])
            await bench.refused("GetLayerVersionByArn", "AccessDeniedException", Arn=f"{LAYER}:1")

    bench.run(scenario)


def test_a_function_keeps_a_layer_that_is_shared_no_more(bench: Bench) -> None:
    """Taking a permission back changes nothing for functions that have the layer; they cannot name it anew."""

    async def scenario(bench: Bench) -> None:
        await bench.publish_layer()
        await add(bench)
        bench.context = OTHER
        await bench.created(Layers=[f"{LAYER}:1"])
        bench.context = CONTEXT
        await bench.call("RemoveLayerVersionPermission", StatementId="s", **ONE)
        bench.context = OTHER
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Description="changed")
        assert [layer["Arn"] for layer in (await bench.settle())["Layers"]] == [f"{LAYER}:1"]
        again = {"FunctionName": "f", "Layers": [f"{LAYER}:1"]}
        await bench.refused("UpdateFunctionConfiguration", "AccessDeniedException", **again)

    bench.run(scenario)
