"""The Sandbox of Linux namespaces: each environment is alone in user, pid, mount, net, ipc, uts and cgroup namespaces.

Environments come from the line of their runtime, which keeps some half started, and are bound to a function by mounting
its code.
The Runtime API and the AWS endpoint listen inside each environment's own network namespace, at the addresses that AWS
uses, on sockets made there and passed out to our event loop. Everything ends when midge does: each process dies with
its parent, and the janitor removes the cgroups. See docs/decisions for the measurements behind the design.
"""

import asyncio
import base64
import itertools
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from midge.clock import Clock
from midge.model.limits import MIB, Limits
from midge.sandbox import seccomp
from midge.sandbox.cgroups.port import Cgroups
from midge.sandbox.environment import Cell, NamespacedEnvironment
from midge.sandbox.images import DEFAULT_PATH, IMAGE_PLACE, PROGRAM, check_launch
from midge.sandbox.keeper import CgroupKeeper
from midge.sandbox.line import EPHEMERAL_STORAGE_MB, Line, Surroundings
from midge.sandbox.port import RootImage, SandboxedEnvironment, SandboxError, Snapshot, SnapshotError, StartRequest
from midge.sandbox.program import IMAGE, LAYERS_ROOT, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, TASK_ROOT, Program
from midge.sandbox.snapshots.keeping import NamespacedSnapshot, Tracer, check_supported, make_snapshot
from midge.sandbox.zygote import INSIDE_FILES

_log = structlog.get_logger(__name__)

_CLOSE_SECONDS = 10
_REMEMBERED_PACKAGES = 4096
_OF_RUNTIMES = frozenset({"PATH", "LD_LIBRARY_PATH", "LAMBDA_RUNTIME_DIR"})
"""Variables that lead to a managed runtime's own files: an image has none of these, or says so itself."""
_RUNTIMES_OWN = frozenset({"LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"})
_DATA_HEADROOM_BYTES = 128 * MIB
"""What a runtime itself may take above a function's memory where only an rlimit holds it."""


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
        self._lines: dict[tuple[str, bool], Line] = {}
        self._packages: dict[tuple[str, Path], tuple[str, bool]] = {}
        self._endpoint_port = endpoint_port
        self._limits = limits
        self._keeper = CgroupKeeper(cgroups)
        own_users = os.geteuid() != 0 or _is_initial_root()
        self._around = Surroundings(
            settings=_zygote_settings(endpoint_port, limits, own_users=own_users),
            own_users=own_users,
            endpoint=endpoint,
            keeper=self._keeper,
            clock=clock,
            limits=limits,
            numbers=itertools.count(1),
        )
        self._tracer = Tracer(limits.environment_start_seconds)
        self._environments: set[NamespacedEnvironment] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._thread = ThreadPoolExecutor(1, "packages")
        self._janitor = self._start_janitor()

    def _start_janitor(self) -> subprocess.Popen[bytes] | None:
        directories = [str(path) for path in self._keeper.directories()]
        if not directories:
            return None
        argv = [sys.executable, "-I", "-S", str(INSIDE_FILES / "janitor.py"), *directories]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def limits_memory(self) -> bool:
        """Whether control groups hold an environment to its memory; else an rlimit does."""
        return self._keeper.limits_memory

    @property
    def limits_cpu(self) -> bool:
        """Whether control groups can hold an environment to the CPU time that its memory size buys."""
        return self._keeper.limits_cpu

    @property
    def freezes(self) -> bool:
        """Whether an idle environment can be made to stand still."""
        return self._keeper.freezes

    async def expect(self, runtime: str, task_root: Path) -> None:
        (await self._line(runtime, task_root)).fill()

    async def _line(self, runtime: str, task_root: Path) -> Line:
        """The line that environments of this package come from. Raises SandboxError."""
        if runtime == IMAGE:
            if (IMAGE, False) not in self._lines:
                self._lines[IMAGE, False] = Line(PROGRAM, self._around, loaded=False)
            return self._lines[IMAGE, False]
        key = self._packages.get((runtime, task_root))
        if key is None:
            try:
                program = self._programs[runtime]
            except KeyError:
                raise SandboxError(f"this machine has no {runtime}") from None
            if program.image is not None:
                return await self._line(IMAGE, task_root)
            loop = asyncio.get_running_loop()
            loaded = await loop.run_in_executor(self._thread, program.profits, task_root)
            key = (runtime, bool(loaded))
            if loaded is not None:
                if len(self._packages) >= _REMEMBERED_PACKAGES:
                    del self._packages[next(iter(self._packages))]
                self._packages[runtime, task_root] = key
            if key not in self._lines:
                self._lines[key] = Line(program, self._around, loaded=bool(loaded))
        return self._lines[key]

    async def start(self, request: StartRequest) -> SandboxedEnvironment:
        line = await self._line(request.runtime, request.task_root)
        if request.snapshot is not None:
            return await self._restore(request, request.snapshot)
        request = replace(request, image=self._image_of(request))
        if request.for_snapshot:
            self._check_snapshot(request)
        late = request.extensions is not None or line.program.starts_late(request.environment)
        assignment = await self._assignment(line.program, request, late)
        for _ in range(self._limits.stems_after_burst + 1):
            try:
                cell = await self._cell(line, late=late, for_snapshot=request.for_snapshot)
            except (OSError, TimeoutError) as error:
                raise SandboxError(str(error)) from error
            environment = NamespacedEnvironment(cell, request, self._ended)
            try:
                environment.assign(self._place_of(request), assignment, self._bootstraps_of(request))
            except ConnectionError:  # it died while it waited
                environment.abandon()
                line.discard(cell)
            except OSError as error:
                environment.abandon()
                line.discard(cell)
                raise SandboxError(str(error)) from error
            else:
                if request.for_snapshot:
                    environment.snapshot_maker = partial(
                        make_snapshot, line, self._tracer, self._place_of(request), request.roots()
                    )
                return self._begun(environment)
        raise SandboxError("every environment died before it could be given its function")

    async def _cell(self, line: Line, *, late: bool, for_snapshot: bool) -> Cell:
        if for_snapshot:
            return await line.prepare_for_snapshot(late=late)
        return await (line.prepare_late() if late else line.take())

    def _begun(self, environment: NamespacedEnvironment) -> NamespacedEnvironment:
        self._environments.add(environment)
        self._all_ended.clear()
        return environment

    def _check_snapshot(self, request: StartRequest) -> None:
        check_supported(initial_root=os.geteuid() == 0 and _is_initial_root())
        if request.image is not None:
            raise SnapshotError("SnapStart is not available for container images")
        if request.extensions is not None:
            raise SnapshotError("SnapStart is not available here for functions with external extensions")

    async def _restore(self, request: StartRequest, snapshot: Snapshot) -> SandboxedEnvironment:
        if not isinstance(snapshot, NamespacedSnapshot):
            raise SandboxError("the snapshot is of another sandbox")
        try:
            return self._begun(await snapshot.restore(request, self._ended))
        except (OSError, TimeoutError) as error:
            raise SandboxError(str(error) or "an environment was not restored in time") from error

    async def _assignment(self, program: Program, request: StartRequest, late: bool) -> dict[str, Any]:
        if request.image is not None:
            return await self._image_assignment(request.image, request)
        forked = program.entry is not None and not late
        started = program.waits and not late
        return {
            "handler": request.handler,
            "task_root": TASK_ROOT,
            "environment": {**self._own_variables(), **program.environment, **request.environment},
            "command": None if forked or started else list(program.command_for(request.environment, *request.roots())),
            "data_limit_bytes": self._data_limit_bytes(request),
        }

    def _image_of(self, request: StartRequest) -> RootImage | None:
        """The image that is the root: the function's, or its runtime's."""
        program = None if request.image is not None else self._programs.get(request.runtime)
        if program is None or program.image is None:
            return request.image
        starts = program.command_for(request.environment, *request.packages()) or (
            *program.image.command,
            request.handler,
        )
        return replace(program.image, command=starts, with_package=True)

    def _bootstraps_of(self, request: StartRequest) -> tuple[str, ...]:
        program = self._programs.get(request.runtime)
        return () if program is None else program.bootstraps

    async def _image_assignment(self, image: RootImage, request: StartRequest) -> dict[str, Any]:
        own = _without(self._own_variables(), _OF_RUNTIMES)
        environment = {"PATH": DEFAULT_PATH, **image.environment, **own, **request.environment}
        if not image.with_package:
            await asyncio.get_running_loop().run_in_executor(self._thread, check_launch, image, environment)
        return {
            "task_root": image.working_directory or "/",
            "environment": environment,
            "command": list(image.command),
            "data_limit_bytes": self._data_limit_bytes(request),
        }

    def _place_of(self, request: StartRequest) -> dict[str, Any]:
        root = "" if request.image is None else IMAGE_PLACE
        places = [f"{root}{place}" for place in (TASK_ROOT, LAYERS_ROOT)]
        return {
            "mounts": ([root, *places] if root else places)[: len(request.roots())],
            "root": root or None,
            "ephemeral_storage_mb": request.ephemeral_storage_mb,
            "resize": request.ephemeral_storage_mb != EPHEMERAL_STORAGE_MB,
            "data_limit_bytes": self._data_limit_bytes(request),
            **self._extensions_of(request),
        }

    def _extensions_of(self, request: StartRequest) -> dict[str, Any]:
        if request.extensions is None:
            return {}
        own = _without(self._own_variables(), _RUNTIMES_OWN)
        if request.image is not None:
            own = {"PATH": DEFAULT_PATH, **request.image.environment, **_without(own, _OF_RUNTIMES)}
        return {
            "extensions": request.extensions.names,
            "extensions_environment": {**own, **request.extensions.environment},
        }

    def _data_limit_bytes(self, request: StartRequest) -> int | None:
        return None if self.limits_memory else request.memory_size_mb * MIB + _DATA_HEADROOM_BYTES

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
        self._keeper.give_back(environment.cell.cgroup)

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
        for environment in list(self._environments):
            environment.kill()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._all_ended.wait()
                await self._keeper.finish()
        except TimeoutError:
            _log.warning("some environments did not end in time", count=len(self._environments))
        self._tracer.close()
        for line in self._lines.values():
            line.end()
        await self._keeper.close()
        self._thread.shutdown()
        if self._janitor is not None and self._janitor.stdin is not None:
            self._janitor.stdin.close()
            await asyncio.get_running_loop().run_in_executor(None, self._janitor.wait)


def _without(variables: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in names}


def _zygote_settings(endpoint_port: int, limits: Limits, *, own_users: bool) -> dict[str, Any]:
    bounds = {
        "RLIMIT_NOFILE": limits.files_per_environment,
        "RLIMIT_NPROC": limits.processes_per_environment,
        "RLIMIT_CORE": 1,  # unlike 0, keeps the kernel from starting a machine's crash handler
        "RLIMIT_RTPRIO": 0,
    }
    return {
        "endpoint_port": endpoint_port,
        "own_users": own_users,
        "seccomp": base64.b64encode(seccomp.program()).decode(),
        "limits": {name: _within_our_own(name, value) for name, value in bounds.items()},
    }


def _within_our_own(name: str, value: int) -> int:
    """``value``, or what this process itself is held to, if that is less: nobody else may raise it."""
    hard = resource.getrlimit(getattr(resource, name))[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _is_initial_root() -> bool:
    """Whether user 0 here is user 0 of the machine: the user namespace maps everything."""
    return Path("/proc/self/uid_map").read_text("ascii").split() == ["0", "0", "4294967295"]
