"""Every operation of the Lambda API through the AWS CLI (v1), and every waiter and paginator of boto3, on a real server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from functional.server import ROLE, Midge, clean_environment, make_zip

from midge.api.operations import ANSWERED_BY_THE_LISTENER, OPERATIONS
from midge.wire.model import load_service_model

HARNESS = Path(__file__).parents[1] / "harness" / "aws_cli.py"
NAMES = load_service_model("lambda").operations.keys()
REFUSED = NAMES - OPERATIONS.keys() - ANSWERED_BY_THE_LISTENER.keys()
NOT_IN_THE_CLI = {"InvokeWithResponseStream"}
"""The CLI leaves out operations that answer with an event stream."""
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
EXECUTION = "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/name/id"
PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/abcdefghij"


class Cli:
    """The CLI, one command after the other; ``called`` are the operations that have been.

    The CLI on PyPI brings a service model of its own, now and then older than botocore's: what it does not know is
    called through boto3.
    """

    def __init__(self, midge: Midge) -> None:
        self._client = midge.client()
        variables = clean_environment(
            AWS_ENDPOINT_URL=midge.endpoint,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_DEFAULT_OUTPUT="json",
            AWS_MAX_ATTEMPTS="1",
        )
        self._process = subprocess.Popen(
            [sys.executable, str(HARNESS)], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.called: set[str] = set()
        assert self._process.stdout is not None
        self.knows: set[str] = set(json.loads(self._process.stdout.readline()))

    def _ask(self, arguments: list[str]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(["lambda", *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __call__(self, operation: str, *more: str, **values: Any) -> Any:
        """What the operation answers; fails the test if the CLI does not succeed."""
        if operation not in self.knows:
            self.called.add(operation)
            return getattr(self._client, xform_name(operation))(**values)
        answer = self._ask(self._arguments(operation, more, values))
        assert answer["code"] == 0, (operation, answer)
        return json.loads(answer["output"]) if answer["output"].strip() else None

    def refused(self, operation: str, **values: Any) -> str:
        """The CLI's words for an error that the operation must end in."""
        if operation not in self.knows:
            self.called.add(operation)
            with pytest.raises(ClientError) as refused:
                getattr(self._client, xform_name(operation))(**values)
            return str(refused.value)
        answer = self._ask(self._arguments(operation, (), values))
        assert answer["code"] != 0, (operation, answer)
        return answer["errors"]

    def _arguments(self, operation: str, more: tuple[str, ...], values: dict[str, Any]) -> list[str]:
        self.called.add(operation)
        command = xform_name(operation, "-")
        return [command, *more, *(["--cli-input-json", json.dumps(values)] if values else [])]

    def wait(self, waiter: str, name: str) -> None:
        answer = self._ask(["wait", waiter, "--function-name", name])
        assert answer["code"] == 0, answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def cli(start_midge: Callable[..., Midge]) -> Iterator[Cli]:
    cli = Cli(start_midge())
    yield cli
    cli.close()


@pytest.fixture
def package(tmp_path: Path) -> str:
    """The CLI's way to name a file's bytes."""
    path = tmp_path / "package.zip"
    path.write_bytes(make_zip({"app.py": "def handler(event, context):\n    return event\n"}))
    return f"fileb://{path}"


def functions(cli: Cli, package: str, tmp_path: Path) -> None:
    given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE}
    cli("CreateFunction", "--zip-file", package, FunctionName="f", **given)
    cli.wait("function-active-v2", "f")
    assert cli("GetFunction", FunctionName="f")["Configuration"]["FunctionName"] == "f"
    cli("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    cli.wait("function-updated-v2", "f")
    cli("UpdateFunctionCode", "--zip-file", package, FunctionName="f")
    cli.wait("function-updated-v2", "f")
    assert cli("GetFunctionConfiguration", FunctionName="f")["Timeout"] == 9
    assert [each["FunctionName"] for each in cli("ListFunctions")["Functions"]] == ["f"]
    assert cli("PublishVersion", FunctionName="f")["Version"] == "1"
    assert len(cli("ListVersionsByFunction", FunctionName="f")["Versions"]) == 2
    cli("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    assert cli("GetAlias", FunctionName="f", Name="live")["FunctionVersion"] == "1"
    assert cli("UpdateAlias", FunctionName="f", Name="live", Description="d")["Description"] == "d"
    assert len(cli("ListAliases", FunctionName="f")["Aliases"]) == 1
    answer = tmp_path / "answer.json"
    assert cli("Invoke", "--function-name", "f", "--payload", "[1]", str(answer))["StatusCode"] == 200
    event = tmp_path / "event.json"
    event.write_text("[1]")
    assert cli("InvokeAsync", "--function-name", "f", "--invoke-args", str(event))["Status"] == 202
    assert json.loads(answer.read_text()) == [1]
    assert cli("GetAccountSettings")["AccountUsage"]["FunctionCount"] == 1


def settings(cli: Cli) -> None:
    cli("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=5)
    assert cli("GetFunctionConcurrency", FunctionName="f") == {"ReservedConcurrentExecutions": 5}
    provisioned = {"FunctionName": "f", "Qualifier": "live"}
    cli("PutProvisionedConcurrencyConfig", **provisioned, ProvisionedConcurrentExecutions=1)
    assert cli("GetProvisionedConcurrencyConfig", **provisioned)["RequestedProvisionedConcurrentExecutions"] == 1
    assert len(cli("ListProvisionedConcurrencyConfigs", FunctionName="f")["ProvisionedConcurrencyConfigs"]) == 1
    cli("DeleteProvisionedConcurrencyConfig", **provisioned)
    cli("DeleteFunctionConcurrency", FunctionName="f")
    cli("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=1)
    cli("UpdateFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60)
    assert cli("GetFunctionEventInvokeConfig", FunctionName="f")["MaximumRetryAttempts"] == 1
    assert len(cli("ListFunctionEventInvokeConfigs", FunctionName="f")["FunctionEventInvokeConfigs"]) == 1
    cli("DeleteFunctionEventInvokeConfig", FunctionName="f")
    cli("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
    cli("UpdateFunctionUrlConfig", FunctionName="f", AuthType="AWS_IAM")
    assert cli("GetFunctionUrlConfig", FunctionName="f")["AuthType"] == "AWS_IAM"
    assert len(cli("ListFunctionUrlConfigs", FunctionName="f")["FunctionUrlConfigs"]) == 1
    cli("DeleteFunctionUrlConfig", FunctionName="f")
    cli("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
    assert cli("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": "Allow"}
    cli("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
    assert cli("GetRuntimeManagementConfig", FunctionName="f")["UpdateRuntimeOn"] == "FunctionUpdate"


def permissions(cli: Cli) -> str:
    """Returns the function's ARN."""
    arn = cli("GetFunction", FunctionName="f")["Configuration"]["FunctionArn"]
    permission = {"FunctionName": "f", "StatementId": "s"}
    cli("AddPermission", **permission, Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    policy = cli("GetPolicy", FunctionName="f")["Policy"]
    cli("RemovePermission", **permission)
    cli("PutResourcePolicy", ResourceArn=arn, Policy=policy)
    assert json.loads(cli("GetResourcePolicy", ResourceArn=arn)["Policy"]) == json.loads(policy)
    cli("DeleteResourcePolicy", ResourceArn=arn)
    cli("TagResource", Resource=arn, Tags={"a": "b"})
    assert cli("ListTags", Resource=arn) == {"Tags": {"a": "b"}}
    cli("UntagResource", Resource=arn, TagKeys=["a"])
    return arn


def layers(cli: Cli, package: str) -> None:
    published = cli("PublishLayerVersion", "--zip-file", package, LayerName="l")
    version = {"LayerName": "l", "VersionNumber": 1}
    assert cli("GetLayerVersion", **version)["LayerVersionArn"] == published["LayerVersionArn"]
    assert cli("GetLayerVersionByArn", Arn=published["LayerVersionArn"])["Version"] == 1
    assert [each["LayerName"] for each in cli("ListLayers")["Layers"]] == ["l"]
    assert len(cli("ListLayerVersions", LayerName="l")["LayerVersions"]) == 1
    cli("AddLayerVersionPermission", **version, StatementId="s", Action="lambda:GetLayerVersion", Principal="*")
    assert "GetLayerVersion" in cli("GetLayerVersionPolicy", **version)["Policy"]
    cli("RemoveLayerVersionPermission", **version, StatementId="s")
    cli("DeleteLayerVersion", **version)


def standing_alone(cli: Cli) -> None:
    mapping = cli("CreateEventSourceMapping", FunctionName="f", EventSourceArn=QUEUE)["UUID"]
    boto_state = ""
    while boto_state != "Enabled":
        boto_state = cli("GetEventSourceMapping", UUID=mapping)["State"]
    assert len(cli("ListEventSourceMappings", FunctionName="f")["EventSourceMappings"]) == 1
    cli("UpdateEventSourceMapping", UUID=mapping, BatchSize=5)
    while cli("GetEventSourceMapping", UUID=mapping)["State"] != "Enabled":
        continue
    cli("DeleteEventSourceMapping", UUID=mapping)

    publishers = {"SigningProfileVersionArns": [PROFILE]}
    made = cli("CreateCodeSigningConfig", AllowedPublishers=publishers)["CodeSigningConfig"]
    config = {"CodeSigningConfigArn": made["CodeSigningConfigArn"]}
    assert cli("GetCodeSigningConfig", **config)["CodeSigningConfig"] == made
    cli("UpdateCodeSigningConfig", **config, Description="d")
    cli("PutFunctionCodeSigningConfig", FunctionName="f", **config)
    assert (
        cli("GetFunctionCodeSigningConfig", FunctionName="f")["CodeSigningConfigArn"] == config["CodeSigningConfigArn"]
    )
    assert len(cli("ListFunctionsByCodeSigningConfig", **config)["FunctionArns"]) == 1
    cli("DeleteFunctionCodeSigningConfig", FunctionName="f")
    assert len(cli("ListCodeSigningConfigs")["CodeSigningConfigs"]) == 1
    cli("DeleteCodeSigningConfig", **config)

    role = {"CapacityProviderOperatorRoleArn": ROLE}
    vpc = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}
    provider = {"CapacityProviderName": "p"}
    cli("CreateCapacityProvider", **provider, VpcConfig=vpc, PermissionsConfig=role)
    assert cli("GetCapacityProvider", **provider)["CapacityProvider"]["State"] == "Active"
    cli("UpdateCapacityProvider", **provider, CapacityProviderScalingConfig={"MaxVCpuCount": 4})
    assert len(cli("ListCapacityProviders")["CapacityProviders"]) == 1
    assert cli("ListFunctionVersionsByCapacityProvider", **provider)["FunctionVersions"] == []
    cli("DeleteCapacityProvider", **provider)


def missing_ones(cli: Cli) -> None:
    """Those that midge does not have say so, by name."""
    execution, callback = {"DurableExecutionArn": EXECUTION}, {"CallbackId": "aWQ="}
    values: dict[str, dict[str, Any]] = {
        "CheckpointDurableExecution": {**execution, "CheckpointToken": "aWQ="},
        "DeleteDurableExecution": execution,
        "GetDurableExecution": execution,
        "GetDurableExecutionHistory": execution,
        "GetDurableExecutionState": {**execution, "CheckpointToken": "aWQ="},
        "GetFunctionScalingConfig": {"FunctionName": "f", "Qualifier": "1"},
        "ListDurableExecutionsByFunction": {"FunctionName": "f"},
        "PauseDurableExecution": execution,
        "PutFunctionScalingConfig": {"FunctionName": "f", "Qualifier": "1"},
        "ResumeDurableExecution": execution,
        "SendDurableExecutionCallbackFailure": callback,
        "SendDurableExecutionCallbackHeartbeat": callback,
        "SendDurableExecutionCallbackSuccess": callback,
        "StopDurableExecution": execution,
    }
    assert values.keys() == REFUSED - NOT_IN_THE_CLI
    for operation, given in values.items():
        assert f"midge does not support the operation {operation} yet" in cli.refused(operation, **given)


@pytest.mark.needs("namespaces")
def test_the_cli_calls_every_operation(cli: Cli, package: str, tmp_path: Path) -> None:
    """The unmodified CLI gets an answer from each operation that midge has, and from each other its refusal by name."""
    functions(cli, package, tmp_path)
    settings(cli)
    arn = permissions(cli)
    layers(cli, package)
    standing_alone(cli)
    missing_ones(cli)
    cli("DeleteAlias", FunctionName="f", Name="live")
    cli("DeleteFunction", FunctionName=arn)
    assert cli.called == NAMES - NOT_IN_THE_CLI
    assert len(NAMES - cli.knows) < 10, "this CLI is too old to show anything"


PAGES: dict[str, tuple[dict[str, Any], str]] = {
    "list_aliases": ({"FunctionName": "f"}, "Aliases"),
    "list_capacity_providers": ({}, "CapacityProviders"),
    "list_code_signing_configs": ({}, "CodeSigningConfigs"),
    "list_event_source_mappings": ({}, "EventSourceMappings"),
    "list_function_event_invoke_configs": ({"FunctionName": "f"}, "FunctionEventInvokeConfigs"),
    "list_function_url_configs": ({"FunctionName": "f"}, "FunctionUrlConfigs"),
    "list_functions": ({}, "Functions"),
    "list_functions_by_code_signing_config": ({}, "FunctionArns"),
    "list_layer_versions": ({"LayerName": "l0"}, "LayerVersions"),
    "list_layers": ({}, "Layers"),
    "list_provisioned_concurrency_configs": ({"FunctionName": "f"}, "ProvisionedConcurrencyConfigs"),
    "list_versions_by_function": ({"FunctionName": "f"}, "Versions"),
}
EMPTY: dict[str, tuple[dict[str, Any], str]] = {
    "list_function_versions_by_capacity_provider": ({"CapacityProviderName": "p0"}, "FunctionVersions"),
}
WITHOUT_ENGINE: dict[str, dict[str, Any]] = {
    "get_durable_execution_history": {"DurableExecutionArn": EXECUTION},
    "get_durable_execution_state": {"DurableExecutionArn": EXECUTION, "CheckpointToken": "aWQ="},
    "list_durable_executions_by_function": {"FunctionName": "f"},
}
COUNT = 3


def furnish(client: Any, package: bytes) -> str:
    """Three of everything that can be listed; returns the ARN of a code signing configuration."""
    code = {"ZipFile": package}
    config = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})
    arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
    given = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "CodeSigningConfigArn": arn}
    for name in ("f", "g", "h"):
        client.create_function(FunctionName=name, Code=code, **given)
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    for number in range(COUNT):
        if number:
            client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})
            client.update_function_configuration(FunctionName="f", Description=str(number))
            client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
        version = client.publish_version(FunctionName="f")["Version"]
        client.get_waiter("published_version_active").wait(FunctionName="f", Qualifier=version)
        alias = {"FunctionName": "f", "Qualifier": f"a{number}"}
        client.create_alias(FunctionName="f", Name=alias["Qualifier"], FunctionVersion=version)
        client.put_function_event_invoke_config(**alias, MaximumRetryAttempts=1)
        client.create_function_url_config(**alias, AuthType="NONE")
        client.put_provisioned_concurrency_config(**alias, ProvisionedConcurrentExecutions=1)
        client.create_event_source_mapping(FunctionName="f", EventSourceArn=f"{QUEUE}{number}")
        client.publish_layer_version(LayerName="l0", Content=code)
        if number:
            client.publish_layer_version(LayerName=f"l{number}", Content=code)
        client.create_capacity_provider(
            CapacityProviderName=f"p{number}",
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
            PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
        )
    return arn


@pytest.mark.needs("namespaces")
def test_every_paginator_and_waiter_of_boto3(midge: Midge) -> None:
    """Each paginator shows everything once, an item a page; each waiter ends; those without an engine say so by name."""
    client = midge.client()
    model = boto3.Session()._session  # botocore's session, for the lists of what there is
    paginators = set(model.get_paginator_model("lambda")._paginator_config)
    waiters = set(model.get_waiter_model("lambda").waiter_names)
    named = {xform_name(name) for name in paginators}
    assert named == PAGES.keys() | EMPTY.keys() | WITHOUT_ENGINE.keys()

    arn = furnish(client, make_zip({"app.py": "def handler(event, context):\n    return event\n"}))
    for name, (values, key) in {**PAGES, **EMPTY}.items():
        given = {"CodeSigningConfigArn": arn} if name == "list_functions_by_code_signing_config" else values
        pages = list(client.get_paginator(name).paginate(**given, PaginationConfig={"PageSize": 1}))
        found = [json.dumps(item, default=str, sort_keys=True) for page in pages for item in page[key]]
        expected = 0 if name in EMPTY else COUNT + (name == "list_versions_by_function")
        assert (len(found), len(set(found))) == (expected, expected), name
        assert len(pages) == max(1, expected), name
    for name, values in WITHOUT_ENGINE.items():
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="midge does not support"):
            list(client.get_paginator(name).paginate(**values))

    for waiter in waiters:
        values = {"Qualifier": "1"} if waiter == "PublishedVersionActive" else {}
        client.get_waiter(xform_name(waiter)).wait(FunctionName="f", **values)
