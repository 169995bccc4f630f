"""The Sandbox that does not isolate: plain processes, for machines without namespaces.

Function code runs as midge's own user and sees what that user sees. It has limits on files and processes, ends with
midge, and speaks to the same Runtime API; nothing more. Whoever chooses it is told so at every start.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from midge.model.limits import KIB, Limits
from midge.sandbox.launching import Launch
from midge.sandbox.port import (
    ProcessExit,
    SandboxedEnvironment,
    SandboxError,
    Snapshot,
    SnapshotError,
    StartRequest,
)
from midge.sandbox.program import WRAPPER_VARIABLE, Program
from midge.sandbox.zygote import INSIDE_FILES
from midge.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_OUTPUT_BYTES = 65536
_REASON_BYTES = 256
_CLOSE_SECONDS = 10
NO_SNAPSHOTS = "SnapStart needs the sandbox of namespaces, with midge as root of the machine"
_RUN_PLAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); import plain; plain.main()"


class PlainEnvironment:
    """One process group, its Runtime API listener and its output."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        server: asyncio.Server,
        request: StartRequest,
        launch: Launch,
        reason: int,
    ) -> None:
        """``reason``: the end of a pipe through which it is told that ``launch`` failed; closed when all is over."""
        self._launch = launch
        self._reason = reason
        self._process = process
        self._server = server
        self._request = request

    async def run(self) -> None:
        """Deliver its output until it ends, then tell of the end."""
        output = self._process.stdout
        assert output is not None
        while data := await output.read(_OUTPUT_BYTES):
            self._request.on_output(data)
        code = await self._process.wait()
        self.kill()
        self._server.close()
        signalled = -code if code < 0 else None
        self._request.on_exit(
            ProcessExit(code=max(code, 0), signal=signalled, launch_error=self._launch.error(self._failure()))
        )

    def _failure(self) -> dict[str, Any]:
        """See ``inside/stem.py``; empty where its program was executed."""
        try:
            return json.loads(os.read(self._reason, _REASON_BYTES) or b"{}")
        finally:
            os.close(self._reason)

    def drain_output(self) -> None:
        """Output is delivered as the event loop finds it; there is no way to hurry it here."""

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def hold_cpu(self) -> None:
        """A process by itself can be held to no share of the CPU."""

    def release_cpu(self) -> None:
        """As above."""

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def start_runtime(self) -> None:
        """It never waits here."""

    def signal_runtime(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def open_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    async def make_snapshot(self, port: int) -> Snapshot:
        del port
        self.kill()
        raise SnapshotError(NO_SNAPSHOTS)

    def memory_peak_bytes(self) -> int | None:
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        except OSError:
            return None
        peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(peaks[0]) * KIB if peaks else None


class ProcessSandbox:
    """See the module."""

    def __init__(self, *, programs: Mapping[str, Program], endpoint_url: str, limits: Limits) -> None:
        self._programs = programs
        self._endpoint_url = endpoint_url
        self._limits = limits
        self._environments: set[PlainEnvironment] = set()
        self._tasks = TaskOwner(_raise_in_log)
        self._warned = False

    async def expect(self, runtime: str, task_root: Path) -> None:
        """Nothing is prepared ahead without a zygote."""
        del task_root
        if runtime not in self._programs:
            raise SandboxError(f"no program for the runtime {runtime}")

    async def start(self, request: StartRequest) -> SandboxedEnvironment:
        program = self._programs.get(request.runtime)
        if program is None:
            raise SandboxError(f"no program for the runtime {request.runtime}")
        if request.extensions is not None:
            raise SandboxError(
                "external extensions are only started in namespaces: they look for each other's addresses"
            )
        server = await asyncio.get_running_loop().create_server(request.runtime_api, "127.0.0.1", 0)
        try:
            environment = await self._launch(program, request, server)
        except OSError as error:
            server.close()
            raise SandboxError(str(error)) from error
        self._environments.add(environment)
        self._tasks.start(self._live(environment))
        return environment

    async def _live(self, environment: PlainEnvironment) -> None:
        try:
            await environment.run()
        finally:
            self._environments.discard(environment)

    async def _launch(self, program: Program, request: StartRequest, server: asyncio.Server) -> PlainEnvironment:
        started = program.command_for(request.environment, *request.roots())
        reason, theirs = os.pipe()
        try:
            process = await self._spawn(program, request, started, server.sockets[0].getsockname()[1], theirs)
        except BaseException:
            os.close(reason)
            raise
        finally:
            os.close(theirs)
        launch = Launch(program=started[0], bootstraps=program.bootstraps)
        return PlainEnvironment(process, server, request, launch, reason)

    async def _spawn(
        self, program: Program, request: StartRequest, started: tuple[str, ...], port: int, reason: int
    ) -> asyncio.subprocess.Process:
        roots = [str(root) for root in request.roots()]
        task_root = roots[0]
        command = [program.layout.on_machine(part, *roots) for part in started]
        limits = {"RLIMIT_NOFILE": self._limits.files_per_environment, "RLIMIT_CORE": 0}
        runtime = {name: program.layout.on_machine(text, *roots) for name, text in program.environment.items()}
        environment = {
            "PATH": os.defpath,
            **self._layers(request),
            **runtime,
            "LAMBDA_TASK_ROOT": task_root,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_ENDPOINT_URL": self._endpoint_url,
            **request.environment,
        }
        if wrapper := request.environment.get(WRAPPER_VARIABLE):
            environment[WRAPPER_VARIABLE] = program.layout.on_machine(wrapper, *roots)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-c", _RUN_PLAIN, str(INSIDE_FILES), json.dumps(limits), str(reason), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=task_root,
            pass_fds=(reason,),
            start_new_session=True,
        )

    def _layers(self, request: StartRequest) -> dict[str, str]:
        """Where layers are, for a runtime that does not look there by itself. There is no /opt of the function's own; whoever looks there finds nothing."""
        if request.layers_root is None:
            return {}
        if not self._warned:
            self._warned = True
            _log.warning("layers are not at /opt without namespaces; the runtimes' search paths lead to them")
        root = str(request.layers_root)
        paths = {"PATH": f"{os.defpath}:{root}/bin", "LD_LIBRARY_PATH": f"{root}/lib"}
        return {**paths, "_MIDGE_LAYERS_ROOT": root}

    async def close(self) -> None:
        for environment in list(self._environments):
            environment.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._tasks.finish()
        await self._tasks.close()


def _raise_in_log(error: BaseException) -> None:
    raise error
