"""Asynchronous invocation: how soon one function's events start beside another's flood."""

import contextlib
import json
import statistics
import time
from typing import Any

import boto3

from benchmarks import client, servers
from benchmarks.report import Row
from benchmarks.setting import Setting

FLOOD = 50_000
SLOW = "import time\ndef handler(event, context):\n    time.sleep(0.05)\n"
"""Works on twenty events a second: the flood outlasts the measurement."""
STAMP = "import time\ndef handler(event, context):\n    print('started', event['number'], time.time())\n"
CONNECTIONS = 8
PACE_SECONDS = 0.02
WAIT_SECONDS = 60.0


def fairness(setting: Setting) -> list[Row]:
    """Events of a function that nobody else delays: from the request sent to its handler entered."""
    count = setting.size(500)
    flood = FLOOD // 5 if setting.quick else FLOOD
    p99: list[float] = []
    p50: list[float] = []
    waiting: list[float] = []
    with servers.midge(setting.directory) as server, contextlib.ExitStack() as stack:
        api = client.boto(server.port)
        client.deploy(api, "flooded", SLOW)
        client.deploy(api, "other", STAMP)
        api.put_function_concurrency(FunctionName="flooded", ReservedConcurrentExecutions=1)
        _flood(server, stack, flood)
        connection = client.Connection(server.port)
        stack.callback(connection.close)
        for turn in setting.turns():
            sent = _send(connection, turn * count, count)
            started = _started(server, turn * count, count)
            waits = sorted((started[number] - sent[number]) * 1e3 for number in sent)
            p50.append(statistics.median(waits))
            p99.append(waits[len(waits) * 99 // 100])
            waiting.append(server.figure("midge_async_events"))
    name = f"an event beside {flood:,} of a function with one place: p99 to its start"
    return [Row(name=name, rounds=p99, must=100, unit="ms", parts={"p50 ms": p50, "events still waiting": waiting})]


def _flood(server: servers.Server, stack: contextlib.ExitStack, count: int) -> None:
    """Have ``count`` events of the slow function accepted."""
    connections = [client.Connection(server.port) for _ in range(CONNECTIONS)]
    for connection in connections:
        stack.callback(connection.close)
    request = connections[0].prepare("flooded", b"{}", kind="Event")
    for _ in range(count // CONNECTIONS):
        for connection in connections:
            connection.send(request)
        for connection in connections:
            connection.receive()


def _send(connection: client.Connection, first: int, count: int) -> dict[int, float]:
    """When each of the events was sent; they come at an even pace, whatever has become of those before."""
    requests = [
        connection.prepare("other", json.dumps({"number": number}).encode(), kind="Event")
        for number in range(first, first + count)
    ]
    sent: dict[int, float] = {}
    for number, request in enumerate(requests, first):
        sent[number] = time.time()
        connection.send(request)
        connection.receive()
        time.sleep(PACE_SECONDS)
    return sent


def _started(server: servers.Server, first: int, count: int) -> dict[int, float]:
    """When each handler was entered, by what it printed."""
    session: Any = boto3.Session("local", "local", region_name=client.REGION)
    logs = session.client("logs", endpoint_url=f"http://127.0.0.1:{server.port}")
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/lambda/other", filterPattern="started"
        )
        words = [event["message"].split() for page in pages for event in page["events"]]
        found = {int(number): float(moment) for _, number, moment in words if int(number) >= first}
        if len(found) == count:
            return found
        time.sleep(0.2)
    raise RuntimeError(f"not all of {count} events were invoked within {WAIT_SECONDS} s")
