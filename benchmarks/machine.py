"""The machine that is measured on: its C programs, its wake-up cost, its processes' memory and CPU time."""

import contextlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "baselines"
PROGRAMS = ("rapi", "pingpong", "spinner")
QUIET_P99_US = 1_000.0
"""With CPUs awake, a wake-up slower than this at p99 means that latencies say nothing today."""


class MissingToolError(Exception):
    """A baseline cannot be had on this machine; the text says what it lacks."""


def compiled(directory: Path) -> dict[str, Path]:
    """The C programs by name, built into ``directory``. Raises MissingToolError."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise MissingToolError("no C compiler (Debian: gcc libc6-dev)")
    for name in PROGRAMS:
        subprocess.run([compiler, "-O2", "-o", str(directory / name), str(SOURCES / f"{name}.c")], check=True)
    return {name: directory / name for name in PROGRAMS}


def wrk() -> str:
    """The load generator. Raises MissingToolError."""
    found = shutil.which("wrk")
    if found is None:
        raise MissingToolError("no wrk, the load generator (Debian: wrk)")
    return found


def ping_pong(programs: dict[str, Path]) -> dict[str, float]:
    """p50_us and p99_us of one byte there and back between two CPUs."""
    cpus = sorted(os.sched_getaffinity(0))
    argv = [str(programs["pingpong"]), str(cpus[0]), str(cpus[-1])]
    return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=120).stdout)


@contextlib.contextmanager
def awake(programs: dict[str, Path]) -> Generator[str]:
    """Keep the CPUs from halting; yields how. For latencies only: it takes power and, in a guest, CPU from others."""
    try:
        descriptor = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError:
        with subprocess.Popen([str(programs["spinner"])], stdin=subprocess.PIPE) as spinner:
            try:
                yield "a SCHED_IDLE loop on every CPU"
            finally:
                spinner.terminate()
    else:
        try:
            os.write(descriptor, struct.pack("i", 0))
            yield "/dev/cpu_dma_latency at 0"
        finally:
            os.close(descriptor)


def facts() -> dict[str, Any]:
    """What a reader of the results must know about where they come from."""
    model = ""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": model,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "root": os.geteuid() == 0,
    }


def pss_kib(pid: int) -> int:
    """Memory of a process in KiB, shared pages counted in parts; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far; 0 if it has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def pid_namespace(pid: int) -> str:
    """The process's pid namespace by name; "" if it has ended or may not be looked at."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""


def descendants(pid: int) -> list[int]:
    """Every process below ``pid``, itself included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@contextlib.contextmanager
def work_directory() -> Generator[Path]:
    """A directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="midge-bench-") as name:
        yield Path(name)


def node() -> str:
    """The Node.js that midge uses: the machine's, else set-up's. Raises MissingToolError."""
    found = shutil.which("node") or shutil.which("node", path=f"{sys.prefix}/bin")
    if found is None:
        raise MissingToolError("no Node.js")
    return found


def node_major() -> int:
    """The major version of ``node()``."""
    answer = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True).stdout
    return int(answer.removeprefix("v").partition(".")[0])
