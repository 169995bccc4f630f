"""AWS's stock Python runtime client against the thinnest Runtime API server: the ceiling of throughput and latency."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.functions import EVENT, variables


@dataclass(frozen=True, slots=True)
class Ceiling:
    """``per_second`` over all clients; the round trip from an event sent to its response seen."""

    per_second: float
    p50_us: float
    p99_us: float


def measure(rapi: Path, task_root: Path, *, clients: int, invocations: int) -> Ceiling:
    """Run ``invocations`` through ``clients`` of them."""
    argv = [str(rapi), str(invocations + 1_000), "1000", str(len(EVENT))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split()[1]
        started = [_client(f"127.0.0.1:{port}", task_root) for _ in range(clients)]
        try:
            found = json.loads(server.stdout.readline())
        finally:
            for client in started:
                client.kill()
                client.wait()
            server.kill()
    trip = found["round_trip_us"]
    return Ceiling(found["per_second"], trip["p50"], trip["p99"])


def _client(api: str, task_root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", "app.handler"],
        env=variables(api, task_root),
        cwd=task_root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
