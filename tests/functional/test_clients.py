"""AWS's own clients, unmodified and with no setting but the endpoint: boto3, and the AWS CLI (v1) as a program."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, clean_environment, make_zip

FIRST = "def handler(event, context):\n    return {'said': event['say'], 'version': context.function_version}\n"
SECOND = "def handler(event, context):\n    print('second', event['say'])\n    return {'said': event['say'].upper()}\n"
Aws = Callable[..., Any]


@pytest.fixture
def aws(midge: Any) -> Aws:
    """Runs ``aws lambda ...`` and returns what it printed, parsed; a failing command raises with its words."""
    variables = clean_environment(
        AWS_ENDPOINT_URL=midge.endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    program = Path(sys.executable).with_name("aws")

    def run(*arguments: str) -> Any:
        argv = [str(program), "lambda", *arguments, "--output", "json"]
        result = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120, check=False)
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
        return json.loads(result.stdout) if result.stdout.strip() else None

    return run


@pytest.mark.needs("namespaces")
def test_boto3_takes_a_function_through_its_life(midge: Any) -> None:
    """boto3 creates, awaits, invokes, updates, publishes, aliases and deletes a function, and each step shows."""
    client = midge.client()
    created = client.create_function(
        FunctionName="life",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": FIRST})},
    )
    assert (created["State"], created["Version"]) == ("Pending", "$LATEST")
    client.get_waiter("function_active_v2").wait(FunctionName="life", WaiterConfig={"Delay": 1})
    first = client.invoke(FunctionName="life", Payload=b'{"say":"hello"}')
    assert (first["StatusCode"], first["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(first["Payload"].read()) == {"said": "hello", "version": "$LATEST"}

    assert client.publish_version(FunctionName="life")["Version"] == "1"
    client.update_function_code(FunctionName="life", ZipFile=make_zip({"app.py": SECOND}))
    client.get_waiter("function_updated_v2").wait(FunctionName="life", WaiterConfig={"Delay": 1})
    second = client.invoke(FunctionName="life", Payload=b'{"say":"hello"}', LogType="Tail")
    assert json.loads(second["Payload"].read()) == {"said": "HELLO"}
    assert "second hello" in base64.b64decode(second["LogResult"]).decode()

    client.create_alias(FunctionName="life", Name="live", FunctionVersion="1")
    aliased = client.invoke(FunctionName="life", Qualifier="live", Payload=b'{"say":"hello"}')
    assert aliased["ExecutedVersion"] == "1"
    assert json.loads(aliased["Payload"].read()) == {"said": "hello", "version": "1"}

    client.delete_alias(FunctionName="life", Name="live")
    client.delete_function(FunctionName="life")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="life")


@pytest.mark.needs("namespaces")
def test_the_cli_takes_a_function_through_its_life(aws: Aws, tmp_path: Path) -> None:
    """The AWS CLI does the same: create, wait, invoke, update, publish, alias, delete."""
    package, answer = tmp_path / "package.zip", tmp_path / "answer.json"
    package.write_bytes(make_zip({"app.py": FIRST}))
    settings = ("--runtime", "python3.11", "--handler", "app.handler", "--role", ROLE)
    created = aws("create-function", "--function-name", "cli", *settings, "--zip-file", f"fileb://{package}")
    assert created["FunctionArn"].endswith(":function:cli")
    aws("wait", "function-active-v2", "--function-name", "cli")
    invoke = ("invoke", "--function-name", "cli", "--payload", '{"say":"hello"}')
    assert aws(*invoke, str(answer))["StatusCode"] == 200
    assert json.loads(answer.read_text()) == {"said": "hello", "version": "$LATEST"}

    assert aws("publish-version", "--function-name", "cli")["Version"] == "1"
    package.write_bytes(make_zip({"app.py": SECOND}))
    aws("update-function-code", "--function-name", "cli", "--zip-file", f"fileb://{package}")
    aws("wait", "function-updated-v2", "--function-name", "cli")
    logged = aws(*invoke, "--log-type", "Tail", str(answer))
    assert json.loads(answer.read_text()) == {"said": "HELLO"}
    assert "second hello" in base64.b64decode(logged["LogResult"]).decode()

    aws("create-alias", "--function-name", "cli", "--name", "live", "--function-version", "1")
    assert aws(*invoke, "--qualifier", "live", str(answer))["ExecutedVersion"] == "1"
    assert json.loads(answer.read_text()) == {"said": "hello", "version": "1"}

    aws("delete-alias", "--function-name", "cli", "--name", "live")
    aws("delete-function", "--function-name", "cli")
    with pytest.raises(RuntimeError, match="ResourceNotFoundException"):
        aws("get-function", "--function-name", "cli")
