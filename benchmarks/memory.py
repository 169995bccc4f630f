"""Memory and CPU time at rest: per environment against a bare zygote's child, and of midge itself."""

import json
import statistics
import time
from collections import defaultdict

from benchmarks import client, machine, servers
from benchmarks.baselines import bare
from benchmarks.functions import HOLD
from benchmarks.report import Row, ratio
from benchmarks.setting import Setting, settle

ENVIRONMENTS = 20
IDLE_ENVIRONMENTS = 100
IDLE_SECONDS = 20.0


def environments(server: servers.Server, function: str, source: str, count: int) -> set[str]:
    """Bring ``count`` environments of a new function to life and to rest; returns the names of their pid namespaces."""
    client.deploy(client.boto(server.port), function, source)
    body = json.dumps({"seconds": 0.02 * count + 1.0}).encode()
    _, answers = client.at_once(server.port, function, body, count)
    found = [json.loads(answer) for answer in answers]
    if len({one["environment"] for one in found}) != count:
        raise RuntimeError("some environments served twice: they were not all there at once")
    settle(lambda: len(machine.descendants(server.pid)))
    return {one["namespace"] for one in found}


def per_environment(setting: Setting) -> list[Row]:
    """PSS of an idle environment, all its processes, against a bare zygote's child with the same imports."""
    rows: list[Row] = []
    with servers.midge(setting.directory) as server:
        for what, source, preload in (("", HOLD, ()), (" with boto3", f"import boto3\n{HOLD}", ("boto3",))):
            ours: list[float] = []
            theirs: list[float] = []
            with bare.zygote(setting.task_root, preload) as zygote:
                for turn in setting.turns():
                    theirs.append(statistics.median(zygote.idle_pss_kib(ENVIRONMENTS)) / 1024)
                    ours.append(_idle_mib(server, f"idle-{len(preload)}-{turn}", source))
            name = f"memory of an idle environment{what} / bare child{what}"
            rows.append(ratio(name, ours, theirs, ("midge MiB", "bare MiB"), must=1.3, aim=1.15))
    return rows


def _idle_mib(server: servers.Server, name: str, source: str) -> float:
    """The median over environments of the memory of all processes in one."""
    spaces = environments(server, name, source, ENVIRONMENTS)
    sums: dict[str, int] = defaultdict(int)
    for pid in machine.descendants(server.pid):
        if (space := machine.pid_namespace(pid)) in spaces:
            sums[space] += machine.pss_kib(pid)
    client.boto(server.port).delete_function(FunctionName=name)
    settle(lambda: len(machine.descendants(server.pid)))
    return statistics.median(sums.values()) / 1024


def at_rest(setting: Setting) -> list[Row]:
    """Midge itself with a hundred idle environments: every process of its own, outside of the environments."""
    with servers.midge(setting.directory) as server:
        spaces = environments(server, "idle", HOLD, IDLE_ENVIRONMENTS)
        time.sleep(2.0)
        own = machine.pid_namespace(server.pid)
        mine = [pid for pid in machine.descendants(server.pid) if machine.pid_namespace(pid) == own]
        shares: list[float] = []
        memory: list[float] = []
        for _ in setting.turns():
            before, since = sum(map(machine.cpu_seconds, mine)), time.monotonic()
            time.sleep(IDLE_SECONDS / setting.rounds)
            shares.append((sum(map(machine.cpu_seconds, mine)) - before) / (time.monotonic() - since) * 100)
            memory.append(sum(map(machine.pss_kib, mine)) / 1024)
        server_alone = machine.pss_kib(server.pid) / 1024
    note = f"{len(spaces)} environments; the server {server_alone:.3g} MiB, its {len(mine) - 1} helpers the rest"
    total = [sum(shares) / len(shares)]
    return [
        Row(name="midge itself at rest, memory", rounds=memory, must=60, aim=40, unit="MiB", note=note),
        Row(name="midge itself at rest, share of a core", rounds=total, must=0.5, aim=0.1, unit="%", note=note),
    ]
