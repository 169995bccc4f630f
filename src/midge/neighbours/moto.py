"""moto as a neighbour: all other AWS services, in a process of its own, from the first request for one of them.

Owns that process: its start, its environment (none of the host's credentials, no Docker), its log file, its end, and
its replacement when it dies, which loses its state. Knows nothing of HTTP beyond "the port accepts connections".
Source: https://docs.getmoto.org/en/latest/docs/server_mode.html
"""

import asyncio
import importlib.util
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from midge.model.errors import ServiceError
from midge.model.limits import Limits

_HOST = "127.0.0.1"
_ATTEMPTS = 3
"""Another program may take the port between its choice and its use."""
_POLL_SECONDS = 0.05
_PASSED_ON = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"})
_log = structlog.get_logger("midge.neighbours")


class Moto:
    """See the module; a ``Neighbour``. ``account`` is the one that moto's resources belong to."""

    def __init__(self, log_file: Path, limits: Limits, *, account: str = "000000000000") -> None:
        self._log_file = log_file
        self._limits = limits
        self._account = account
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._port: int | None = None
        """None until the process has been seen to answer."""
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process that runs, if one does."""
        return self._process.pid if self._process is not None and self._runs() else None

    def _runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def address(self) -> tuple[str, int]:
        """Host and port; starts moto if it does not run. Raises ServiceError ServiceUnavailableException."""
        if self._port is None or not self._runs():
            async with self._starting:
                if self._port is None or not self._runs():
                    self._port = await self._start()
        assert self._port is not None
        return _HOST, self._port

    async def close(self) -> None:
        """End the process. After it ``address`` raises."""
        self._closed = True
        async with self._starting:
            self._port = None
            await self._end()

    async def _start(self) -> int:
        if self._closed:
            raise _unavailable("midge is shutting down.")
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise _unavailable(
                "Services other than Lambda are answered by moto, which is not installed: "
                "pip install 'midge[neighbours]'"
            )
        if self._process is not None:
            _log.warning("moto has died and is started again; its state is lost", status=self._process.returncode)
        for _ in range(_ATTEMPTS):
            port = _free_port()
            try:
                self._process = await self._spawn(port)
                async with asyncio.timeout(self._limits.neighbour_start_seconds):
                    if await self._answers(port):
                        _log.info("moto answers for other AWS services", pid=self._process.pid, port=port)
                        return port
            except OSError as failure:  # TimeoutError is one
                await self._end()
                raise _unavailable(f"moto could not be started: {str(failure) or 'it took too long'}.") from failure
            except BaseException:
                await self._end()
                raise
        status = self._process.returncode if self._process is not None else None
        self._process = None
        raise _unavailable(f"moto ends with status {status} when it is started; its log is {self._log_file.name}.")

    async def _spawn(self, port: int) -> asyncio.subprocess.Process:
        # -P: the working directory is not a place to import from.
        argv = (sys.executable, "-P", "-m", "midge.neighbours.moto_process", str(os.getpid()), str(port))
        with self._open_log() as log:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log_file.parent,
                env=self._environment(),
                start_new_session=True,
            )

    def _open_log(self) -> BinaryIO:
        """A new log file; the last one is kept beside it."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self._log_file.replace(self._log_file.with_name(f"{self._log_file.name}.1"))
        return self._log_file.open("xb")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
        return {
            **kept,
            "AWS_ACCESS_KEY_ID": "midge",
            "AWS_SECRET_ACCESS_KEY": "midge",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "DOCKER_HOST": f"unix://{os.devnull}",
            "MOTO_ACCOUNT_ID": self._account,
            "PYTHONUNBUFFERED": "1",
        }

    async def _answers(self, port: int) -> bool:
        """Wait until the process accepts connections; False if it ends instead."""
        while self._runs():
            try:
                _, writer = await asyncio.open_connection(_HOST, port)
            except ConnectionRefusedError:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            # The port may be a stranger's: then the process has failed to bind it and is about to end.
            return self._runs()
        return False

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stop in (process.terminate, process.kill):
            with suppress(ProcessLookupError):
                stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.neighbour_stop_seconds):
                    await process.wait()
                    return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _unavailable(message: str) -> ServiceError:
    return ServiceError("ServiceUnavailableException", message)
