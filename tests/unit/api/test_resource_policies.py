"""Resource policies as whole documents."""

import json
from typing import Any

import pytest
from api_bench import ARN, Bench
from hypothesis import given
from hypothesis import strategies as st

from midge.api.policy_documents import parse_policy
from midge.model.errors import ServiceError

ALLOW: dict[str, Any] = {
    "Sid": "s",
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Resource": ARN,
}


def document(*statements: dict[str, Any], **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **members})


def test_a_document_comes_back_with_its_meaning(bench: Bench) -> None:
    """What was put is returned, single values as such; it replaces every permission that was added before."""
    rich = {
        **ALLOW,
        "Effect": "Deny",
        "Sid": "t",
        "Principal": {"AWS": ["123456789012", "arn:aws:iam::123456789012:role/r"]},
        "Action": ["lambda:InvokeFunction", "lambda:Get*"],
        "Condition": {"Bool": {"aws:SecureTransport": False}, "StringLike": {"aws:PrincipalTag/x": ["a*", "b"]}},
    }

    async def scenario(bench: Bench) -> None:
        await bench.created()
        added = {"FunctionName": "f", "StatementId": "old", "Action": "lambda:*", "Principal": "*"}
        await bench.call("AddPermission", **added)
        put = await bench.call("PutResourcePolicy", ResourceArn=ARN, Policy=document(ALLOW, rich, Id="mine"))
        found = await bench.call("GetResourcePolicy", ResourceArn=ARN)
        assert found == put
        assert json.loads(found["Policy"]) == {
            "Version": "2012-10-17",
            "Id": "mine",
            "Statement": [
                ALLOW,
                rich
                | {
                    "Principal": {"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/r"]},
                    "Condition": {
                        "StringLike": {"aws:PrincipalTag/x": ["a*", "b"]},
                        "Bool": {"aws:SecureTransport": "false"},
                    },
                },
            ],
        }
        assert (await bench.call("GetPolicy", FunctionName="f"))["RevisionId"] == put["RevisionId"]
        await bench.call("AddPermission", **added)
        statements = json.loads((await bench.call("GetPolicy", FunctionName="f"))["Policy"])["Statement"]
        assert [statement["Sid"] for statement in statements] == ["s", "t", "old"]
        await bench.call("DeleteResourcePolicy", ResourceArn=ARN)
        await bench.refused("GetResourcePolicy", "ResourceNotFoundException", ResourceArn=ARN)
        await bench.refused("DeleteResourcePolicy", "ResourceNotFoundException", ResourceArn=ARN)

    bench.run(scenario)


def test_a_document_is_replaced_from_its_revision(bench: Bench) -> None:
    """With a RevisionId a policy is replaced or deleted only from that revision."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        values = {"ResourceArn": ARN, "Policy": document(ALLOW)}
        nobodys = "00000000-0000-0000-0000-000000000000"
        await bench.refused("PutResourcePolicy", "PreconditionFailedException", **values, RevisionId=nobodys)
        first = (await bench.call("PutResourcePolicy", **values))["RevisionId"]
        await bench.refused("PutResourcePolicy", "PreconditionFailedException", **values, RevisionId=nobodys)
        second = (await bench.call("PutResourcePolicy", **values, RevisionId=first))["RevisionId"]
        await bench.refused("DeleteResourcePolicy", "PreconditionFailedException", ResourceArn=ARN, RevisionId=first)
        await bench.call("DeleteResourcePolicy", ResourceArn=ARN, RevisionId=second)

    bench.run(scenario)


def test_versions_and_aliases_have_documents_of_their_own(bench: Bench) -> None:
    """A qualified ARN names the policy of a version or an alias, which must exist; $LATEST has none."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        for qualifier, code in (("2", "ResourceNotFoundException"), ("$LATEST", "InvalidParameterValueException")):
            arn = f"{ARN}:{qualifier}"
            policy = document({**ALLOW, "Resource": arn})
            await bench.refused("PutResourcePolicy", code, ResourceArn=arn, Policy=policy)
        arn = f"{ARN}:1"
        await bench.call("PutResourcePolicy", ResourceArn=arn, Policy=document({**ALLOW, "Resource": arn}))
        await bench.refused("GetResourcePolicy", "ResourceNotFoundException", ResourceArn=ARN)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("{", "not JSON"),
        ("[]", "the policy must be an object"),
        ("{}", "a statement must be an object"),
        (document(), "it has no statement"),
        (document(ALLOW, Version="2013"), "Version must be one of"),
        (document(ALLOW, Extra=1), "member Extra"),
        (document(ALLOW, Id=1), "Id must be a string"),
        (document(ALLOW, ALLOW), "unique"),
        (document({**ALLOW, "Effect": "allow"}), "Effect must be Allow or Deny"),
        (document({**ALLOW, "Sid": "a b"}), "Sid must be"),
        (document({**ALLOW, "Action": "s3:GetObject"}), "s3:GetObject is not an action of Lambda"),
        (document({**ALLOW, "Action": []}), "Action is empty"),
        (document({**ALLOW, "Action": {}}), "Action must be a string"),
        (document({**ALLOW, "Resource": "*"}), f"Resource must be {ARN}"),
        (document({**ALLOW, "NotAction": "lambda:*"}), "member NotAction"),
        (document({**ALLOW, "Principal": {}}), "Principal names nobody"),
        (document({**ALLOW, "Principal": "nobody"}), "Principal must be an object"),
        (document({**ALLOW, "Principal": {"Federated": "x"}}), "member Federated"),
        (document({**ALLOW, "Principal": {"Service": "123456789012"}}), "principal was invalid"),
        (document({**ALLOW, "Condition": []}), "Condition must be an object"),
        (document({**ALLOW, "Condition": {"Bool": {}}}), "Condition.Bool must be"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(policy: str, says: str) -> None:
    """Each thing that is wrong with a document is said in the error."""
    with pytest.raises(ServiceError, match="InvalidParameterValueException") as refused:
        parse_policy(policy, ARN)
    assert says in refused.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["*", ARN, "Allow", "lambda:*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ALLOW, "Condition", "AWS"]), inner),
    max_leaves=12,
)


@given(statement=st.dictionaries(st.sampled_from([*ALLOW, "Condition"]), JSON), whole=JSON)
def test_no_document_breaks_the_parser(statement: dict[str, Any], whole: Any) -> None:
    """Whatever JSON is sent, the parser gives statements or AWS's error and nothing else."""
    codes: list[str] = []
    for text in (
        json.dumps({**ALLOW, **statement}),
        json.dumps({"Statement": {**ALLOW, **statement}}),
        json.dumps(whole),
    ):
        try:
            _, statements = parse_policy(text, ARN)
        except ServiceError as error:
            codes.append(error.code)
        else:
            assert statements
    assert set(codes) <= {"InvalidParameterValueException"}
