"""What happens to environments when their function changes or breaks: on the real server, in real sandboxes."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from functional.figures import until
from functional.server import ROLE, Midge, make_zip

pytestmark = pytest.mark.needs("namespaces")

CODE = """
import os, time, uuid
HERE = str(uuid.uuid4())

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    if event.get("crash"):
        os._exit(7)
    return [VERSION, HERE]
"""


def code(version: int) -> bytes:
    return make_zip({"app.py": f"VERSION = {version}\n{CODE}"})


def deploy(client: Any, name: str) -> None:
    client.create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Timeout=30, Code={"ZipFile": code(1)}
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def call(client: Any, name: str, **event: Any) -> list[Any]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()
    found: list[Any] = json.load(answer["Payload"])
    return found


def test_an_update_lets_what_runs_end(start_midge: Callable[..., Midge]) -> None:
    """Invocations in flight end with the old code while others get the new; then the old environments are gone."""
    midge = start_midge()
    client = midge.client(max_pool_connections=8)
    deploy(client, "changing")
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(call, client, "changing", seconds=3) for _ in range(3)]
        until(midge, 'midge_environments{state="busy"} 3')
        client.update_function_code(FunctionName="changing", ZipFile=code(2))
        client.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
        assert call(client, "changing")[0] == 2
        client.update_function_configuration(FunctionName="changing", MemorySize=256)
        client.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
        assert call(client, "changing")[0] == 2
        assert [each.result()[0] for each in running] == [1, 1, 1]
    until(midge, 'midge_environments{state="ready"} 1')
    for state in ("busy", "answered", "reset", "shutdown"):
        until(midge, f'midge_environments{{state="{state}"}} 0')


def test_a_crash_is_one_invocations_alone(start_midge: Callable[..., Midge]) -> None:
    """Others in flight end well, the next is served by a new environment, and the one that crashed leaves nothing."""
    midge = start_midge()
    client = midge.client(max_pool_connections=8)
    deploy(client, "breaking")
    with ThreadPoolExecutor(4) as threads:
        beside = threads.submit(call, client, "breaking", seconds=2)
        until(midge, 'midge_environments{state="busy"} 1')
        broken = client.invoke(FunctionName="breaking", Payload=json.dumps({"crash": True}))
        assert json.load(broken["Payload"])["errorType"] == "Runtime.ExitError"
        following = call(client, "breaking")
        assert beside.result()[1] != following[1]
    until(midge, 'midge_environments{state="ready"} 2')
    until(midge, 'midge_environments{state="reset"} 0')
