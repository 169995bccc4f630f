"""Runs the measurements: ``python -m benchmarks [--rounds N] [--quick] [NAME...]``; without names, all of them."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import cold, events, functions, keepalive, machine, memory, report, scale, stream, warm
from benchmarks.report import Row
from benchmarks.setting import Setting

RESULTS = Path(__file__).parent / "results"
MEASURES: dict[str, Callable[[Setting], list[Row]]] = {
    "throughput": warm.throughput,
    "latency": warm.latency,
    "cold-python": cold.python,
    "cold-node": cold.node,
    "restore": cold.restore,
    "burst": cold.burst,
    "crowd": cold.crowd,
    "fairness": events.fairness,
    "memory": memory.per_environment,
    "idle": memory.at_rest,
    "scale": scale.scale,
    "keepalive": keepalive.keepalive,
    "first-byte": stream.first_byte,
    "streamed": stream.many_bytes,
    "peer-warm": warm.peer,
    "peer-cold": cold.peer,
}


def main() -> int:
    """Measure, print, keep. Returns 1 if a promise was missed, 2 if a measurement could not be made."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=5, help="how often each pair is measured; results need 5 or more")
    parser.add_argument("--quick", action="store_true", help="small samples: to try the benchmark out")
    parser.add_argument("--output", type=Path, help="where the JSON goes (default: benchmarks/results/)")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(MEASURES)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    output = chosen.output or RESULTS / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    with machine.work_directory() as directory:
        setting = Setting(
            directory=directory,
            programs=machine.compiled(directory),
            task_root=functions.write(directory),
            rounds=chosen.rounds,
            quick=chosen.quick,
        )
        facts = {**machine.facts(), **_wake_ups(setting)}
        for name in chosen.names or MEASURES:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            try:
                rows += MEASURES[name](setting)
            except (machine.MissingToolError, RuntimeError, OSError) as error:
                skipped[name] = f"{type(error).__name__}: {error}"
    report.write(output, facts, rows, skipped)
    print(report.table(rows))
    for name, reason in skipped.items():
        print(f"NOT MEASURED: {name}: {reason}")
    print(f"{chosen.rounds} rounds{', small samples' if chosen.quick else ''}; kept in {output}")
    if skipped:
        return 2
    return 1 if any(row.verdict == "MISSED" for row in rows) else 0


def _wake_ups(setting: Setting) -> dict[str, object]:
    """Ping-pong first: it says whether latencies mean anything on this machine today."""
    asleep = machine.ping_pong(setting.programs)
    with machine.awake(setting.programs) as how:
        awake = machine.ping_pong(setting.programs)
    print(f"ping-pong across CPUs: p50 {asleep['p50_us']:.0f} us, p99 {asleep['p99_us']:.0f} us")
    print(f"  with {how}: p50 {awake['p50_us']:.0f} us, p99 {awake['p99_us']:.0f} us")
    if awake["p99_us"] > machine.QUIET_P99_US:
        print("  WARNING: this machine is too busy for latencies to mean anything; compare nothing but throughput")
    return {"ping_pong": asleep, "ping_pong_awake": awake, "kept_awake_by": how}


if __name__ == "__main__":
    sys.exit(main())
