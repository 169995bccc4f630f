"""Where memory is short: on the real server, with real environments and the kernel's account of what they use."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from functional.figures import until
from functional.server import ROLE, Midge, make_zip

pytestmark = pytest.mark.needs("namespaces", "freezer")

CODE = """
import time, uuid
HERE = str(uuid.uuid4())

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return HERE
"""
NAMES = ("a", "b", "c")


def call(client: Any, name: str, seconds: float = 0) -> str:
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"seconds": seconds}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return str(json.load(answer["Payload"]))


@pytest.fixture
def cramped(start_midge: Callable[..., Midge]) -> Midge:
    """A server with 300 MB for its functions, and three of 128 MB."""
    midge = start_midge(MIDGE_LIMITS_FUNCTIONS_MEMORY_MB="300")
    client = midge.client()
    for name in (*NAMES, "large"):
        client.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Timeout=30,
            MemorySize=301 if name == "large" else 128, Code={"ZipFile": make_zip({"app.py": CODE})},
        )  # fmt: skip
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return midge


def test_the_third_of_two_waits_until_one_is_idle(cramped: Midge) -> None:
    """While two run the third waits, and has the room of the first that has answered; one too large is told so."""
    client = cramped.client(max_pool_connections=4)
    with ThreadPoolExecutor(3) as threads:
        first = [threads.submit(call, client, name, 2) for name in NAMES[:2]]
        until(cramped, 'midge_environments{state="busy"} 2')
        third = threads.submit(call, client, "c")
        until(cramped, "midge_memory_waiting 1")
        assert not third.done()
        before = [each.result() for each in first]
        third.result()
    after = [call(client, name) for name in NAMES[:2]]
    assert len(set(before) - set(after)) >= 1
    with pytest.raises(client.exceptions.ServiceException, match=r"301 MB does not fit.*300 MB"):
        call(client, "large")


def test_those_who_stand_still_make_room_alive(cramped: Midge) -> None:
    """One after another all three fit, since the idle ones hold what they use; each is found warm again."""
    client = cramped.client()
    first: list[str] = []
    for count, name in enumerate(NAMES, 1):
        first.append(call(client, name))
        until(cramped, f"midge_frozen_environments {count}")
    again: list[str] = []
    for name in NAMES:
        again.append(call(client, name))
        until(cramped, "midge_frozen_environments 3")
    assert again == first
