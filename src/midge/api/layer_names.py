"""From what a caller wrote as ``LayerName``, or as a layer version's ARN, to the layer that is meant. Pure.

Source: the patterns of ``LayerNameOrArn`` and ``LayerVersionArn`` in the ``lambda`` service model, and
https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html
"""

import re

from midge.api.services import CallContext
from midge.model.errors import ServiceError, invalid_parameter, not_supported
from midge.model.layers import LayerId

_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<number>[0-9]+))?"
)


def _layer(found: re.Match[str]) -> LayerId:
    return LayerId(account=found["account"], region=found["region"], name=found["name"])


def parse_layer(text: str, context: CallContext) -> LayerId:
    """The layer that a name or a layer's ARN names, wherever it is. Raises InvalidParameterValueException."""
    if ":" not in text:
        return LayerId(account=context.account, region=context.region, name=text)
    found = _ARN.fullmatch(text)
    if found is None or found["number"] is not None:
        raise invalid_parameter(f"Invalid layer name: {text}")
    return _layer(found)


def parse_layer_version(arn: str) -> tuple[LayerId, int]:
    """The layer and the number that a layer version's ARN names. Raises InvalidParameterValueException."""
    found = _ARN.fullmatch(arn)
    if found is None or found["number"] is None:
        raise not_supported(f"the layer {arn}")
    return _layer(found), int(found["number"])


def check_place(action: str, layer: LayerId, resource: str, context: CallContext) -> None:
    """Raise AccessDeniedException if ``layer`` is another account's, ResourceNotFoundException if another region's.

    ``action`` is the operation, ``resource`` the ARN that it would act upon.
    """
    if layer.account != context.account:
        raise denied(action, resource, context)
    check_region(layer, context)


def check_region(layer: LayerId, context: CallContext) -> None:
    """Raise ResourceNotFoundException if ``layer`` is in another region than the caller asks."""
    if layer.region != context.region:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Layers from '{layer.region}' are not reachable in this region ('{context.region}')",
            Type="User",
        )


def check_number(number: int) -> None:
    """Raise InvalidParameterValueException for a number that no version has."""
    if number < 1:
        raise invalid_parameter("Layer Version Cannot be less than 1.")


def denied(action: str, resource: str, context: CallContext) -> ServiceError:
    """AWS's refusal of what another account has not allowed."""
    return ServiceError(
        "AccessDeniedException",
        f"User: arn:aws:iam::{context.account}:root is not authorized to perform: lambda:{action} "
        f"on resource: {resource} because no resource-based policy allows the lambda:{action} action",
    )
