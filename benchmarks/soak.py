"""Most of peak for a long time: ``python -m benchmarks.soak --minutes 30``. Does anything grow?

Beside the load, each window deploys, invokes and deletes a function, has events invoked, and lets an environment crash:
what leaks with those shows as well. Sampled after each window; flat means that the last third of the samples is no higher than the second,
within the allowance of each figure. Ends with 1 if something was not flat.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import client, machine, servers
from benchmarks.__main__ import RESULTS
from benchmarks.functions import ECHO, EVENT
from benchmarks.setting import settle

CONNECTIONS = 8
WINDOW_SECONDS = 30.0
EVENTS = 20
CRASH = "import os\ndef handler(event, context):\n    os._exit(3)\n"


def descriptors(server: servers.Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def mounts(server: servers.Server) -> int:
    """In the machine's view and in midge's own."""
    return sum(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in ("self", server.pid))


def zombies(server: servers.Server) -> int:
    count = 0
    for pid in machine.descendants(server.pid):
        with contextlib.suppress(OSError):
            count += Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return count


def control_groups(server: servers.Server) -> int:
    """Those of this server, each hierarchy's counted."""
    ours = f"/midge-{server.pid}-"
    return sum(ours in f"{tree}/" for tree, _, _ in os.walk("/sys/fs/cgroup"))


def own_memory_mib(server: servers.Server) -> float:
    """PSS of the server and its helpers, environments apart."""
    own = machine.pid_namespace(server.pid)
    pids = [pid for pid in machine.descendants(server.pid) if machine.pid_namespace(pid) == own]
    return sum(map(machine.pss_kib, pids)) / 1024


def namespaces(server: servers.Server) -> int:
    """Different ones, of all kinds, that processes of the server are in."""
    found: set[str] = set()
    for pid in machine.descendants(server.pid):
        with contextlib.suppress(OSError):
            found.update(str(kind.readlink()) for kind in Path(f"/proc/{pid}/ns").iterdir())
    return len(found)


def processes(server: servers.Server) -> int:
    return len(machine.descendants(server.pid))


FIGURES: dict[str, tuple[Callable[[servers.Server], float], float, float]] = {
    # name: how, what it may grow by, and as a share of where it began
    "memory of midge itself, MiB": (own_memory_mib, 4.0, 0.05),
    "file descriptors": (descriptors, 8, 0.0),
    "processes": (processes, 4, 0.0),
    "mounts": (mounts, 0, 0.0),
    "namespaces": (namespaces, 28, 0.0),
    "control groups": (control_groups, 4, 0.0),
    "zombies": (zombies, 1, 0.0),
}


def flat(samples: list[float], allowance: float, share: float) -> tuple[float, float, bool]:
    """Medians of the second and of the last third, and whether the last is no higher than allowed.

    In the first third what is bounded fills up: the log writer keeps its last 64 files open.
    """
    third = max(1, len(samples) // 3)
    first, last = statistics.median(samples[-2 * third : -third] or samples), statistics.median(samples[-third:])
    return first, last, last - first <= max(allowance, share * first)


def churn(api: Any, port: int, turn: int) -> None:
    """A function's whole life, and one whose environment dies."""
    name = f"soak-{turn}"
    client.deploy(api, name, ECHO)
    client.at_once(port, name, EVENT, 4)
    for _ in range(EVENTS):
        api.invoke(FunctionName="warm", InvocationType="Event", Payload=EVENT)
    api.delete_function(FunctionName=name)
    answer = api.invoke(FunctionName="crash", Payload=EVENT)
    if answer.get("FunctionError") != "Unhandled":
        raise RuntimeError("a crash of the function was not reported as one")


def soak(directory: Path, minutes: float, share: float) -> tuple[dict[str, list[float]], list[float], float]:
    """The samples by figure, the rates per window, and the peak."""
    wrk = machine.wrk()
    samples: dict[str, list[float]] = {name: [] for name in FIGURES}
    rates: list[float] = []
    with servers.midge(directory, None, **servers.UNTHROTTLED) as server:
        api = client.boto(server.port)
        client.deploy(api, "warm", ECHO)
        client.deploy(api, "crash", CRASH)
        peak = statistics.median(
            client.load(wrk, directory, server.port, "warm", connections=CONNECTIONS, seconds=5).per_second
            for _ in range(3)
        )
        wanted = peak * share
        pause_ms = CONNECTIONS / wanted * 1e3
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            found = client.load(
                wrk,
                directory,
                server.port,
                "warm",
                connections=CONNECTIONS,
                seconds=WINDOW_SECONDS,
                pause_ms=pause_ms,
            )
            rates.append(found.per_second)
            pause_ms *= 1 + (found.per_second / wanted - 1) * 0.7  # towards what is wanted
            churn(api, server.port, len(rates))
            settle(lambda: processes(server))
            for name, (measure, _, _) in FIGURES.items():
                samples[name].append(measure(server))
            print(f"{len(rates)}: {found.per_second:.0f}/s, p99 {found.p99_us:.0f} us", file=sys.stderr, flush=True)
    return samples, rates, peak


def main() -> int:
    """Soak, print a verdict per figure, keep the samples."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.7, help="of peak")
    chosen = parser.parse_args()
    with machine.work_directory() as directory:
        samples, rates, peak = soak(directory, chosen.minutes, chosen.share)
    print(
        f"{chosen.minutes:g} minutes at {statistics.median(rates):.0f}/s, {statistics.median(rates) / peak:.0%} of peak"
    )
    good = True
    for name, (_, allowance, share) in FIGURES.items():
        first, last, held = flat(samples[name], allowance, share)
        good = good and held
        print(f"{name:30}{first:10.1f} -> {last:10.1f}   {'flat' if held else 'GREW'}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    output = RESULTS / f"soak-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    output.write_text(json.dumps({"machine": machine.facts(), "peak": peak, "rates": rates, "samples": samples}) + "\n")
    print(f"kept in {output}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
