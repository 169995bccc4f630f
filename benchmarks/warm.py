"""Warm invocations: throughput against the ceiling, latency of one connection against the bare round trip and the peer."""

from benchmarks import client, machine, servers
from benchmarks.baselines import ceiling
from benchmarks.functions import ECHO
from benchmarks.report import Row, ratio
from benchmarks.setting import Setting

ENVIRONMENTS = 8


def throughput(setting: Setting) -> list[Row]:
    """Eight environments, eight connections, CPUs left to themselves. Signatures are checked, log lines written."""
    wrk = machine.wrk()
    ours: list[float] = []
    bare: list[float] = []
    with servers.midge(setting.directory, None, **servers.UNTHROTTLED) as server:
        client.deploy(client.boto(server.port), "warm", ECHO)
        client.load(wrk, setting.directory, server.port, "warm", connections=ENVIRONMENTS, seconds=1)
        for _ in setting.turns():
            found = ceiling.measure(
                setting.programs["rapi"], setting.task_root, clients=ENVIRONMENTS, invocations=setting.size(30_000)
            )
            bare.append(found.per_second)
            load = client.load(
                wrk,
                setting.directory,
                server.port,
                "warm",
                connections=ENVIRONMENTS,
                seconds=setting.load_seconds,
            )
            ours.append(load.per_second)
    return [
        ratio(
            "warm throughput, 8 connections / ceiling",
            ours,
            bare,
            ("midge per s", "ceiling per s"),
            must=0.70,
            aim=1.05,
            at_least=True,
        )
    ]


def latency(setting: Setting) -> list[Row]:
    """One connection, CPUs kept awake."""
    wrk = machine.wrk()
    ours: list[client.Load] = []
    bare: list[ceiling.Ceiling] = []
    with servers.midge(setting.directory, None, **servers.UNTHROTTLED) as server, machine.awake(setting.programs):
        client.deploy(client.boto(server.port), "warm", ECHO)
        client.load(wrk, setting.directory, server.port, "warm", connections=1, seconds=1)
        for _ in setting.turns():
            bare.append(
                ceiling.measure(
                    setting.programs["rapi"], setting.task_root, clients=1, invocations=setting.size(10_000)
                )
            )
            ours.append(
                client.load(wrk, setting.directory, server.port, "warm", connections=1, seconds=setting.load_seconds)
            )
    return [
        ratio(
            "warm p50, 1 connection / bare round trip",
            [load.p50_us for load in ours],
            [found.p50_us for found in bare],
            ("midge us", "bare us"),
            must=2.0,
            aim=1.2,
        ),
        ratio(
            "warm p99, 1 connection / bare round trip's",
            [load.p99_us for load in ours],
            [found.p99_us for found in bare],
            ("midge us", "bare us"),
        ),
    ]


def peer(setting: Setting) -> list[Row]:
    """The same function and client against MiniStack, CPUs kept awake."""
    wrk = machine.wrk()
    ours: list[float] = []
    theirs: list[float] = []
    with (
        servers.midge(setting.directory, None, **servers.UNTHROTTLED) as server,
        servers.ministack(setting.directory) as other,
        machine.awake(setting.programs),
    ):
        for each in (server, other):
            client.deploy(client.boto(each.port), "warm", ECHO)
            client.load(wrk, setting.directory, each.port, "warm", connections=1, seconds=1)
        for _ in setting.turns():
            for each, found in ((other, theirs), (server, ours)):
                load = client.load(
                    wrk, setting.directory, each.port, "warm", connections=1, seconds=setting.load_seconds
                )
                found.append(load.p50_us)
    return [
        ratio(
            "warm p50: MiniStack / midge",
            theirs,
            ours,
            ("MiniStack us", "midge us"),
            must=20,
            aim=50,
            at_least=True,
        )
    ]
