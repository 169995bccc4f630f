"""The environment variables of a function, as AWS defines them. Pure.

Those that depend on where the code runs (AWS_LAMBDA_RUNTIME_API, AWS_ENDPOINT_URL, LAMBDA_TASK_ROOT,
LAMBDA_RUNTIME_DIR, PATH, LD_LIBRARY_PATH and the languages' library paths) are the sandbox's to add.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from midge.model.functions import FunctionVersion

_NOT_IN_SNAPSHOTS = ("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME")
"""Of one environment, not of all that are restored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCredentials:
    """What the function signs its own calls with."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def session_credentials(
    version: FunctionVersion, random_hex: Callable[[], str], secret_of: Callable[[str, str], str]
) -> SessionCredentials:
    """New ones for an environment of ``version``.

    ``random_hex`` gives 32 hexadecimal digits, ``secret_of`` the secret of an access key id with a session token.
    """
    access_key_id = version.function.account  # so that its calls are its account's: see auth.scope
    token = base64.b64encode((random_hex() + random_hex()).encode()).decode()
    return SessionCredentials(
        access_key_id=access_key_id, secret_access_key=secret_of(access_key_id, token), session_token=token
    )


def function_variables(
    version: FunctionVersion, log_stream: str, credentials: SessionCredentials, *, provisioned: bool = False
) -> dict[str, str]:
    """Every variable that ``version`` sees in an environment that logs to ``log_stream``."""
    logging = version.logging
    values = dict(version.environment)
    # AWS reserves these names: the platform's values win over the function's own.
    values |= {
        "AWS_REGION": version.function.region,
        "AWS_DEFAULT_REGION": version.function.region,
        "AWS_LAMBDA_FUNCTION_NAME": version.function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_size_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    if version.restored:
        values["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
        for name in _NOT_IN_SNAPSHOTS:
            values.pop(name)
    if version.image is not None:
        values["AWS_EXECUTION_ENV"] = "AWS_Lambda_Image"
    else:
        values["_HANDLER"] = version.handler
        if not version.runtime.startswith("provided"):  # AWS does not set it for OS-only runtimes
            values["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{version.runtime}"
    # These may be set by the function.
    values.setdefault("TZ", ":UTC")
    values.setdefault("LANG", "en_US.UTF-8")
    if logging.format == "JSON":
        values["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        values["AWS_LAMBDA_LOG_LEVEL"] = logging.application_level or "INFO"
    return values
