"""What an environment does with its extensions: it starts the external ones, tells all of invocations, and of its end.

External extensions are the files in /opt/extensions. Knows nothing of how an invocation is answered: whoever owns the
environment is told when one is ready, has failed or is gone.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

import errno
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from midge.clock import Timer
from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.invocation import Invocation
from midge.invoke.platform import Platform
from midge.model.functions import FunctionVersion
from midge.runtime_api import replies
from midge.runtime_api.extension_calls import ExtensionCalls
from midge.runtime_api.extension_protocol import STATE_NAMES
from midge.runtime_api.extensions import INVOKE, ExtensionsSession
from midge.sandbox.port import ExtensionProcesses, ProcessExit, SandboxedEnvironment

_RUNTIMES_OWN = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
)
"""Variables that extensions do not see, less those that the sandbox adds."""


def external_extensions(layers_root: Path | None) -> tuple[str, ...]:
    """The names of the files in a function's /opt/extensions, in order."""
    if layers_root is None:
        return ()
    try:
        with os.scandir(layers_root / "extensions") as entries:
            return tuple(sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)))
    except (FileNotFoundError, NotADirectoryError):
        return ()


class ExtensionsParent(Protocol):
    """The environment, to which they belong."""

    def extension_waits(self) -> None:
        """One asks for its next event."""
        ...

    def extension_gone(self) -> None:
        """One that waited for its next event does not any more."""
        ...

    def process_failed(self, error_type: str, text: str) -> None:
        """One has ended, or could not be started; ``text`` says how, in AWS's words."""
        ...

    def runtime_ended(self, end: ProcessExit) -> None:
        """The runtime's process, beside which they go on, has ended."""
        ...


class EnvironmentExtensions:
    """See the module. ``session.all`` is empty as long as there are none."""

    __slots__ = ("_handle", "_log", "_parent", "_platform", "_shutdown", "_start_runtime", "calls", "fatal", "session")

    def __init__(
        self, platform: Platform, version: FunctionVersion, log: EnvironmentLog, parent: ExtensionsParent
    ) -> None:
        self._platform = platform
        self._log = log
        self._parent = parent
        self._handle: SandboxedEnvironment | None = None
        self._start_runtime = False
        self._shutdown: _Shutdown | None = None
        self.session = ExtensionsSession(self, platform.limits.extensions, lambda: str(uuid.uuid4()))
        self.calls = ExtensionCalls(self.session, version, platform.limits, log.subscribe)
        self.fatal: str | None = None
        """The error that an extension has reported: what ends next, ends because of it."""

    # their beginning

    def launch(self, names: tuple[str, ...], variables: Mapping[str, str]) -> ExtensionProcesses | None:
        """What the sandbox is to start beside the runtime. Raises TooManyExtensionsError."""
        if not names:
            return None
        self._log.expect_subscribers()
        excess = self.session.launch(names)
        if excess is not None:
            raise TooManyExtensionsError(excess)
        return ExtensionProcesses(
            names=names,
            environment={name: value for name, value in variables.items() if name not in _RUNTIMES_OWN},
            on_output=self._log.extension_output,
            on_launch_failed=self._launch_failed,
            on_ended=self._ended,
            on_runtime_ended=self._runtime_ended,
        )

    def attach(self, handle: SandboxedEnvironment) -> None:
        """The sandbox has started them."""
        self._handle = handle
        if self._start_runtime:
            handle.start_runtime()

    def extensions_registered(self) -> None:
        self._start_runtime = True
        if self._handle is not None:
            self._handle.start_runtime()

    def extension_waits(self) -> None:
        self._parent.extension_waits()

    def extension_gone(self) -> None:
        self._parent.extension_gone()

    def extension_reported(self, error_type: str) -> None:
        if self.fatal is None:
            self.fatal = error_type
        self._parent.extension_gone()

    def report(self) -> None:
        """Write how each stands at the end of initialisation."""
        for extension in self.session.all:
            self._log.extension(extension.name, STATE_NAMES[extension.state], extension.events, extension.error_type)

    # their invocations

    def invoke(self, invocation: Invocation, deadline_ms: int) -> None:
        """Tell those that are registered for it of an invocation."""
        event = {
            "eventType": INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": invocation.request_id.decode(),
            "invokedFunctionArn": invocation.target.invoked_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id.decode()},
        }
        self.session.send(INVOKE, _event(event))

    # their failures

    def _launch_failed(self, name: str, number: int) -> None:
        self.session.fail_launch(name, "PermissionDenied" if number == errno.EACCES else "UnknownError")
        reason = os.strerror(number).lower()
        self._parent.process_failed("Extension.LaunchError", f"fork/exec /opt/extensions/{name}: {reason}")

    def _ended(self, name: str, end: ProcessExit) -> None:
        self.session.end(name)
        if self._shutdown is not None:
            self._shutdown.extension_ended()
            return
        text = "exit code 0" if end.signal is None and end.code == 0 else end.describe()
        self._parent.process_failed(self.fatal or "Extension.Crash", text)

    def _runtime_ended(self, end: ProcessExit) -> None:
        if self._shutdown is not None:
            self._shutdown.runtime_ended()
        else:
            self._parent.runtime_ended(end)

    # their end

    def shut_down(self, handle: SandboxedEnvironment, reason: str, *, runtime_ended: bool) -> None:
        """End the environment as they may expect: ``reason`` is spindown, timeout or failure."""
        self._shutdown = _Shutdown(self._platform, self.session, self._log, handle, reason)
        self._shutdown.begin(runtime_ended=runtime_ended)

    @property
    def lingering(self) -> bool:
        """Whether they are being given time to end."""
        return self._shutdown is not None and not self._shutdown.over

    def forget(self) -> None:
        """Nothing is left of the environment."""
        if self._shutdown is not None:
            self._shutdown.stop()


class TooManyExtensionsError(Exception):
    """A function has more external extensions than there may be; the text is the name of the first in excess."""


class _Shutdown:
    """The Shutdown phase: SIGTERM to the runtime, then SHUTDOWN to the external extensions, then SIGKILL to all.

    Each step follows when those of the step before have ended, or their time is over. Telemetry that waits has the
    runtime's time to arrive: who hears of the end has heard of all before.
    """

    __slots__ = ("_clock", "_handle", "_limits", "_log", "_reason", "_session", "_started", "_timer", "_told", "over")

    def __init__(
        self,
        platform: Platform,
        session: ExtensionsSession,
        log: EnvironmentLog,
        handle: SandboxedEnvironment,
        reason: str,
    ) -> None:
        self._clock = platform.clock
        self._limits = platform.limits
        self._session = session
        self._log = log
        self._handle = handle
        self._reason = reason
        self._started = platform.clock.monotonic()
        self._timer: Timer | None = None
        self._told = False
        self.over = False

    def begin(self, *, runtime_ended: bool) -> None:
        if self._log.telemetry is not None:
            self._log.telemetry.flush()
        external = any(extension.external for extension in self._session.all)
        if external and runtime_ended:
            self.runtime_ended()
            return
        self._handle.signal_runtime(_SIGTERM)
        limits = self._limits
        if external:
            self._timer = self._clock.call_later(limits.shutdown_runtime_seconds, self._runtime_time_is_up)
        else:
            self._timer = self._clock.call_later(limits.shutdown_internal_seconds, self._end)

    def _runtime_time_is_up(self) -> None:
        self._timer = None
        self._handle.signal_runtime(_SIGKILL)
        self.runtime_ended()

    def runtime_ended(self) -> None:
        if self._told or self.over:
            return
        self._cancel()
        if self._log.telemetry is not None:
            self._log.telemetry.flush()
        self._tell_when_all_is_heard()

    def _tell_when_all_is_heard(self) -> None:
        self._timer = None
        elapsed = self._clock.monotonic() - self._started
        telemetry = self._log.telemetry
        if telemetry is not None and telemetry.pending and elapsed < self._limits.shutdown_runtime_seconds:
            self._timer = self._clock.call_later(_LOOK_SECONDS, self._tell_when_all_is_heard)
        else:
            self._tell(max(0.0, self._limits.shutdown_seconds - elapsed))

    def _tell(self, left_seconds: float) -> None:
        self._told = True
        deadline_ms = int((self._clock.now() + left_seconds) * 1000)
        event = {"eventType": "SHUTDOWN", "shutdownReason": self._reason, "deadlineMs": deadline_ms}
        self._session.shut_down(_event(event))
        self._timer = self._clock.call_later(left_seconds, self._end)
        self.extension_ended()

    def extension_ended(self) -> None:
        """End it when none is left that has something to do."""
        if self._told and not self._session.shutting_down():
            self._end()

    def _end(self) -> None:
        self.stop()
        self._handle.kill()

    def stop(self) -> None:
        self.over = True
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_SIGTERM, _SIGKILL = 15, 9
_LOOK_SECONDS = 0.005


def _event(document: Mapping[str, object]) -> bytes:
    """The whole response that carries an event to extensions."""
    identifier = {"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}
    return replies.encoded(200, msgspec.json.encode(document), headers=identifier)
