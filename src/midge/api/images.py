"""Functions that are container images: which image a request names, what may go with one, and why one cannot be used.

Source: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html and ``ImageConfig`` in the ``lambda`` service model
"""

from collections.abc import Mapping
from typing import Any

import structlog

from midge.api.members import is_empty
from midge.api.services import ApiServices
from midge.images.errors import ImageError, Trouble
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.functions import FunctionImage, FunctionVersion, ImageConfig

_OF_ZIPS = ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion")
_STATE_CODES = {
    Trouble.MISSING: "ImageDeleted",
    Trouble.DENIED: "ImageAccessDenied",
    Trouble.NOT_ALLOWED: "ImageAccessDenied",
    Trouble.UNAVAILABLE: "InternalError",
}
_log = structlog.get_logger("midge.api")


def is_image(values: Mapping[str, Any]) -> bool:
    """Whether a request is for a function that is a container image."""
    return values.get("PackageType") == "Image"


def check_members(values: Mapping[str, Any], *, image: bool) -> None:
    """Raise InvalidParameterValueException for a configuration that a function of this kind cannot have."""
    if not image:
        if not is_empty(values.get("ImageConfig")):
            raise invalid_parameter("Please don't provide ImageConfig when the intended function PackageType is Zip.")
        return
    if values.get("Runtime") or values.get("Handler") or values.get("Layers"):
        raise invalid_parameter(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
        )
    if values.get("CodeSigningConfigArn"):
        raise code_signing_refused()


def code_signing_refused() -> ServiceError:
    """AWS knows no signatures of images."""
    return invalid_parameter("Code signing is not supported for functions created with container images.")


def check_source(values: Mapping[str, Any], doing: str) -> str:
    """The ``ImageUri`` in a request for an image; ``doing`` is creating or updating.

    Raises InvalidParameterValueException.
    """
    uri: str = values.get("ImageUri") or ""
    if not uri or any(values.get(name) for name in _OF_ZIPS):
        raise invalid_parameter(f"Please provide ImageUri when {doing} a function with packageType Image.")
    return uri


async def resolve(services: ApiServices, uri: str) -> FunctionImage:
    """The image that ``uri`` names now.

    Raises InvalidParameterValueException, or AccessDeniedException if its registry does not let midge have it.
    """
    if not services.runs_images:
        raise invalid_parameter(
            "midge cannot run container images here: without namespaces an execution environment has no root of its own."
        )
    try:
        return await services.images.resolve(uri)
    except ImageError as error:
        _log.info("image_not_resolved", image=uri, reason=str(error))
        raise _refusal(uri, error) from error
    except OSError as error:
        _log.error("image_not_resolved", image=uri, reason=str(error))
        raise invalid_parameter(f"Source image {uri} cannot be read: {error.strerror}.") from error


def _refusal(uri: str, error: ImageError) -> ServiceError:
    if error.trouble is Trouble.NOT_A_REFERENCE:
        return invalid_parameter(f"Source image {uri} is not valid. Provide a valid source image.")
    if error.trouble is Trouble.MISSING:
        return invalid_parameter(f"Source image {uri} does not exist. Provide a valid source image.")
    if error.trouble is Trouble.DENIED:
        return ServiceError(
            "AccessDeniedException",
            "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
            Type="User",
        )
    if error.trouble is Trouble.UNSUPPORTED:
        return invalid_parameter(
            f"The image manifest, config or layer media type for the source image {uri} is not supported. ({error})"
        )
    return invalid_parameter(f"Source image {uri} cannot be used: {error}.")


def failure(error: ImageError) -> tuple[str, str]:
    """The reason and its code for the state of a function whose image could not be pulled."""
    return f"The image cannot be used: {error}.", _STATE_CODES.get(error.trouble, "InvalidImage")


def config_of(given: Mapping[str, Any]) -> ImageConfig | None:
    """``ImageConfig`` of a request; None if it says nothing."""
    if is_empty(given):
        return None
    return ImageConfig(
        entry_point=tuple(given.get("EntryPoint") or ()) or None,
        command=tuple(given.get("Command") or ()) or None,
        working_directory=given.get("WorkingDirectory") or None,
    )


def render_config(version: FunctionVersion) -> dict[str, Any] | None:
    """``ImageConfigResponse``; None for a function that sets nothing in its image's place."""
    config = version.image_config
    if config is None:
        return None
    shown = {
        "EntryPoint": None if config.entry_point is None else list(config.entry_point),
        "Command": None if config.command is None else list(config.command),
        "WorkingDirectory": config.working_directory,
    }
    return {"ImageConfig": {name: value for name, value in shown.items() if value is not None}}


def render_location(image: FunctionImage) -> dict[str, Any]:
    """``FunctionCodeLocation`` of an image. AWS knows one kind of repository, and clients compare with its name."""
    return {"RepositoryType": "ECR", "ImageUri": image.uri, "ResolvedImageUri": image.resolved_uri}
