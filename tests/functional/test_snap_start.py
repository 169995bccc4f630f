"""SnapStart on a real server: published versions are initialised once, and restored ever after."""

import base64
import concurrent.futures
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip

pytestmark = pytest.mark.needs("root", "namespaces")
SETTINGS: dict[str, Any] = {
    "Runtime": "python3.13",
    "MemorySize": 256,
    "Timeout": 20,
    "SnapStart": {"ApplyOn": "PublishedVersions"},
}
HANDLER = """
import os, time, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
time.sleep(1.0)
MADE = str(uuid.uuid4())
ORDER = ["init"]
print("initialising")
register_before_snapshot(lambda: ORDER.append("before"))
register_after_restore(lambda: ORDER.append("after"))
def handler(event, context):
    if event.get("sleep"):
        time.sleep(event["sleep"])
    return {"made": MADE, "random": os.urandom(8).hex(), "order": ORDER, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "stream": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"), "context": context.log_stream_name,
            "version": context.function_version}
"""
PATIENCE_SECONDS = 60.0


def publish(client: Any, name: str, state: str = "Active") -> dict[str, Any]:
    """The newest version, once it is at rest."""
    published = client.publish_version(FunctionName=name)
    assert published["State"] == "Pending"
    assert published["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = client.get_function_configuration(FunctionName=name, Qualifier=published["Version"])
        if found["State"] != "Pending" or time.monotonic() > until:
            assert found["State"] == state, found
            return found


def ask(client: Any, name: str, version: str, event: Any = None) -> tuple[dict[str, Any], str]:
    """The answer and the end of the log."""
    answer = client.invoke(FunctionName=name, Qualifier=version, Payload=json.dumps(event or {}), LogType="Tail")
    return json.loads(answer["Payload"].read()), base64.b64decode(answer["LogResult"]).decode()


def test_restored(midge: Midge, deploy: Callable[..., str]) -> None:
    """Publishing initialises; the first invocation is told of a restoration, not of an initialisation; $LATEST is not."""
    client = midge.client()
    deploy("restored", {"app.py": HANDLER}, **SETTINGS)
    found = publish(client, "restored")
    assert found["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    answer, log = ask(client, "restored", found["Version"])
    assert (answer["order"], answer["type"], answer["stream"]) == (["init", "before", "after"], "snap-start", None)
    assert answer["version"] == found["Version"]
    assert "Init Duration" not in log
    restore = re.search(r"\tRestore Duration: ([0-9.]+) ms\tBilled Restore Duration: ([0-9]+) ms\t", log)
    assert restore is not None, log
    assert float(restore[1]) < 1000
    _, log = ask(client, "restored", found["Version"])
    assert "Restore Duration" not in log
    latest, log = ask(client, "restored", "$LATEST")
    assert (latest["order"], latest["type"]) == (["init"], "on-demand")
    assert "Init Duration" in log
    assert client.get_function_configuration(FunctionName="restored")["SnapStart"]["OptimizationStatus"] == "Off"


def test_uniqueness(midge: Midge, deploy: Callable[..., str]) -> None:
    """Environments restored at once share what initialisation made, and have random numbers of their own."""
    client = midge.client()
    deploy("unique", {"app.py": HANDLER}, **SETTINGS)
    version = publish(client, "unique")["Version"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [each[0] for each in pool.map(lambda _: ask(client, "unique", version, {"sleep": 1}), range(4))]
    assert len({answer["made"] for answer in answers}) == 1
    assert len({answer["random"] for answer in answers}) == 4
    assert ask(client, "unique", "$LATEST")[0]["made"] != answers[0]["made"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('no')", "ValueError"),
        ("import os\nos._exit(3)", "exit status 3"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()", "2 threads"),
        ("import http.client, os\nos.environ['AWS_LAMBDA_INITIALIZATION_TYPE'] = 'on-demand'", "asked for an event"),
        (
            "from snapshot_restore_py import register_before_snapshot as r\nr(lambda: 1 / 0)",
            "BeforeSnapshotError",
        ),
    ],
)
def test_failed(midge: Midge, deploy: Callable[..., str], source: str, reason: str) -> None:
    """A version that cannot be initialised, or be a snapshot, is Failed, and its state says why."""
    client = midge.client()
    name = deploy("failing", {"app.py": source + "\ndef handler(event, context): pass\n"}, **SETTINGS)
    found = publish(client, "failing", "Failed")
    assert reason in found["StateReason"]
    assert found["SnapStart"]["OptimizationStatus"] == "Off"
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.invoke(FunctionName=name, Qualifier=found["Version"])


def test_hook_after_restore_fails(midge: Midge, deploy: Callable[..., str]) -> None:
    """The caller gets the error of a hook that fails after the restoration."""
    client = midge.client()
    source = "from snapshot_restore_py import register_after_restore as r\nr(lambda: 1 / 0)\ndef handler(e, c): pass\n"
    deploy("hook", {"app.py": source}, **SETTINGS)
    version = publish(client, "hook")["Version"]
    answer = client.invoke(FunctionName="hook", Qualifier=version)
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "ZeroDivisionError"


def test_deleted(midge: Midge, deploy: Callable[..., str]) -> None:
    """With its version a snapshot ends: none of its processes is left."""
    client = midge.client()
    deploy("deleted", {"app.py": HANDLER}, **SETTINGS)
    before = tracees(midge)
    version = publish(client, "deleted")["Version"]
    ask(client, "deleted", version)
    assert tracees(midge) > before
    client.delete_function(FunctionName="deleted", Qualifier=version)
    until = time.monotonic() + PATIENCE_SECONDS
    while tracees(midge) > before and time.monotonic() < until:
        pass
    assert tracees(midge) == before


def test_restart(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Killed, midge leaves no snapshot; started anew it makes one again when the version is next invoked."""
    midge = start_midge(tmp_path / "data")
    client = midge.client()
    client.create_function(
        FunctionName="again",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": make_zip({"app.py": HANDLER})},
        **SETTINGS,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="again", WaiterConfig={"Delay": 1})
    version = publish(client, "again")["Version"]
    first, _ = ask(client, "again", version)
    mine = [
        pid for pid in _pids() if any(_parent(pid) == tracer or _tracer(pid) == tracer for tracer in tracers(midge))
    ]
    mine += tracers(midge)
    assert len(mine) >= 2
    midge.process.send_signal(signal.SIGKILL)
    midge.process.wait()
    until = time.monotonic() + PATIENCE_SECONDS
    while any(_alive(pid) for pid in mine) and time.monotonic() < until:
        pass
    assert not [pid for pid in mine if _alive(pid)]
    client = start_midge(tmp_path / "data").client()
    second, log = ask(client, "again", version)
    assert second["made"] != first["made"]
    assert second["order"] == ["init", "before", "after"]
    assert "Restore Duration" in log


def tracers(midge: Midge) -> list[str]:
    """The process that holds this midge's snapshots, if there is one."""
    mine = str(midge.process.pid)
    return [pid for pid in _pids() if b"snapshots.tracer" in _read(pid, "cmdline") and _parent(pid) == mine]


def tracees(midge: Midge) -> int:
    """How many processes are held by it."""
    holders = tracers(midge)
    return sum(_tracer(pid) in holders for pid in _pids())


def _status(pid: str, name: str) -> str:
    found = re.search(rf"\n{name}:\s*(\S+)".encode(), _read(pid, "status"))
    return "" if found is None else found[1].decode()


def _parent(pid: str) -> str:
    return _status(pid, "PPid")


def _tracer(pid: str) -> str:
    return _status(pid, "TracerPid")


def _alive(pid: str) -> bool:
    return _status(pid, "State") not in {"", "Z", "X"}


def _pids() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
