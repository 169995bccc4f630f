"""Many accounts and regions in one server: the region from the signature, the account from the access key id."""

import json
from typing import Any

import boto3
import pytest
from functional.server import Midge, make_zip

ROLE = "arn:aws:iam::{account}:role/r"
HANDLER = """
import boto3

def handler(event, context):
    names = [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]]
    return [{here!r}, context.invoked_function_arn, names]
"""
PLACES = [("000000000000", "us-east-1"), ("111111111111", "us-east-1"), ("111111111111", "eu-west-1")]


def client_in(midge: Midge, account: str, region: str) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=midge.endpoint,
        region_name=region,
        aws_access_key_id=account if account != "000000000000" else "AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="x",
    )


@pytest.mark.needs("namespaces")
def test_places_are_strangers(midge: Midge) -> None:
    """Functions of one name in three places run their own code, see their own place from inside, and go alone."""
    clients = {place: client_in(midge, *place) for place in PLACES}
    for number, (place, client) in enumerate(clients.items()):
        account, region = place
        code = make_zip({"app.py": HANDLER.replace("{here!r}", repr(list(place)))})
        given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE.format(account=account), "Timeout": 30}
        for name in ("same", f"only-{number}"):
            created = client.create_function(FunctionName=name, Code={"ZipFile": code}, **given)
            assert created["FunctionArn"] == f"arn:aws:lambda:{region}:{account}:function:{name}"
        client.publish_layer_version(LayerName="l", Content={"ZipFile": code})
        client.put_function_concurrency(FunctionName="same", ReservedConcurrentExecutions=900)
    for number, (place, client) in enumerate(clients.items()):
        account, region = place
        client.get_waiter("function_active_v2").wait(FunctionName="same", WaiterConfig={"Delay": 1})
        found = json.load(client.invoke(FunctionName="same")["Payload"])
        arn = f"arn:aws:lambda:{region}:{account}:function:same"
        assert found == [list(place), arn, [f"only-{number}", "same"]]
        assert client.get_account_settings()["AccountUsage"]["FunctionCount"] == 2
        assert len(client.list_layer_versions(LayerName="l")["LayerVersions"]) == 1
        assert client.list_tags(Resource=arn)["Tags"] == {}
        for other in PLACES:
            if other != place:
                with pytest.raises(client.exceptions.ClientError) as refused:
                    client.get_function(FunctionName=f"arn:aws:lambda:{other[1]}:{other[0]}:function:same")
                assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {403, 404}
    clients[PLACES[0]].delete_function(FunctionName="same")
    assert "FunctionError" not in clients[PLACES[1]].invoke(FunctionName="same")
