"""The pure parts of ``invoke``: outcomes, variables, counting, identifiers."""

import json
import re
from dataclasses import replace

import pytest
from unit.world import VERSION

from midge.invoke import outcome
from midge.invoke.request_ids import RequestIds
from midge.invoke.variables import SessionCredentials, function_variables
from midge.model.functions import Logging
from midge.sandbox.port import ProcessExit

ID = "8476a536-e9f4-41e8-9739-2dfe598c3fcd"
CREDENTIALS = SessionCredentials(access_key_id="ASIA1", secret_access_key="s3cret", session_token="t0ken")


def test_time_outs_are_worded_as_on_aws() -> None:
    """The caller's document and the log line of a time-out are AWS's."""
    fault = outcome.timed_out(ID, 3, "2026-11-23T19:00:00.000Z")
    assert json.loads(fault.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {ID} Error: Task timed out after 3.00 seconds",
    }
    assert fault.log_line == f"2026-11-23T19:00:00.000Z {ID} Task timed out after 3.00 seconds\n\n"


@pytest.mark.parametrize(
    ("end", "kind", "text"),
    [
        (ProcessExit(code=1), "Runtime.ExitError", "Runtime exited with error: exit status 1"),
        (ProcessExit(code=0), "Runtime.ExitError", "Runtime exited without providing a reason"),
        (ProcessExit(code=0, signal=9), "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        (ProcessExit(code=0, signal=11), "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        (
            ProcessExit(code=0, signal=9, out_of_memory=True),
            "Runtime.OutOfMemory",
            "Runtime exited with error: signal: killed",
        ),
        (
            ProcessExit(code=127, launch_error="fork/exec /var/task/bootstrap: permission denied"),
            "Runtime.InvalidEntrypoint",
            "fork/exec /var/task/bootstrap: permission denied",
        ),
    ],
)
def test_crashes_are_worded_as_on_aws(end: ProcessExit, kind: str, text: str) -> None:
    """Each way in which a runtime can end has AWS's error type and message."""
    fault = outcome.exited(ID, end, outcome.exit_type(end))
    assert json.loads(fault.payload) == {"errorType": kind, "errorMessage": f"RequestId: {ID} Error: {text}"}
    assert fault.error_type == kind


def test_the_functions_variables_are_complete() -> None:
    """A function sees AWS's variables and its own; names that AWS reserves cannot be taken."""
    version = replace(VERSION, environment={"MINE": "1", "AWS_REGION": "mars", "TZ": "Asia/Tokyo"})
    values = function_variables(version, "stream", CREDENTIALS)
    assert values["MINE"] == "1"
    assert values["AWS_REGION"] == values["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert values["TZ"] == "Asia/Tokyo"
    assert values["_HANDLER"] == "app.handler"
    assert values["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert values["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert values["AWS_LAMBDA_LOG_STREAM_NAME"] == "stream"
    assert values["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert "AWS_LAMBDA_LOG_FORMAT" not in values


def test_os_only_runtimes_do_not_name_themselves() -> None:
    """AWS_EXECUTION_ENV is not set where the function brings its runtime, also not by the function."""
    for runtime in ("provided.al2", "provided.al2023"):
        assert "AWS_EXECUTION_ENV" not in function_variables(replace(VERSION, runtime=runtime), "stream", CREDENTIALS)


def test_json_logging_is_told_to_the_runtime() -> None:
    """The runtime learns the JSON format and the level."""
    version = replace(VERSION, logging=Logging(format="JSON", group="g", application_level="WARN"))
    values = function_variables(version, "stream", CREDENTIALS)
    assert (values["AWS_LAMBDA_LOG_FORMAT"], values["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "WARN")


def test_credentials_do_not_show_themselves() -> None:
    """The secret parts of session credentials are not in their text form."""
    assert "s3cret" not in repr(CREDENTIALS)
    assert "t0ken" not in repr(CREDENTIALS)


def test_request_ids_are_uuids_and_differ() -> None:
    """Request ids are version 4 UUIDs, trace ids have X-Ray's form, and none repeats."""
    ids = RequestIds()
    request_ids = {ids.request_id() for _ in range(300)}
    traces = {ids.trace_id(1_800_000_000.0) for _ in range(300)}
    assert len(request_ids) == len(traces) == 300
    uuid = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    trace = re.compile(rb"Root=1-6b49d200-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0")
    assert all(uuid.fullmatch(value) for value in request_ids)
    assert all(trace.fullmatch(value) for value in traces)
