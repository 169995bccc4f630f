"""AWS's own checks of a configuration, by its limits."""

from typing import Any

import pytest

from midge.api.checks import (
    _BLOCKED,
    _SUCCESSORS,
    RESERVED_VARIABLES,
    check_configuration,
    check_create,
    check_inline_zip,
)
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.wire.model import load_service_model

LIMITS = Limits()
START = "Lambda was unable to configure your environment variables because the environment variables you have provided"


def test_blocked_runtimes_are_aws_s_and_have_successors() -> None:
    """Every runtime that is blocked is in the service model, and what is recommended instead is not blocked."""
    runtimes = load_service_model("lambda").shapes["Runtime"].enum or ()
    assert set(runtimes) >= _BLOCKED
    for runtime in _BLOCKED:
        with pytest.raises(ServiceError, match="no longer supported"):
            check_configuration({"Runtime": runtime}, LIMITS)
    assert set(_SUCCESSORS.values()) <= set(runtimes) - _BLOCKED


@pytest.mark.parametrize(
    "accepted",
    [
        {"Timeout": 900},
        {"MemorySize": 10_240},
        {"EphemeralStorage": {"Size": 10_240}},
        {"Environment": {"Variables": {"A": "x" * (4096 - 8)}}},
        {"Environment": {}},
        {"LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"}},
    ],
)
def test_the_limits_themselves_are_accepted(accepted: dict[str, Any]) -> None:
    """Values exactly at AWS's limits pass."""
    check_configuration(accepted, LIMITS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"Timeout": 901},
            "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900",
        ),
        (
            {"MemorySize": 10_241},
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240",
        ),
        (
            {"EphemeralStorage": {"Size": 10_241}},
            ("'EphemeralStorage.Size' value failed to satisfy constraint: "
            "Member must have value less than or equal to 10240"),
        ),
        (
            {"Runtime": "python3.8"},
            ("The runtime parameter of python3.8 is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime (python3.14) while creating or updating functions."),
        ),
        (
            {"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "INFO"}},
            "SystemLogLevel can only be set when LogFormat is JSON",
        ),
        (
            {"Environment": {"Variables": {"A": "x" * 4089}}},
            START + ' exceeded the 4KB limit. String measured: {"A":"' + "x" * 4089 + '"}',
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x", "OK": "y", "AWS_LAMBDA_RUNTIME_API": "z"}}},
            START + " contains reserved keys that are currently not supported for modification. "
            "Reserved keys used in this request: AWS_LAMBDA_RUNTIME_API, AWS_REGION",
        ),
    ],
)  # fmt: skip
def test_beyond_the_limits_is_refused(values: dict[str, Any], message: str) -> None:
    """One more than allowed is refused, in AWS's words."""
    with pytest.raises(ServiceError) as refused:
        check_configuration(values, LIMITS)
    assert (refused.value.code, refused.value.message) == ("InvalidParameterValueException", message)


def test_every_reserved_variable_is_refused() -> None:
    """None of the variables that Lambda sets itself can be set by a function."""
    for name in RESERVED_VARIABLES:
        with pytest.raises(ServiceError, match=name):
            check_configuration({"Environment": {"Variables": {name: ""}}}, LIMITS)


def test_a_zip_function_needs_runtime_and_handler() -> None:
    """Either missing is refused."""
    for values in ({"Runtime": "python3.12"}, {"Handler": "a.b"}, {}):
        with pytest.raises(ServiceError, match="Runtime and Handler are mandatory"):
            check_create(values, LIMITS)


def test_an_inline_zip_has_a_limit() -> None:
    """50 MB may be sent inside the request, one byte more is AWS's refusal of the request's size."""
    small = Limits(zip_inline_bytes=9)
    check_inline_zip(b"x" * 9, "CreateFunction", small)
    with pytest.raises(ServiceError) as refused:
        check_inline_zip(b"x" * 10, "CreateFunction", small)
    assert refused.value.code == "RequestEntityTooLargeException"
    assert refused.value.message == "Request must be smaller than 12 bytes for the CreateFunction operation"
