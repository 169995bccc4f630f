"""What an invocation ends with, and the error documents that the platform writes when the function could not.

An outcome is a value, also when the function failed: only the platform's own refusals are ``ServiceError``.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and
https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
"""

from collections.abc import Callable

import msgspec

from midge.model.errors import ServiceError
from midge.sandbox.port import ProcessExit


# msgspec.Struct and not a dataclass: one is made per invocation, at a third of the cost.
class Outcome(msgspec.Struct, gc=False, frozen=True):
    """``function_error`` is None or "Unhandled"; ``log_tail`` is the end of the invocation's log where asked for."""

    payload: bytes
    executed_version: bytes
    function_error: str | None = None
    log_tail: bytes | None = None
    error_type: str | None = None
    """Of a ``function_error``: ``Sandbox.Timedout``, ``Runtime.ExitError``, or what the function says."""


DRY_RUN = Outcome(payload=b"", executed_version=b"")
"""What a DryRun ends with, by identity: everything was in order, and nothing ran."""

ACCEPTED = Outcome(payload=b"", executed_version=b"")
"""What an asynchronous invocation is answered with, by identity: its event is on disk."""

Done = Callable[[Outcome | ServiceError], None]
"""Called exactly once when an invocation has ended."""


class Fault(msgspec.Struct, gc=False, frozen=True):
    """How an environment failed: the error's type, the document for the caller and the line for the log."""

    error_type: str
    payload: bytes
    log_line: str | None = None
    timed_out: bool = False


def _document(error_type: str, message: str) -> bytes:
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})


def timed_out(request_id: str, timeout_seconds: float, iso_time: str) -> Fault:
    """The function's time is up. ``iso_time`` is the moment, as 2026-11-23T19:00:00.000Z."""
    text = f"Task timed out after {timeout_seconds:.2f} seconds"
    return Fault(
        error_type="Sandbox.Timedout",
        payload=_document("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}"),
        log_line=f"{iso_time} {request_id} {text}\n\n",
        timed_out=True,
    )


def exit_type(end: ProcessExit) -> str:
    """The error's type where the runtime's process has ended in the middle, or could not begin."""
    if end.launch_error is not None:
        return "Runtime.InvalidEntrypoint"
    return "Runtime.OutOfMemory" if end.out_of_memory else "Runtime.ExitError"


def exited(request_id: str, end: ProcessExit, error_type: str) -> Fault:
    """The runtime's process ended in the middle, for a reason of ``error_type``."""
    if end.launch_error is not None:
        text = end.launch_error
    elif end.signal is None and end.code == 0 and not end.out_of_memory:
        text = "Runtime exited without providing a reason"
    else:
        text = f"Runtime exited with error: {end.describe()}"
    return failed(request_id, error_type, text)


def failed(request_id: str, error_type: str, text: str) -> Fault:
    """Something else ended the environment."""
    return Fault(
        error_type=error_type,
        payload=_document(error_type, f"RequestId: {request_id} Error: {text}"),
        log_line=f"RequestId: {request_id} Error: {text}\n{error_type}\n",
    )


def reported(error_type: str, payload: bytes) -> Fault:
    """The runtime said itself what went wrong; its document goes to the caller as it is."""
    return Fault(error_type=error_type, payload=payload or _document(error_type, ""))


class Failure(msgspec.Struct, gc=False, frozen=True):
    """Why an environment is of no more use: what INIT_REPORT says of it, and the fault of an invocation in it."""

    status: str
    """error or timeout"""
    error_type: str | None
    fault_of: Callable[[str], Fault]
    """Takes the invocation's request id."""


def time_is_up(timeout_seconds: float, iso_time: str) -> Failure:
    """See ``timed_out``."""
    return Failure("timeout", None, lambda request_id: timed_out(request_id, timeout_seconds, iso_time))


def runtime_exited(end: ProcessExit, fatal: str | None) -> Failure:
    """The runtime's process has ended; ``fatal`` is the error that an extension has reported before."""
    kind = fatal or exit_type(end)
    return Failure("error", kind, lambda request_id: exited(request_id, end, kind))


def process_failed(error_type: str, text: str) -> Failure:
    """An extension has ended, or could not be started; ``text`` says how."""
    return Failure("error", error_type, lambda request_id: failed(request_id, error_type, text))


def init_reported(error_type: str, payload: bytes) -> Failure:
    """The runtime says that it cannot initialise; its document goes to the caller as it is."""
    return Failure("error", error_type, lambda _: reported(error_type, payload))


def service_failure(message: str = "The service encountered an internal error.") -> ServiceError:
    """The platform could not run the invocation; ours to mend, the caller may try again."""
    return ServiceError("ServiceException", message, Type="Service")


def throttled(
    reason: str = "ConcurrentInvocationLimitExceeded", retry_after_seconds: int = 1, message: str = "Rate Exceeded."
) -> ServiceError:
    """An invocation that may not run now; ``reason`` is one of AWS's ``ThrottleReason``."""
    return ServiceError(
        "TooManyRequestsException",
        message,
        Reason=reason,
        Type="User",
        retryAfterSeconds=str(retry_after_seconds),
    )
