"""The Sandbox port: where function code runs.

A sandbox starts one execution environment's process tree, isolated as its technology allows, and tells of its output
and its end. It knows nothing of invocations: those travel over the Runtime API, whose listener it provides inside.
Implementations: ``namespaces`` (Linux namespaces, cgroups, seccomp) and ``process`` (no isolation, loudly labelled).
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessExit:
    """How an environment's runtime process ended: by ``code``, or by ``signal`` if that is not None."""

    code: int
    signal: int | None = None
    out_of_memory: bool = False
    """The kernel reported that the environment's memory limit was hit."""
    launch_error: str | None = None
    """In AWS's words, why the runtime's program could not be executed; None where it has run."""

    def describe(self) -> str:
        """AWS's words for it: 'exit status 1', 'signal: killed'."""
        if self.signal is None:
            return f"exit status {self.code}"
        names = {
            6: "aborted",
            7: "bus error",
            8: "floating point exception",
            9: "killed",
            11: "segmentation fault",
            15: "terminated",
        }
        return f"signal: {names.get(self.signal, self.signal)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootImage:
    """An unpacked container image that is to be the environment's root, and what it starts with."""

    root: Path
    command: tuple[str, ...]
    working_directory: str
    environment: Mapping[str, str]
    """The image's own variables; those of the function override them."""
    with_package: bool = False
    """Of a managed runtime that is an image: the function's package and layers are mounted in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionProcesses:
    """The external extensions of an environment: programs in /opt/extensions, which are started before its runtime.

    The runtime starts when ``SandboxedEnvironment.start_runtime`` is called, and what runs goes on when it has ended.
    """

    names: tuple[str, ...]
    """Of their files."""
    environment: Mapping[str, str]
    """Their variables, less those that depend on the sandbox itself."""
    on_output: Callable[[bytes], None]
    """Bytes that extensions wrote to stdout or stderr."""
    on_launch_failed: Callable[[str, int], None]
    """One of this name could not be started, for the reason that this number of the system (errno) stands for."""
    on_ended: Callable[[str, ProcessExit], None]
    """The process of one ended."""
    on_runtime_ended: Callable[[ProcessExit], None]
    """The runtime's process ended; the environment goes on until it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What an environment needs to begin.

    ``environment`` is the complete set of variables as the function sees them, less those that depend on the sandbox
    itself (AWS_LAMBDA_RUNTIME_API, AWS_ENDPOINT_URL, LAMBDA_TASK_ROOT, PATH and the library paths), which it adds.
    The callbacks run in the event loop's thread; after ``on_exit`` none is called again.
    """

    runtime: str
    handler: str
    task_root: Path
    layers_root: Path | None = None
    """The function's layers laid over each other, if it has any: what it sees at /opt."""
    image: RootImage | None = None
    """Of a function that is an image: its root, which has everything; ``runtime`` is ``program.IMAGE`` then. Of others the
    sandbox adds it, where their runtime is an image."""
    environment: Mapping[str, str]
    memory_size_mb: int
    ephemeral_storage_mb: int
    runtime_api: Callable[[], asyncio.Protocol]
    """Makes the server side of one connection from the runtime."""
    on_output: Callable[[bytes], None]
    """Bytes that the environment wrote to stdout or stderr, in order."""
    on_exit: Callable[[ProcessExit], None]
    """The runtime process ended, by itself or by ``kill``; called exactly once.

    Where there are ``extensions``: all of the environment ended.
    """
    extensions: ExtensionProcesses | None = None
    for_snapshot: bool = False
    """It will become a snapshot: ``SandboxedEnvironment.make_snapshot``."""
    snapshot: "Snapshot | None" = None
    """It is restored from this, in the place of being initialised. ``environment`` has no meaning then: it has that which
    the snapshot was started with."""

    def roots(self) -> list[Path]:
        """The directories that the environment sees: of its image, if it has one, of its package and of its layers."""
        if self.image is not None and not self.image.with_package:
            return [self.image.root]
        root = [] if self.image is None else [self.image.root]
        return root + self.packages()

    def packages(self) -> list[Path]:
        """The directories of its package and, if it has layers, of these."""
        return [self.task_root] if self.layers_root is None else [self.task_root, self.layers_root]


class Snapshot(Protocol):
    """An initialised environment that stands still; ``StartRequest.snapshot`` restores others from it."""

    @property
    def usable(self) -> bool:
        """Whether environments can be restored from it; False for good once it has ended."""
        ...

    async def end(self) -> None:
        """End it, and with it every environment that was restored from it."""
        ...


class SandboxedEnvironment(Protocol):
    """A running environment, from its owner's side."""

    def drain_output(self) -> None:
        """Deliver, before returning, output that has been written so far (through ``on_output``)."""
        ...

    def freeze(self) -> None:
        """Let all its processes stand still, as soon as they can be stopped; where the machine cannot, they go on."""
        ...

    def thaw(self) -> None:
        """Let them go on."""
        ...

    def hold_cpu(self) -> None:
        """Give it no more of the CPU's time than its memory size buys, where the machine can."""
        ...

    def release_cpu(self) -> None:
        """Let it have what is free again, as from the start."""
        ...

    def kill(self) -> None:
        """End every process of the environment at once, frozen or not; ``on_exit`` follows.

        Harmless when it has ended already.
        """
        ...

    def start_runtime(self) -> None:
        """Start the runtime, which has waited for the extensions. Harmless where it did not wait."""
        ...

    def signal_runtime(self, number: int) -> None:
        """Send the runtime's process a signal; nothing happens if it has ended."""
        ...

    async def open_socket(self) -> socket.socket:
        """A TCP socket that connects to what listens inside; non-blocking, the caller's to close. Raises OSError."""
        ...

    async def make_snapshot(self, port: int) -> Snapshot:
        """Let it stand still for ever, to be restored from; only of one started ``for_snapshot``.

        Its runtime waits for the answer to GET /restore/next on the connection from ``port``. Its owner hears nothing
        more of it. Raises SnapshotError, SandboxError; then it has been ended.
        """
        ...

    def memory_peak_bytes(self) -> int | None:
        """The most memory it has used, by the kernel's account; None where nobody counts."""
        ...


class Sandbox(Protocol):
    """Starts environments."""

    async def start(self, request: StartRequest) -> SandboxedEnvironment:
        """Start one; returns when its runtime is on its way (it then calls GET /next by itself).

        Raises SandboxError when the machine cannot start it, LaunchError when nobody could. If cancelled, nothing is left behind.
        """
        ...

    async def expect(self, runtime: str, task_root: Path) -> None:
        """A function of ``runtime`` exists: keep a few environments half started, so that its cold starts are short.

        Raises SandboxError when it cannot run here.
        """
        ...

    async def close(self) -> None:
        """End every environment and give everything back."""
        ...


class LaunchError(Exception):
    """The function's own program cannot be started; ``error_type`` and the text, which is for the caller, are AWS's."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


class SnapshotError(Exception):
    """No snapshot can be made of a function, or not here; the text says why and is for its author."""


class SandboxError(Exception):
    """An environment could not be started; the text is for midge's log, not for the caller."""
