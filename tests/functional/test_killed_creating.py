"""midge killed with -9 while a thousand functions are being created at once: each is there whole, or not at all."""

import asyncio
import base64
import hashlib
import json
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip

CREATES = 1_000
ANSWERED_BEFORE_THE_KILL = 300
SECONDS = 60.0


def creation(number: int) -> bytes:
    """A whole request; every function has code of its own."""
    code = make_zip({"app.py": f"def handler(event, context):\n    return {number}\n"})
    body = json.dumps(
        {
            "FunctionName": f"f{number:04}",
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": base64.b64encode(code).decode()},
            "Tags": {"number": str(number)},
        }
    ).encode()
    head = f"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def create_all(midge: Midge) -> set[str]:
    """Ask for all functions at once and kill the server in the middle; the names that were answered with 201."""
    created: set[str] = set()
    enough = asyncio.Event()

    async def create(number: int) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", midge.port)
            writer.write(creation(number))
            first = await reader.readline()
            writer.close()
        except OSError:
            return
        if b" 201 " in first:
            created.add(f"f{number:04}")
            if len(created) >= ANSWERED_BEFORE_THE_KILL:
                enough.set()

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for number in range(CREATES):
            group.create_task(create(number))
        await enough.wait()
        midge.process.send_signal(signal.SIGKILL)
    midge.process.wait()
    return created


@pytest.mark.needs("namespaces")
def test_each_function_is_there_whole_or_not_at_all(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Every creation that was answered is there after a restart, and whatever is there has its code, tags and runs."""
    midge = start_midge(tmp_path / "data")
    created = asyncio.run(create_all(midge))
    assert ANSWERED_BEFORE_THE_KILL <= len(created) < CREATES, "the kill did not come in the middle"

    client = start_midge(tmp_path / "data").client()
    found: dict[str, Any] = {
        function["FunctionName"]: function
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    }
    assert created <= found.keys()
    for name, function in found.items():
        whole = client.get_function(FunctionName=name)
        assert whole["Tags"] == {"number": str(int(name[1:]))}
        with urllib.request.urlopen(whole["Code"]["Location"], timeout=SECONDS) as code:
            digest = hashlib.sha256(code.read()).digest()
        assert base64.b64encode(digest).decode() == function["CodeSha256"]
    for name in sorted(found)[:: max(1, len(found) // 20)]:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        assert json.load(client.invoke(FunctionName=name)["Payload"]) == int(name[1:])
    states = {client.get_function_configuration(FunctionName=name)["State"] for name in found}
    assert states <= {"Active", "Pending"}
