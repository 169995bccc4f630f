"""What the sandbox is told to start: a function version's code, variables and limits, and its extensions."""

from collections.abc import Callable
from pathlib import Path

from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.extensions import EnvironmentExtensions, external_extensions
from midge.invoke.images import image_extensions, root_image
from midge.invoke.platform import Platform
from midge.invoke.variables import function_variables, session_credentials
from midge.model.functions import FunctionVersion
from midge.runtime_api.connection import RuntimeConnection
from midge.runtime_api.session import RuntimeSession
from midge.sandbox.port import ProcessExit, StartRequest
from midge.sandbox.program import IMAGE


def init_limit_seconds(
    platform: Platform, version: FunctionVersion, *, provisioned: bool, within_invocation: bool
) -> float:
    """How long its initialisation, or its restoration, may take."""
    limits, timeout = platform.limits, float(version.timeout_seconds)
    if version.restored:
        return limits.restore_seconds
    if within_invocation:
        return timeout
    return max(limits.provisioned_init_seconds, timeout) if provisioned else limits.init_seconds


def start_request(
    platform: Platform,
    version: FunctionVersion,
    task_root: Path,
    layers_root: Path | None,
    log: EnvironmentLog,
    session: RuntimeSession,
    extensions: EnvironmentExtensions,
    *,
    provisioned: bool,
    on_output: Callable[[bytes], None],
    on_exit: Callable[[ProcessExit], None],
) -> StartRequest:
    """Raises TooManyExtensionsError."""
    credentials = session_credentials(version, platform.ids.hex32, platform.session_secret)
    variables = function_variables(version, log.stream.name, credentials, provisioned=provisioned)
    image = root_image(version, task_root)
    names = image_extensions(image) or external_extensions(layers_root)
    return StartRequest(
        runtime=version.runtime or IMAGE,
        handler=version.handler,
        task_root=task_root,
        layers_root=layers_root,
        image=image,
        environment=variables,
        memory_size_mb=version.memory_size_mb,
        ephemeral_storage_mb=version.ephemeral_storage_mb,
        runtime_api=lambda: RuntimeConnection(session, platform.limits, extensions.calls),
        on_output=on_output,
        on_exit=on_exit,
        extensions=extensions.launch(names, variables),
    )


def init_phase(version: FunctionVersion, *, bound: bool) -> str:
    """What its initialisation is a part of, as reports of it say."""
    return "restore" if version.restored else "invoke" if bound else "init"
