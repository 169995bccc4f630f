"""AWS's own checks of a function's configuration, beyond what the service model says, in AWS's words. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and configuration-envvars.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from midge.api import images
from midge.api.members import part
from midge.model.arns import parse_arn
from midge.model.errors import ServiceError, invalid_parameter, not_supported
from midge.model.limits import Limits
from midge.store.port import Usage

RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_SUCCESSORS = {
    "nodejs": "nodejs24.x",
    "python": "python3.14",
    "dotnet": "dotnet10",
    "ruby": "ruby3.4",
    "java": "java25",
    "go": "provided.al2023",
    "provided": "provided.al2023",
}
_BLOCKED = frozenset(
    {
        "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
        "nodejs16.x", "python2.7", "python3.6", "python3.7", "python3.8", "dotnetcore1.0", "dotnetcore2.0",
        "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "ruby2.5", "ruby2.7", "go1.x", "java8", "provided",
    }
)  # fmt: skip
"""Runtimes that AWS lets no function be created with any more: lambda-runtimes.html."""
_UNABLE = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
)


def check_create(values: Mapping[str, Any], limits: Limits) -> None:
    """Raise InvalidParameterValueException if the configuration of a new function is not acceptable."""
    image = images.is_image(values)
    images.check_members(values, image=image)
    if not image and (not values.get("Runtime") or not values.get("Handler")):
        raise invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    check_configuration(values, limits)


def check_configuration(values: Mapping[str, Any], limits: Limits) -> None:
    """Raise InvalidParameterValueException for the first member given that is not acceptable."""
    runtime: str = values.get("Runtime") or ""
    if runtime == "custom":
        raise not_supported("the runtime custom")
    if runtime in _BLOCKED:
        successor = next(name for start, name in _SUCCESSORS.items() if runtime.startswith(start))
        raise invalid_parameter(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            f"We recommend you use a supported runtime ({successor}) while creating or updating functions."
        )
    _at_most("MemorySize", values.get("MemorySize"), limits.memory_size_mb)
    _at_most("Timeout", values.get("Timeout"), limits.timeout_seconds)
    _at_most("EphemeralStorage.Size", part(values, "EphemeralStorage").get("Size"), limits.ephemeral_storage_mb)
    check_environment(part(part(values, "Environment"), "Variables"), limits)
    _check_dead_letter_target(part(values, "DeadLetterConfig").get("TargetArn"))
    logging = part(values, "LoggingConfig")
    levels = [name for name in ("ApplicationLogLevel", "SystemLogLevel") if logging.get(name)]
    if levels and logging.get("LogFormat") == "Text":
        raise invalid_parameter(f"{levels[0]} can only be set when LogFormat is JSON")


def _at_most(name: str, value: int | None, most: int) -> None:
    if value is not None and value > most:
        raise invalid_parameter(
            f"'{name}' value failed to satisfy constraint: Member must have value less than or equal to {most}"
        )


def _check_dead_letter_target(target: str | None) -> None:
    arn = parse_arn(target) if target else None
    if target and (arn is None or arn.service not in {"sqs", "sns"} or arn.resource.endswith(".fifo")):
        raise invalid_parameter(f"The dead-letter target {target} is neither a standard SQS queue nor an SNS topic.")


def check_environment(variables: Mapping[str, str], limits: Limits) -> None:
    """Raise InvalidParameterValueException for reserved names and for more than 4 KB in all, measured as JSON."""
    reserved = sorted(RESERVED_VARIABLES.intersection(variables))
    if reserved:
        raise invalid_parameter(
            f"{_UNABLE} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = msgspec.json.encode(dict(variables))
    if len(measured) > limits.environment_variables_bytes:
        raise invalid_parameter(f"{_UNABLE} exceeded the 4KB limit. String measured: {measured.decode('utf-8')}")


def check_code_storage(usage: Usage, more_bytes: int, limits: Limits) -> None:
    """Raise CodeStorageExceededException if ``more_bytes`` of code are too many for an account in a region."""
    if usage.code_bytes + more_bytes > limits.code_storage_bytes:
        raise ServiceError("CodeStorageExceededException", "Code storage limit exceeded.", Type="User")


def check_inline_zip(data: bytes, operation: str, limits: Limits) -> None:
    """Raise RequestEntityTooLargeException if a zip is too large to be sent inside the request."""
    if len(data) > limits.zip_inline_bytes:
        # What AWS measures is the request, where the zip is in base64.
        raise ServiceError(
            "RequestEntityTooLargeException",
            f"Request must be smaller than {-(-limits.zip_inline_bytes * 4 // 3)} bytes for the {operation} operation",
        )
