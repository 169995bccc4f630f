"""The Sandbox of Linux namespaces: each environment is alone in user, pid, mount, net, ipc, uts and cgroup namespaces.

Environments are forked from one zygote per runtime, kept ready as stems, and bound to a function by mounting its code.
The Runtime API and the AWS endpoint listen inside each environment's own network namespace, at the addresses that AWS
uses, on sockets made there and passed out to our event loop. Everything ends when midge does: each process dies with
its parent, and the janitor removes the cgroups. See docs/decisions for the measurements behind the design.
"""

import asyncio
import base64
import itertools
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from midge.clock import Clock
from midge.model.limits import MIB, Limits
from midge.sandbox import seccomp
from midge.sandbox.cgroups import Cgroup, Cgroups
from midge.sandbox.environment import NamespacedEnvironment, Stem
from midge.sandbox.port import SandboxedEnvironment, SandboxError, StartRequest
from midge.sandbox.program import LAYERS_ROOT, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, TASK_ROOT, Program
from midge.sandbox.stems import StemPool
from midge.sandbox.zygote import INSIDE_FILES, Zygote
from midge.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_HOST_UID_BASE = 700_000_000
_HOST_UID_COUNT = 65_536
_CLOSE_SECONDS = 10
_REMEMBERED_PACKAGES = 4096
_EPHEMERAL_STORAGE_MB = 512
"""The size of a stem's /tmp, which is AWS's default; a function that asks for another gets it when it is bound."""
_REMOVAL_ATTEMPTS = 50
_REMOVAL_PAUSE_SECONDS = 0.005
_DATA_HEADROOM_BYTES = 128 * MIB
"""What a runtime itself may take above a function's memory where only an rlimit holds it."""


class _Line:
    """All that belongs to one runtime: its program, zygotes and stems. A ``loaded`` one has imported the preload."""

    def __init__(self, program: Program, *, loaded: bool) -> None:
        self.program = program if loaded else replace(program, preload=())
        self.zygote: Zygote | None = None
        self.zygote_turn = asyncio.Lock()
        self.stems: StemPool[Stem] | None = None


class NamespaceSandbox:
    """See the module. ``endpoint`` makes, for each environment, what makes its connections to the AWS endpoint."""

    def __init__(
        self,
        *,
        programs: Mapping[str, Program],
        endpoint: Callable[[], Callable[[], asyncio.Protocol]],
        endpoint_port: int,
        cgroups: Cgroups,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._programs = programs
        self._lines: dict[tuple[str, bool], _Line] = {}
        self._packages: dict[tuple[str, Path], tuple[str, bool]] = {}
        self._endpoint = endpoint
        self._endpoint_port = endpoint_port
        self._cgroups = cgroups
        self._clock = clock
        self._limits = limits
        self._numbers = itertools.count(1)
        self._rootless = os.geteuid() == 0 and not _is_initial_root()
        self._environments: set[NamespacedEnvironment] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._thread = ThreadPoolExecutor(1, "sandbox")
        self._tasks = TaskOwner(lambda error: _log.error("a cgroup could not be removed", error=str(error)))
        self._janitor = self._start_janitor()

    def _start_janitor(self) -> subprocess.Popen[bytes] | None:
        directories = [str(path) for path in self._cgroups.directories()]
        if not directories:
            return None
        argv = [sys.executable, "-I", "-S", str(INSIDE_FILES / "janitor.py"), *directories]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    async def expect(self, runtime: str, task_root: Path) -> None:
        self._stems(await self._line(runtime, task_root)).fill()

    async def _line(self, runtime: str, task_root: Path) -> _Line:
        """The line that environments of this package come from. Raises SandboxError."""
        key = self._packages.get((runtime, task_root))
        if key is None:
            try:
                program = self._programs[runtime]
            except KeyError:
                raise SandboxError(f"this machine has no {runtime}") from None
            loop = asyncio.get_running_loop()
            loaded = await loop.run_in_executor(self._thread, program.profits, task_root)
            key = (runtime, bool(loaded))
            if loaded is not None:
                if len(self._packages) >= _REMEMBERED_PACKAGES:
                    del self._packages[next(iter(self._packages))]
                self._packages[runtime, task_root] = key
            if key not in self._lines:
                self._lines[key] = _Line(program, loaded=bool(loaded))
        return self._lines[key]

    def _stems(self, line: _Line) -> StemPool[Stem]:
        if line.stems is None:
            command = (*line.program.command, *line.program.waiting_arguments) if line.program.waits else None
            forked = line.program.entry is not None
            line.stems = StemPool(
                lambda: self._prepare(line, command, forked=forked),
                self.discard,
                self._clock,
                least=self._limits.stems_per_runtime,
                most=self._limits.stems_after_burst,
            )
        return line.stems

    async def _zygote(self, line: _Line) -> Zygote:
        async with line.zygote_turn:
            if line.zygote is None or not line.zygote.alive:
                if line.zygote is not None:
                    line.zygote.close()
                line.zygote = Zygote(line.program, self._settings())
                try:
                    await line.zygote.start(self._limits.environment_start_seconds)
                except BaseException:
                    line.zygote.close()
                    raise
            return line.zygote

    def _settings(self) -> dict[str, Any]:
        return {
            "endpoint_port": self._endpoint_port,
            "own_users": not self._rootless,
            "seccomp": base64.b64encode(seccomp.program()).decode(),
            "limits": {name: _within_our_own(name, value) for name, value in self._resource_limits().items()},
        }

    def _resource_limits(self) -> dict[str, int]:
        return {
            "RLIMIT_NOFILE": self._limits.files_per_environment,
            "RLIMIT_NPROC": self._limits.processes_per_environment,
            "RLIMIT_CORE": 1,  # unlike 0, keeps the kernel from starting a machine's crash handler
            "RLIMIT_RTPRIO": 0,
        }

    async def _prepare(self, line: _Line, command: tuple[str, ...] | None, *, forked: bool) -> Stem:
        """One environment of a runtime, isolated and waiting for its function.

        ``forked``: its runtime is forked from the zygote that has it loaded; else it executes ``command``, if there is
        one, or what its assignment says.
        """
        zygote = await self._zygote(line)
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        cgroup = await loop.run_in_executor(self._thread, self._cgroups.create, f"environment-{number}")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        request = {
            "host_uid": 0 if self._rootless else _HOST_UID_BASE + number % _HOST_UID_COUNT,
            "ephemeral_storage_mb": _EPHEMERAL_STORAGE_MB,
            "joined": forked,
            "command": command,
            "command_environment": dict(line.program.environment),
        }
        lists = cgroup.process_lists()
        stem: Stem | None = None
        try:
            init = await zygote.inits.fork(request, [theirs.fileno(), *([] if forked else lists)])
            assert init.descriptor is not None
            stem = Stem(init.descriptor, ours, cgroup, self._endpoint())
            async with asyncio.timeout(self._limits.environment_start_seconds):
                ends = await stem.become_ready()
                if forked:
                    await self._fork_runtime(zygote, stem, ends, lists)
        except BaseException:
            if stem is None:
                ours.close()
                self._tasks.start(self._remove(cgroup))
            else:
                self.discard(stem)
            raise
        finally:
            theirs.close()
            for descriptor in lists:
                os.close(descriptor)
        return stem

    async def _fork_runtime(self, zygote: Zygote, stem: Stem, ends: list[int], lists: list[int]) -> None:
        """Fork the loaded runtime into an environment that is ready for it."""
        if zygote.runtimes is None:
            raise SandboxError("this runtime cannot be forked")
        try:
            await zygote.runtimes.fork({}, [stem.pid_descriptor, *ends, *lists], lambda end: stem.on_runtime_ended(end))  # noqa: PLW0108 (replaced later)
        finally:
            for descriptor in ends:
                os.close(descriptor)

    def discard(self, stem: Stem) -> None:
        """End an environment that has no function."""
        stem.close()
        self._start_removal(stem)

    async def start(self, request: StartRequest) -> SandboxedEnvironment:
        line = await self._line(request.runtime, request.task_root)
        late = line.program.starts_late(request.environment)
        assignment = self._assignment(line.program, request, late)
        for _ in range(self._limits.stems_after_burst + 1):
            try:
                stem = await (self._prepare(line, None, forked=False) if late else self._stems(line).take())
            except (OSError, TimeoutError) as error:
                raise SandboxError(str(error)) from error
            environment = NamespacedEnvironment(stem, request, self._ended)
            try:
                environment.assign(self._place_of(request), assignment)
            except ConnectionError:  # it died while it waited
                environment.abandon()
                self.discard(stem)
            except OSError as error:
                environment.abandon()
                self.discard(stem)
                raise SandboxError(str(error)) from error
            else:
                self._environments.add(environment)
                self._all_ended.clear()
                return environment
        raise SandboxError("every environment died before it could be given its function")

    def _assignment(self, program: Program, request: StartRequest, late: bool) -> dict[str, Any]:
        forked = program.entry is not None and not late
        started = program.waits and not late
        return {
            "handler": request.handler,
            "task_root": TASK_ROOT,
            "environment": {**self._own_variables(), **program.environment, **request.environment},
            "command": None if forked or started else list(program.command_for(*request.roots())),
            "data_limit_bytes": self._data_limit_bytes(request),
        }

    def _place_of(self, request: StartRequest) -> dict[str, Any]:
        return {
            "mounts": [TASK_ROOT, LAYERS_ROOT][: len(request.roots())],
            "ephemeral_storage_mb": request.ephemeral_storage_mb,
            "data_limit_bytes": self._data_limit_bytes(request),
        }

    def _data_limit_bytes(self, request: StartRequest) -> int | None:
        return None if self._cgroups.limits_memory else request.memory_size_mb * MIB + _DATA_HEADROOM_BYTES

    def _own_variables(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "LAMBDA_TASK_ROOT": TASK_ROOT,
            "LAMBDA_RUNTIME_DIR": RUNTIME_DIRECTORY,
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._endpoint_port}",
        }

    def _ended(self, environment: NamespacedEnvironment) -> None:
        """Its processes are gone or going: give its cgroup back, off the event loop's thread."""
        self._environments.discard(environment)
        if not self._environments:
            self._all_ended.set()
        self._start_removal(environment.stem)

    def _start_removal(self, stem: Stem) -> None:
        self._tasks.start(self._remove(stem.cgroup))

    async def _remove(self, cgroup: Cgroup) -> None:
        loop = asyncio.get_running_loop()
        for attempt in range(_REMOVAL_ATTEMPTS):
            if await loop.run_in_executor(self._thread, cgroup.remove):
                return
            await asyncio.sleep(_REMOVAL_PAUSE_SECONDS * (attempt + 1))
        _log.warning("a cgroup could not be removed")

    async def close(self) -> None:
        for line in self._lines.values():
            if line.stems is not None:
                await line.stems.close()
        for environment in list(self._environments):
            environment.kill()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._all_ended.wait()
                await self._tasks.finish()
        except TimeoutError:
            _log.warning("some environments did not end in time", count=len(self._environments))
        for line in self._lines.values():
            if line.zygote is not None:
                line.zygote.close()
        await self._tasks.close()
        self._thread.shutdown()
        self._cgroups.close()
        if self._janitor is not None and self._janitor.stdin is not None:
            self._janitor.stdin.close()
            await asyncio.get_running_loop().run_in_executor(None, self._janitor.wait)


def _within_our_own(name: str, value: int) -> int:
    """``value``, or what this process itself is held to, if that is less: nobody else may raise it."""
    hard = resource.getrlimit(getattr(resource, name))[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _is_initial_root() -> bool:
    """Whether user 0 here is user 0 of the machine: the user namespace maps everything."""
    return Path("/proc/self/uid_map").read_text("ascii").split() == ["0", "0", "4294967295"]
