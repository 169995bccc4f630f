"""The environment variables that a deployed function sees, by AWS's list of them.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from functional.server import Midge
from harness.environments import catalogue

pytestmark = pytest.mark.needs("namespaces")

NODES = [name for name in catalogue() if name.startswith("nodejs")]
PYTHON = {"app.py": "import os\ndef handler(event, context):\n    return dict(os.environ)\n"}
NODE = {"app.mjs": "export const handler = async () => ({...process.env});\n"}
EVERYWHERE = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_REGION": "us-east-1",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LANG": "en_US.UTF-8",
    "MINE": "1",
    "TZ": ":UTC",
}
NOT_EMPTY = {
    "AWS_ACCESS_KEY_ID",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_XRAY_DAEMON_ADDRESS",
}


def seen(midge: Midge, deploy: Callable[..., str], name: str, files: dict[str, str], **settings: Any) -> dict[str, str]:
    """The variables of a new function, those that are the same for all languages checked already."""
    function = deploy(name, files, MemorySize=256, Environment={"Variables": {"MINE": "1"}}, **settings)
    found = json.loads(midge.client().invoke(FunctionName=function)["Payload"].read())
    assert found.items() >= EVERYWHERE.items()
    assert (
        found.items() >= {"AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}"}.items()
    )
    assert all(found.get(variable) for variable in NOT_EMPTY)
    assert found["PATH"].split(":")[-1] == "/opt/bin"
    assert found["LD_LIBRARY_PATH"].split(":")[-1] == "/opt/lib"
    return found


def test_what_a_python_function_sees(midge: Midge, deploy: Callable[..., str]) -> None:
    """Everything that AWS lists, the function's own beside it, and where layers' modules are."""
    found = seen(midge, deploy, "variables-python", PYTHON)
    assert (found["_HANDLER"], found["AWS_EXECUTION_ENV"]) == ("app.handler", "AWS_Lambda_python3.11")
    assert found["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "/var/runtime" in found["PYTHONPATH"].split(":")


@pytest.mark.skipif(not NODES, reason="no Node.js that a runtime could be made of")
def test_what_a_nodejs_function_sees(midge: Midge, deploy: Callable[..., str]) -> None:
    """As Python."""
    runtime = NODES[-1]
    found = seen(midge, deploy, "variables-nodejs", NODE, Runtime=runtime)
    assert (found["_HANDLER"], found["AWS_EXECUTION_ENV"]) == ("app.handler", f"AWS_Lambda_{runtime}")
    major = runtime.removeprefix("nodejs").removesuffix(".x")
    assert found["NODE_PATH"].startswith(f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:")
    assert found["_X_AMZN_TRACE_ID"].startswith("Root=1-")
