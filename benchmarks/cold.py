"""Cold invocations: the first of a function, from its request sent to its answer read, against a bare fork or spawn.

Each is of a function created before the clock starts; midge is given the time to refill its stem environments in
between, as it would have between cold starts of a quiet machine. The burst is the case in which it has none.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import client, machine, servers
from benchmarks.baselines import bare
from benchmarks.functions import ECHO, ECHO_NODE, HOLD, SLOW_INIT
from benchmarks.report import Row, ratio
from benchmarks.setting import Setting, settle

BURST = 40
HOLD_SECONDS = 2.0
SNAP_START_PYTHON = "3.13"
CROWD = 200
CROWD_HOLD_SECONDS = 0.5
IDLE_SECONDS = 3.0
"""What a fresh server has between its first function's creation and its first burst."""
NODE_BOOTSTRAP = Path(__file__).resolve().parents[1] / "src" / "midge" / "runtimes" / "nodejs" / "bootstrap.mjs"


class Fresh:
    """Functions that have never run, on one server."""

    def __init__(self, server: servers.Server, source: str, runtime: str) -> None:
        self._server = server
        self._api = client.boto(server.port)
        self._source, self._runtime = source, runtime
        self._count = 0
        self._connection = client.Connection(server.port)

    def batch(self, count: int) -> list[str]:
        """Deploy ``count`` of them."""
        names = [f"cold-{self._count + i}" for i in range(count)]
        self._count += count
        for name in names:
            client.deploy(self._api, name, self._source, self._runtime)
        return names

    def first_ms(self, name: str) -> float:
        """Invoke it once."""
        request = self._connection.prepare(name)
        settle(lambda: len(machine.descendants(self._server.pid)), 0.05)
        return self._connection.invoke_ms(request)

    def forget(self, names: list[str]) -> None:
        for name in names:
            self._api.delete_function(FunctionName=name)

    def close(self) -> None:
        self._connection.close()


def _alternate(setting: Setting, fresh: Fresh, baseline: Callable[[], float], count: int) -> tuple[Any, Any]:
    """Medians per round of midge's first invocations and of the baseline, taken in turns."""
    ours: list[float] = []
    theirs: list[float] = []
    warmed = fresh.batch(2)
    for name in warmed:
        fresh.first_ms(name)
    fresh.forget(warmed)
    for _ in setting.turns():
        names = fresh.batch(count)
        pairs = [(baseline(), fresh.first_ms(name)) for name in names]
        fresh.forget(names)
        theirs.append(statistics.median(pair[0] for pair in pairs))
        ours.append(statistics.median(pair[1] for pair in pairs))
    fresh.close()
    return ours, theirs


def python(setting: Setting) -> list[Row]:
    """Python, isolated, against the bare zygote's fork; and once more with boto3 imported in both."""
    rows: list[Row] = []
    for what, source, preload, bounds in (
        ("", ECHO, (), {"must": 2.0, "aim": 1.0}),
        (" with boto3", f"import boto3\n{ECHO}", ("boto3",), {}),
    ):
        with (
            servers.midge(setting.directory) as server,
            bare.zygote(setting.task_root, preload) as zygote,
            machine.awake(setting.programs),
        ):
            ours, theirs = _alternate(setting, Fresh(server, source, "python3.11"), zygote.fork_ms, setting.size(20))
        name = f"cold invoke, Python{what} / bare fork{what} to next"
        rows.append(ratio(name, ours, theirs, ("midge ms", "fork ms"), **bounds))
    return rows


def restore(setting: Setting) -> list[Row]:
    """A function whose initialisation takes 300 ms: restored from its snapshot, against initialised."""
    runtime = f"python{SNAP_START_PYTHON}"
    ours: list[float] = []
    theirs: list[float] = []
    with servers.midge(setting.directory, None, **servers.toolchains()) as server, machine.awake(setting.programs):
        api = client.boto(server.port)
        fresh = Fresh(server, SLOW_INIT, runtime)
        for turn in range(setting.rounds + 1):  # the first one warms what has to be there once
            pairs: list[tuple[float, float]] = []
            for name in fresh.batch(setting.size(5)):
                api.update_function_configuration(FunctionName=name, SnapStart={"ApplyOn": "PublishedVersions"})
                api.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
                version = api.publish_version(FunctionName=name)["Version"]
                api.get_waiter("published_version_active").wait(
                    FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1}
                )
                pairs.append((fresh.first_ms(f"{name}:{version}"), fresh.first_ms(name)))
                fresh.forget([name])
            if turn:
                ours.append(statistics.median(pair[0] for pair in pairs))
                theirs.append(statistics.median(pair[1] for pair in pairs))
        fresh.close()
    name = "cold invoke restored from a snapshot / initialised in 300 ms"
    return [ratio(name, ours, theirs, ("restored ms", "initialised ms"), must=0.1, aim=0.04)]


def node(setting: Setting) -> list[Row]:
    """Node.js, isolated, against a bare spawn with the same bootstrap."""
    runtime = f"nodejs{machine.node_major()}.x"
    spawn = bare.NodeSpawn(setting.task_root, NODE_BOOTSTRAP)
    with servers.midge(setting.directory) as server, machine.awake(setting.programs):
        fresh = Fresh(server, ECHO_NODE, runtime)
        ours, theirs = _alternate(setting, fresh, spawn.spawn_ms, setting.size(10))
    spawn.api.close()
    return [
        ratio("cold invoke, Node.js / bare spawn to next", ours, theirs, ("midge ms", "spawn ms"), must=1.3, aim=0.6)
    ]


def peer(setting: Setting) -> list[Row]:
    """The first invocation of a function against MiniStack's."""
    with (
        servers.midge(setting.directory) as server,
        servers.ministack(setting.directory) as other,
        machine.awake(setting.programs),
    ):
        theirs_fresh = Fresh(other, ECHO, "python3.11")

        def baseline() -> float:
            name = theirs_fresh.batch(1)
            try:
                return theirs_fresh.first_ms(name[0])
            finally:
                theirs_fresh.forget(name)

        ours, theirs = _alternate(setting, Fresh(server, ECHO, "python3.11"), baseline, setting.size(5))
        theirs_fresh.close()
    return [
        ratio(
            "cold invoke, Python: MiniStack / midge",
            theirs,
            ours,
            ("MiniStack ms", "midge ms"),
            must=10,
            aim=20,
            at_least=True,
        )
    ]


def burst(setting: Setting) -> list[Row]:
    """Forty invocations at once of a function that never ran: environments whose handler is entered, per second.

    A server's first burst finds what a server prepares by itself, a later one what the burst before it taught.
    """
    with bare.zygote(setting.task_root) as zygote:
        zygote.burst_per_second(BURST)  # warms it
        first, first_bare = _first_bursts(setting, zygote)
        later, later_bare = _later_bursts(setting, zygote)
    parts = ("midge per s", "bare per s")
    return [
        ratio(name, ours, theirs, parts, must=0.5, aim=0.7, at_least=True)
        for name, ours, theirs in (
            ("first burst of 40 cold environments / bare forks", first, first_bare),
            ("later burst of 40 cold environments / bare forks", later, later_bare),
        )
    ]


def crowd(setting: Setting) -> list[Row]:
    """Two hundred invocations at once of a function that never ran: seconds to the last answer, and what was started."""
    ours: list[float] = []
    started: list[float] = []
    body = json.dumps({"seconds": CROWD_HOLD_SECONDS}).encode()
    with servers.midge(setting.directory) as server:
        fresh = Fresh(server, HOLD, "python3.11")
        for _ in setting.turns():
            (name,) = fresh.batch(1)
            settle(lambda: len(machine.descendants(server.pid)))
            before, answers = client.at_once(server.port, name, body, CROWD)  # raises if one is no success
            ours.append(time.monotonic() - before)
            started.append(len({json.loads(answer)["environment"] for answer in answers}))
            if server.figure("midge_cold_starts_total", f'function="{name}"') > CROWD:
                raise RuntimeError("more environments were started than there were invocations")
            fresh.forget([name])
            settle(lambda: len(machine.descendants(server.pid)))
        fresh.close()
    name = f"{CROWD} invocations at once of a cold function, {CROWD_HOLD_SECONDS:g} s each: last answer"
    return [Row(name=name, rounds=ours, unit="s", parts={"environments that answered": started})]


def _first_bursts(setting: Setting, zygote: bare.Zygote) -> tuple[list[float], list[float]]:
    """Rates of midge and of bare forks, of a fresh server in each round."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in setting.turns():
        theirs.append(zygote.burst_per_second(BURST))  # not beside the server: its forks would take time to go
        with servers.midge(setting.directory) as server:
            fresh = Fresh(server, HOLD, "python3.11")
            names = fresh.batch(1)
            time.sleep(IDLE_SECONDS)
            ours.append(_burst_per_second(server, names[0]))
            fresh.close()
    return ours, theirs


def _later_bursts(setting: Setting, zygote: bare.Zygote) -> tuple[list[float], list[float]]:
    """The same, of one server that has had a burst before."""
    ours: list[float] = []
    theirs: list[float] = []
    with servers.midge(setting.directory) as server:
        fresh = Fresh(server, HOLD, "python3.11")
        for turn in range(setting.rounds + 1):
            bare_rate = zygote.burst_per_second(BURST)
            names = fresh.batch(1)
            settle(lambda: len(machine.descendants(server.pid)))
            rate = _burst_per_second(server, names[0])
            fresh.forget(names)
            settle(lambda: len(machine.descendants(server.pid)))
            time.sleep(0.2)
            if turn:
                theirs.append(bare_rate)
                ours.append(rate)
        fresh.close()
    return ours, theirs


def _burst_per_second(server: servers.Server, name: str) -> float:
    body = json.dumps({"seconds": HOLD_SECONDS}).encode()
    started, answers = client.at_once(server.port, name, body, BURST)
    found = [json.loads(answer) for answer in answers]
    if len({one["environment"] for one in found}) != BURST:
        raise RuntimeError(f"environments were not started within {HOLD_SECONDS} s: some served twice")
    return BURST / (max(one["entered"] for one in found) - started)
