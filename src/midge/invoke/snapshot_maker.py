"""Initialises a function version once and has a snapshot made of it.

Its runtime is started like any, runs the function's own initialisation and the hooks before the snapshot, and asks
GET /restore/next: there it is stopped for good. Serves no invocation.
Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec

from midge.invoke.deadline import Deadline
from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.extensions import EnvironmentExtensions, TooManyExtensionsError
from midge.invoke.outcome import exit_type
from midge.invoke.platform import Platform
from midge.invoke.starting import start_request
from midge.model.functions import FunctionVersion
from midge.observe.log_records import Note
from midge.runtime_api.session import RuntimeSession, StreamSource, StreamTaker
from midge.sandbox.port import LaunchError, ProcessExit, SandboxedEnvironment, SandboxError, Snapshot, SnapshotError

_FAILED = "FunctionError"
_REASON_CHARACTERS = 1024


class SnapshotFailure(Exception):  # noqa: N818 (of the function, not of ours)
    """No snapshot could be made: AWS's StateReasonCode, the error's type and the StateReason."""

    def __init__(self, code: str, error_type: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.error_type = error_type
        self.reason = reason


class SnapshotMaker:
    """See the module; for one snapshot."""

    def __init__(
        self, platform: Platform, version: FunctionVersion, task_root: Path, layers_root: Path | None = None
    ) -> None:
        self._platform = platform
        self._version = version
        self._roots = task_root, layers_root
        self._log = EnvironmentLog(platform, version, provisioned=False, phase="init")
        self._session = RuntimeSession(self, snap_start=True)
        self._extensions = EnvironmentExtensions(platform, version, self._log, self)
        self._restorable: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._started = platform.clock.monotonic()
        limit = max(platform.limits.provisioned_init_seconds, float(version.timeout_seconds))
        self._deadline = Deadline(platform.clock, self._started + limit, self._time_is_up)

    async def make(self) -> Snapshot:
        """Raises SnapshotFailure; nothing is left then."""
        self._deadline.arm(self._started)
        handle: SandboxedEnvironment | None = None
        try:
            handle = await self._start()
            self._log.attach(handle)
            port = await self._restorable
            self._deadline.disarm()
            handle.drain_output()
            snapshot = await handle.make_snapshot(port)
        except SnapshotError as error:
            handle = None  # it has been ended
            text = f"SnapStart: {error}"
            self._log.stream.add(Note(self._platform.clock.now(), text + "\n"))
            raise SnapshotFailure(_FAILED, "SnapStartException", text) from error
        except SnapshotFailure as failure:
            status = "timeout" if failure.error_type == "Sandbox.Timedout" else "error"
            self._log.report_init(self._seconds(), status, failure.error_type)
            raise
        except (SandboxError, TooManyExtensionsError, LaunchError) as error:
            raise SnapshotFailure("InternalError", "InternalError", f"No snapshot could be made: {error}") from error
        finally:
            self._deadline.disarm()
            if not self._restorable.done():
                self._restorable.cancel()
            elif not self._restorable.cancelled():
                self._restorable.exception()
            self._log.detach()
            if handle is not None and self._failed():
                handle.kill()
        self._log.report_init(self._seconds(), "success", None)
        return snapshot

    def _failed(self) -> bool:
        return self._restorable.cancelled() or self._restorable.exception() is not None

    def _seconds(self) -> float:
        return self._platform.clock.monotonic() - self._started

    async def _start(self) -> SandboxedEnvironment:
        request = start_request(
            self._platform,
            self._version,
            *self._roots,
            self._log,
            self._session,
            self._extensions,
            provisioned=False,
            on_output=lambda data: self._log.output(data, invoking=False),
            on_exit=self._on_exit,
        )
        return await self._platform.sandbox.start(replace(request, for_snapshot=True))

    def _fail(self, error_type: str, reason: str) -> None:
        if not self._restorable.done():
            self._restorable.set_exception(SnapshotFailure(_FAILED, error_type, reason))

    def _time_is_up(self) -> None:
        self._fail("Sandbox.Timedout", "The function did not initialise in time.")

    def _on_exit(self, end: ProcessExit) -> None:
        self._fail(exit_type(end), f"Runtime exited with error: {end.describe()}")

    # what the runtime does

    def runtime_restorable(self, port: int) -> bool:
        if not self._restorable.done():
            self._restorable.set_result(port)
        return False

    def runtime_init_failed(self, error_type: str, payload: bytes) -> None:
        self._fail(error_type, _reason(error_type, payload))

    def runtime_ready(self) -> None:
        self._fail("Runtime.Unknown", "The runtime asked for an event before it asked to be restored.")

    def runtime_restore_failed(self, error_type: str, payload: bytes) -> None:
        self.runtime_init_failed(error_type, payload)

    def runtime_responded(self, payload: bytes) -> None:
        del payload

    def runtime_failed(self, error_type: str, payload: bytes) -> None:
        del error_type, payload

    def runtime_streams(self, content_type: bytes, source: StreamSource) -> StreamTaker | None:
        del content_type, source

    def runtime_broke_off(self) -> None:
        return

    def runtime_gone(self) -> None:
        return

    # what extensions do

    def extension_waits(self) -> None:
        return

    def extension_gone(self) -> None:
        return

    def process_failed(self, error_type: str, text: str) -> None:
        self._fail(error_type, text)

    def runtime_ended(self, end: ProcessExit) -> None:
        self._on_exit(end)


class _ErrorDocument(msgspec.Struct):
    message: str = msgspec.field(name="errorMessage", default="")


def _reason(error_type: str, payload: bytes) -> str:
    try:
        document = msgspec.json.decode(payload, type=_ErrorDocument)
    except msgspec.DecodeError:
        return error_type
    return f"{error_type}: {document.message}"[:_REASON_CHARACTERS]
