"""Resource policies of functions, statement by statement, as AWS writes them."""

import json
from typing import Any

import pytest
import structlog
from api_bench import ARN, CONTEXT, Bench

from midge.model.policies import ResourcePolicy
from midge.store.port import ResourceScope

S3 = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}


async def add(bench: Bench, sid: str = "s", name: str = "f", **values: Any) -> dict[str, Any]:
    given = {**S3, **values}
    return json.loads((await bench.call("AddPermission", FunctionName=name, StatementId=sid, **given))["Statement"])


async def sids(bench: Bench, **values: Any) -> list[str]:
    policy = json.loads((await bench.call("GetPolicy", FunctionName="f", **values))["Policy"])
    return [statement["Sid"] for statement in policy["Statement"]]


def test_statements_are_written_as_aws_writes_them(bench: Bench) -> None:
    """Statement and policy are JSON without blanks, their members in AWS's order, byte for byte."""
    source = "arn:aws:s3:::bucket"
    statement = (
        '{"Sid":"s","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",'
        f'"Resource":"{ARN}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"123456789012"}},'
        f'"ArnLike":{{"AWS:SourceArn":"{source}"}}}}}}'
    )

    async def scenario(bench: Bench) -> None:
        await bench.created()
        values = {**S3, "SourceArn": source, "SourceAccount": "123456789012"}
        added = await bench.call("AddPermission", FunctionName="f", StatementId="s", **values)
        assert added == {"Statement": statement}
        found = await bench.call("GetPolicy", FunctionName="f")
        assert found["Policy"] == f'{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}'

    bench.run(scenario)


@pytest.mark.parametrize(
    ("principal", "written"),
    [
        ("sns.amazonaws.com", {"Service": "sns.amazonaws.com"}),
        ("logs.us-east-1.amazonaws.com", {"Service": "logs.us-east-1.amazonaws.com"}),
        ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/path/r", {"AWS": "arn:aws:iam::123456789012:role/path/r"}),
        ("*", "*"),
    ],
)
def test_principals(bench: Bench, principal: str, written: Any) -> None:
    """Services, accounts, ARNs and everybody are told apart and written each in AWS's form; no condition, no Condition."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        statement = await add(bench, Principal=principal)
        assert statement["Principal"] == written
        assert "Condition" not in statement

    bench.run(scenario)


@pytest.mark.parametrize(
    "principal", ["nobody", "12345", "arn:aws:s3:::bucket", "arn:aws:iam::1:root", "s3.example.com", ""]
)
def test_a_principal_that_is_none_is_refused(bench: Bench, principal: str) -> None:
    """What is neither service, account, identity nor everybody is refused in AWS's words, and no policy is made."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        values = {**S3, "Principal": principal, "StatementId": "s"}
        message = await bench.refused("AddPermission", "InvalidParameterValueException", FunctionName="f", **values)
        assert message == "The provided principal was invalid. Please check the principal and try again."
        await bench.refused("GetPolicy", "ResourceNotFoundException", FunctionName="f")

    bench.run(scenario)


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ({"EventSourceToken": "t"}, {"StringEquals": {"lambda:EventSourceToken": "t"}}),
        ({"PrincipalOrgID": "o-0123456789"}, {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}}),
        ({"SourceArn": "arn:aws:s3:::b"}, {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}),
        (
            {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        ),
        ({"InvokedViaFunctionUrl": True}, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
        (
            {"SourceAccount": "123456789012", "PrincipalOrgID": "o-0123456789"},
            {"StringEquals": {"AWS:SourceAccount": "123456789012", "aws:PrincipalOrgID": "o-0123456789"}},
        ),
    ],
)
def test_conditions(bench: Bench, values: dict[str, Any], condition: Any) -> None:
    """Every member that narrows a permission becomes its condition."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        assert (await add(bench, **values))["Condition"] == condition

    bench.run(scenario)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"FunctionUrlAuthType": "NONE"}, "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"),
        (
            {"InvokedViaFunctionUrl": True, "Action": "lambda:GetFunction"},
            "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
        ),
        ({"Qualifier": "$LATEST"}, "We currently do not support adding policies for $LATEST."),
    ],
)
def test_what_cannot_be_permitted_is_refused(bench: Bench, values: dict[str, Any], message: str) -> None:
    """Conditions that belong to another action, and $LATEST, are refused."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        given = {**S3, "StatementId": "s", **values}
        assert (
            await bench.refused("AddPermission", "InvalidParameterValueException", FunctionName="f", **given) == message
        )

    bench.run(scenario)


def test_a_statement_id_is_used_once_in_a_policy(bench: Bench) -> None:
    """A second statement of that id is a conflict; another policy of the function may have it, and it can be freed."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await add(bench)
        await add(bench, "t")
        message = await bench.refused(
            "AddPermission", "ResourceConflictException", FunctionName="f", StatementId="s", **S3
        )
        assert message == (
            "The statement id (s) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
        await add(bench, Qualifier="1")
        await bench.call("RemovePermission", FunctionName="f", StatementId="s")
        await add(bench)
        assert await sids(bench) == ["t", "s"]

    bench.run(scenario)


def test_each_qualifier_has_a_policy_of_its_own(bench: Bench) -> None:
    """Function, version and alias have policies with their own ARNs, and each goes with what it is attached to."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        assert (await add(bench, "a"))["Resource"] == ARN
        assert (await add(bench, "b", Qualifier="1"))["Resource"] == f"{ARN}:1"
        assert (await add(bench, "c", "f:live"))["Resource"] == f"{ARN}:live"
        assert [await sids(bench), await sids(bench, Qualifier="1"), await sids(bench, Qualifier="live")] == [
            ["a"],
            ["b"],
            ["c"],
        ]
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await bench.refused("GetPolicy", "ResourceNotFoundException", FunctionName="f:live")
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        await bench.call("DeleteFunction", FunctionName="f", Qualifier="1")
        await bench.refused("GetPolicy", "ResourceNotFoundException", FunctionName="f:1")
        assert await sids(bench) == ["a"]
        await bench.call("DeleteFunction", FunctionName="f")
        scope = ResourceScope(account=CONTEXT.account, region=CONTEXT.region)
        assert (await bench.store.list_resources(ResourcePolicy, scope, None, 50)).items == ()

    bench.run(scenario)


def test_removing_says_what_is_missing(bench: Bench) -> None:
    """No policy, no such statement and no such function are told apart; with its last statement the policy is gone."""

    async def scenario(bench: Bench) -> None:
        async def refused(operation: str = "RemovePermission", **values: Any) -> str:
            return await bench.refused(operation, "ResourceNotFoundException", FunctionName="f", **values)

        assert await refused(StatementId="s") == f"Function not found: {ARN}"
        assert await refused("AddPermission", StatementId="s", **S3) == f"Function not found: {ARN}"
        assert await refused("GetPolicy") == f"Function not found: {ARN}"
        await bench.created()
        assert await refused(StatementId="s") == "No policy is associated with the given resource."
        await add(bench)
        assert await refused(StatementId="t") == "Statement t is not found in resource policy."
        assert await bench.call("RemovePermission", FunctionName="f", StatementId="s") == {}
        assert await refused("GetPolicy") == "The resource you requested does not exist."
        assert await refused("GetPolicy", Qualifier="7") == f"Function not found: {ARN}:7"

    bench.run(scenario)


def test_changes_can_insist_on_a_revision(bench: Bench) -> None:
    """With RevisionId a policy changes only from that revision: the function's before there is one, then its own."""

    async def scenario(bench: Bench) -> None:
        function = (await bench.created())["RevisionId"]
        stale = {"FunctionName": "f", "StatementId": "t", "RevisionId": "stale", **S3}
        message = await bench.refused("AddPermission", "PreconditionFailedException", **stale)
        assert message.endswith("Call the GetPolicy API to retrieve the latest Revision Id")
        await add(bench, RevisionId=function)
        first = (await bench.call("GetPolicy", FunctionName="f"))["RevisionId"]
        await bench.refused("AddPermission", "PreconditionFailedException", **{**stale, "RevisionId": function})
        await add(bench, "t", RevisionId=first)
        second = (await bench.call("GetPolicy", FunctionName="f"))["RevisionId"]
        assert len({function, first, second}) == 3
        removal = {"FunctionName": "f", "StatementId": "t"}
        await bench.refused("RemovePermission", "PreconditionFailedException", **removal, RevisionId=first)
        await bench.call("RemovePermission", **removal, RevisionId=second)
        assert await sids(bench) == ["s"]
        assert (await bench.settle())["RevisionId"] == function

    bench.run(scenario)


def test_a_policy_has_twenty_kilobytes(bench: Bench) -> None:
    """Statements are taken up to 20 KB of policy; the first beyond is refused with the sizes and changes nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        source = "arn:aws:s3:::" + "b" * 900
        count = 0
        while True:
            policy = len((await bench.call("GetPolicy", FunctionName="f"))["Policy"]) if count else 0
            statement = json.dumps(await add(bench, f"s{count:02}", SourceArn=source), separators=(",", ":"))
            count += 1
            if policy + 2 * len(statement) + 60 > 20_480:
                break
        values = {**S3, "SourceArn": source * 2, "StatementId": "more"}
        message = await bench.refused("AddPermission", "PolicyLengthExceededException", FunctionName="f", **values)
        assert message.startswith("The final policy size (")
        assert message.endswith(") is bigger than the limit (20480).")
        assert len(await sids(bench)) == count
        assert len((await bench.call("GetPolicy", FunctionName="f"))["Policy"]) <= 20_480

    bench.run(scenario)


def test_a_policy_survives_a_restart(bench: Bench) -> None:
    """Another life of the process has the same policy and revision."""
    found: list[dict[str, Any]] = []

    async def first(bench: Bench) -> None:
        await bench.created()
        await add(bench, SourceArn="arn:aws:s3:::b")
        found.append(await bench.call("GetPolicy", FunctionName="f"))

    async def second(bench: Bench) -> None:
        assert [await bench.call("GetPolicy", FunctionName="f")] == found

    bench.run(first, second)


def test_that_nothing_evaluates_it_is_said(bench: Bench) -> None:
    """midge's log says once for each policy that it has no effect; strict mode refuses to keep one."""

    async def said(bench: Bench) -> None:
        await bench.created()
        with structlog.testing.capture_logs() as logs:
            await add(bench)
            await add(bench, "t")
        assert [entry["members"] for entry in logs if entry["event"] == "kept_without_effect"] == [["Policy"]]

    async def refused(bench: Bench) -> None:
        message = await bench.refused(
            "AddPermission", "InvalidParameterValueException", FunctionName="f", StatementId="u", **S3
        )
        assert message == "midge does not support the operation AddPermission yet."

    bench.run(said)
    bench.strict = True
    bench.run(refused)
