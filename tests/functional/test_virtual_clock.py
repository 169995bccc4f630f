"""A server whose clock is turned: hours of retries, ages and idle environments pass in seconds."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.server import ROLE, Midge, make_zip

pytestmark = pytest.mark.needs("namespaces")

FUNCTION = """
def handler(event, context):
    print("attempt", event["number"])
    if event["fail"]:
        raise ValueError("no")
"""


def advance(midge: Midge, seconds: float) -> float:
    body = json.dumps({"seconds": seconds}).encode()
    request = urllib.request.Request(f"{midge.endpoint}/_midge/clock/advance", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=300) as answer:
        now: float = json.load(answer)["now"]
        return now


def figures(midge: Midge) -> dict[str, float]:
    with urllib.request.urlopen(f"{midge.endpoint}/_midge/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def deploy(midge: Midge, **settings: Any) -> Any:
    client = midge.client()
    client.create_function(
        FunctionName="work", Runtime="python3.11", Handler="app.handler", Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": FUNCTION})}, **settings,
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName="work", WaiterConfig={"Delay": 1})
    return client


def send(client: Any, number: int, *, fail: bool) -> None:
    payload = json.dumps({"number": number, "fail": fail}).encode()
    client.invoke(FunctionName="work", InvocationType="Event", Payload=payload)


def test_eight_hours_of_traffic(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Of an event a minute for eight hours, every third failing, each is tried as often as AWS would, and none is left."""
    midge = start_midge(tmp_path / "data", MIDGE_SERVER_CLOCK="virtual")
    client = deploy(midge)
    begin = end = advance(midge, 0)
    for minute in range(480):
        send(client, minute, fail=minute % 3 == 0)
        end = advance(midge, 60)
    assert 480 * 60 <= end - begin < 480 * 60 + 600
    advance(midge, 600)
    found = figures(midge)
    assert found['midge_async_events_received_total{function="work"}'] == 480
    assert found["midge_async_events"] == 0
    assert found['midge_invocations_total{function="work"}'] == 320 + 160 * 3
    assert found['midge_async_events_dropped_total{function="work"}'] == 160
    assert found['midge_environments{state="ready"}'] >= 1
    advance(midge, 3600)
    assert found | figures(midge) != found
    assert figures(midge)['midge_environments{state="ready"}'] == 0


def test_an_event_ages_by_the_clock(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """With no concurrency an event waits for its six hours, is then dropped, and never runs."""
    midge = start_midge(tmp_path / "data", MIDGE_SERVER_CLOCK="virtual")
    client = deploy(midge)
    client.put_function_concurrency(FunctionName="work", ReservedConcurrentExecutions=0)
    send(client, 1, fail=False)
    advance(midge, 6 * 3600 - 1)
    assert figures(midge)["midge_async_events"] == 1
    advance(midge, 301)
    found = figures(midge)
    assert found["midge_async_events"] == 0
    assert found['midge_async_events_dropped_total{function="work"}'] == 1
    assert found['midge_invocations_total{function="work"}'] == 0


def test_the_machine_s_own_clock_cannot_be_turned(midge: Midge) -> None:
    """Without being asked for, the page is not there."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        advance(midge, 1)
    with caught.value as answer:
        assert answer.code == 405
