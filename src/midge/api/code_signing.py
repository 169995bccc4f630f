"""Code signing of functions, as far as it goes without code signing configurations: no function has one.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionCodeSigningConfig.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.control_plane import ControlPlane
from midge.api.names import resolve_function
from midge.api.services import CallContext


async def get_function_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The empty ARN is AWS's answer for a function without one; a creation that asks for one is refused."""
    function = resolve_function("GetFunctionCodeSigningConfig", values["FunctionName"], context)
    await plane.latest(function)
    return {"CodeSigningConfigArn": "", "FunctionName": function.name}
