"""The servers that are measured, each as its user starts it: midge, and MiniStack as the peer without Docker."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import MissingToolError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
UNTHROTTLED = {"MIDGE_LIMITS_REQUESTS_PER_SECOND_PER_CONCURRENCY": "1000"}
"""For servers under load: AWS's default account has 10,000 requests a second, which one core here exceeds. They are
counted all the same, so that what counting costs is in the figures.
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server on loopback."""

    pid: int
    port: int

    def figure(self, name: str, label: str = "") -> float:
        """One of midge's own metrics; 0 where it has none of that label yet."""
        wanted = f"{name}{{{label}}} " if label else f"{name} "
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_midge/metrics", timeout=START_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(wanted)), 0.0)


def toolchains() -> dict[str, str]:
    """For a server that needs a runtime which tests had added (``tools/setup toolchains``), if they had."""
    cache = os.environ.get("BUILD_CACHE")
    return {"MIDGE_TOOLCHAINS_DIRECTORY": str(Path(cache) / "toolchains")} if cache else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _variables(**more: str) -> dict[str, str]:
    """This process's variables less those that would change what is measured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MIDGE_", "NODE_", "LAMBDA_"))}
    return {**kept, **more}


@contextlib.contextmanager
def _running(argv: list[str], port: int, log: Path, variables: dict[str, str]) -> Generator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables)
    try:
        _await_port(process, port, log)
        yield Server(process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not listen within {START_SECONDS} s")


@contextlib.contextmanager
def midge(directory: Path, data: Path | None = None, **settings: str) -> Generator[Server]:
    """``midge serve`` with its defaults, or with ``settings`` as MIDGE_ variables, over new data or those in ``data``."""
    port = _free_port()
    data = data or directory / f"data-{port}"
    argv = [sys.executable, "-m", "midge.cli", "serve", "--port", str(port), "--data-dir", str(data)]
    with _running(argv, port, directory / f"midge-{port}.log", _variables(**settings)) as server:
        yield server


@contextlib.contextmanager
def ministack(directory: Path) -> Generator[Server]:
    """MiniStack with its Lambda executor of plain processes. Raises MissingToolError where it is not installed."""
    program = shutil.which("ministack", path=str(Path(sys.executable).parent))
    if program is None:
        raise MissingToolError("no MiniStack (dependency group bench)")
    port = _free_port()
    variables = _variables(
        GATEWAY_PORT=str(port),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="127.0.0.1",
        SERVICES="lambda",
        LAMBDA_EXECUTOR="local",
        LAMBDA_STATE_TRANSITION_SECONDS="0",
        LOG_LEVEL="ERROR",
        S3_DATA_DIR=str(directory / "ministack-s3"),
        TMPDIR=str(directory),
        DOCKER_HOST="unix:///nonexistent",
    )
    with _running([program], port, directory / f"ministack-{port}.log", variables) as server:
        yield server
