"""A midge as a user starts it, what calls it and what it is given to run; shared by the functional tests."""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from harness import toolchains

START_SECONDS = 30.0
STOP_SECONDS = 20.0
ROLE = "arn:aws:iam::000000000000:role/lambda"


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**more: str) -> dict[str, str]:
    """This process's variables without AWS's and midge's own, so that no setting of the machine's user leaks in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MIDGE_", "PYTEST_", "NODE_"))}
    return {**kept, **more}


class Midge:
    """A running server, which finds what set-up has put outside of the checkout. Its output is collected in ``log_file``."""

    def __init__(
        self, data_dir: Path, log_file: Path, variables: Mapping[str, str], options: Sequence[str] = ()
    ) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.log_file = log_file
        argv = [sys.executable, "-m", "midge.cli", "serve", "--port", str(self.port), "--data-dir", str(data_dir)]
        argv += options
        with log_file.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(**{**toolchains.variables(), **variables}),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"midge ended with {self.process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"midge did not listen within {START_SECONDS} s:\n{self.log()}")

    def client(self, service: str = "lambda", **config: Any) -> Any:
        """A boto3 client of this server; retries off, so that a test sees the first answer."""
        settings = Config(retries={"total_max_attempts": 1}, read_timeout=120, **config)
        session = boto3.Session(
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region_name="us-east-1",
        )
        return session.client(service, endpoint_url=self.endpoint, config=settings)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> int:
        """Ask it to end, as an interrupt from the terminal does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"midge did not stop within {STOP_SECONDS} s:\n{self.log()}") from None


def make_zip(files: Mapping[str, str | bytes], executable: tuple[str, ...] = ()) -> bytes:
    """A deployment package with ``files`` by path; those in ``executable`` carry the executable bit."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o100755 if path in executable else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()
