"""The layers of a function: from the ARNs that a caller lists to what the function keeps of them.

Source: https://docs.aws.amazon.com/lambda/latest/dg/adding-layers.html and gettingstarted-limits.html
"""

from collections.abc import Sequence

from midge.api.control_plane import ControlPlane
from midge.api.layer_names import denied, parse_layer_version
from midge.api.services import CallContext
from midge.blobs.packages import PackageError
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.functions import Code, FunctionLayer
from midge.model.layers import LayerId


async def layers_named(plane: ControlPlane, arns: Sequence[str], context: CallContext) -> tuple[FunctionLayer, ...]:
    """What a function with these layer versions has, in order.

    Raises InvalidParameterValueException, or AccessDeniedException for what another account has not shared.
    """
    most = plane.services.limits.layers
    if len(arns) > most:
        raise invalid_parameter(f"Cannot reference more than {most} layers.")
    named = [(arn, *parse_layer_version(arn)) for arn in arns]
    found = [await _layer_version(plane, arn, layer, number, context) for arn, layer, number in named]
    seen: dict[LayerId, str] = {}
    for arn, layer, _ in named:
        if layer in seen:
            raise invalid_parameter(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{seen[layer]} and {arn} are versions of the same layer."
            )
        seen[layer] = arn
    return tuple(found)


async def _layer_version(
    plane: ControlPlane, arn: str, layer: LayerId, number: int, context: CallContext
) -> FunctionLayer:
    foreign = layer.account != context.account
    if not foreign and layer.region != context.region:
        raise invalid_parameter(
            f"Layers are not in the same region as the function. Layers are expected to be in region {context.region}."
        )
    version = await plane.services.store.layer_version(layer, number) if layer.region == context.region else None
    if foreign and (version is None or not version.allows(context.account)):
        raise denied("GetLayerVersion", arn, context)
    if version is None:
        raise invalid_parameter(f"Layer version {arn} does not exist.")
    return FunctionLayer(arn=version.arn, code=version.code)


def check_processors(code: Code, layers: Sequence[FunctionLayer]) -> None:
    """Raise InvalidParameterValueException, naming the file, if a program or library is built for another processor."""
    for where, each in (
        ("the deployment package", code),
        *((f"the layer {layer.arn}", layer.code) for layer in layers),
    ):
        if each.foreign_file is not None:
            name, processor = each.foreign_file
            raise invalid_parameter(
                f"midge cannot run this function here: {name} in {where} is built for {processor}, "
                "and this machine has another processor."
            )


async def check_sizes(plane: ControlPlane, code: Code, layers: Sequence[FunctionLayer]) -> None:
    """Raise InvalidParameterValueException if a function and its layers are too large together once unpacked."""
    if not layers:
        return  # the size of the function alone has been checked
    most, packages = plane.services.limits.package_unzipped_bytes, plane.services.packages
    try:
        of_layers = sum([await packages.unzipped_bytes(layer.code) for layer in layers])
        together = of_layers + await packages.unzipped_bytes(code)
    except PackageError as error:
        raise ServiceError("ServiceException", f"The function's code cannot be read: {error}") from error
    if of_layers > most:
        raise invalid_parameter(f"Layers consume more than the available size of {most} bytes")
    if together > most:
        raise invalid_parameter(
            f"Function code combined with layers exceeds the maximum allowed size of {most} bytes. "
            f"The actual size is {together} bytes."
        )
