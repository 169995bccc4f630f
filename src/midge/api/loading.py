"""From the store to the router: what is invoked for the first time since the start.

A start does not read every version there is; the router gets to know a version when somebody invokes it, creates it or
changes it. Done under the function's lock, so that what is loaded is never older than what the router was told.
"""

import structlog

from midge.api import states
from midge.api.control_plane import ControlPlane
from midge.blobs.packages import PackageError
from midge.images.errors import ImageError
from midge.model.errors import ServiceError
from midge.model.functions import LATEST, FunctionId, FunctionVersion
from midge.store.errors import StoreError

_log = structlog.get_logger("midge.api")


async def load(plane: ControlPlane, function: FunctionId, qualifier: str | None) -> None:
    """Let the router know what ``qualifier`` names: a version, or an alias with its versions. Raises ServiceError."""
    lock = plane.locks.of(function)
    async with lock:
        try:
            await _load(plane, function, qualifier or LATEST)
        except StoreError as error:
            _log.error("function_not_loaded", function=function.arn, reason=str(error))
            raise ServiceError("ServiceException", "The function could not be read from the store.") from error


async def _load(plane: ControlPlane, function: FunctionId, qualifier: str) -> None:
    store = plane.services.store
    alias = await store.alias(function, qualifier)
    names = [qualifier] if alias is None else [alias.version, *alias.additional_version_weights]
    for name in names:
        # What the router knows is never older than the store; of many first invocations at once one does the work.
        if not plane.services.router.knows(function, name):
            version = await store.version(function, name)
            if version is not None:
                await take_up(plane, version)
    if alias is not None:
        plane.services.router.put_alias(alias)


async def take_up(plane: ControlPlane, version: FunctionVersion) -> None:
    """Let the router know a version as the store holds it; one that is not ready, or not whole, is prepared anew."""
    if version.settled:
        try:
            await plane.services.unpacked(version)
        except (PackageError, ImageError, OSError) as error:  # one broken package must not keep the others from running
            _log.error("package_lost", function=version.arn, reason=str(error))
        else:
            plane.services.put_in_router(version)
            return
    # An interrupted update has no former self to go on with: it is taken up like a creation.
    unfinished = states.pending(version)
    plane.services.put_in_router(unfinished)
    plane.preparation.begin(unfinished)
