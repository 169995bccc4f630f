"""The control plane's one entrance: an operation by name, its parsed input, the answer's members.

Refuses by name what ``operations`` does not have. Also brings the router up to date at start and lets an operation that
has begun finish when its caller hangs up, so that store and router never disagree.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from midge.api import loading, members, provisioned_concurrency
from midge.api.code_keeper import CodeKeeper
from midge.api.control_plane import ControlPlane
from midge.api.locks import KeyedLocks
from midge.api.operations import OPERATIONS, Perform
from midge.api.preparation import Preparation
from midge.api.services import ApiServices, CallContext
from midge.api.transitions import Transitions
from midge.api.url_directory import UrlDirectory
from midge.model.errors import ServiceError, invalid_parameter, not_found, not_supported, stale_revision
from midge.model.functions import FunctionId
from midge.model.resources import Place
from midge.store.errors import BadMarkerError, MissingError, StaleError, StoreError
from midge.tasks import TaskOwner


class Api:
    """Owns what runs in the background. ``start`` before the first call, ``close`` after the last."""

    def __init__(self, services: ApiServices) -> None:
        self._log = structlog.get_logger("midge.api")
        self._services = services
        self._tasks = TaskOwner(self._failed)
        locks: KeyedLocks[FunctionId] = KeyedLocks()
        codes = CodeKeeper(
            services.blobs, services.packages, services.images, services.clock, services.limits, self._tasks
        )
        preparation = Preparation(services, codes, locks, self._tasks)
        resource_locks: KeyedLocks[Place] = KeyedLocks()
        self._plane = ControlPlane(
            services=services,
            codes=codes,
            preparation=preparation,
            transitions=Transitions(services, resource_locks, self._tasks),
            urls=UrlDirectory(services.store, services.limits),
            locks=locks,
            layer_locks=KeyedLocks(),
            resource_locks=resource_locks,
            account_locks=KeyedLocks(),
        )

    def _failed(self, error: BaseException) -> None:
        self._log.error("background_task_failed", exc_info=error)

    async def start(self) -> None:
        """Tell the router of what is likely to be used and take up what was on its way. Raises StoreError."""
        opening = await self._services.store.opening(self._services.limits.functions_loaded_at_start)
        await self._plane.codes.start(opening.code_uses, opening.layer_uses)
        for settings in opening.reservations:
            self._services.router.reserve(settings.function, settings.reserved_concurrency)
        for mapping in opening.unsettled_mappings:
            self._plane.transitions.begin(mapping)
        versions = {version.arn: version for version in (*opening.unsettled, *opening.recent)}
        async with asyncio.TaskGroup() as group:
            for version in versions.values():
                group.create_task(loading.take_up(self._plane, version))
        for function in {config.function for config in opening.provisioned}:
            await provisioned_concurrency.apply(self._plane, function)

    async def load(self, function: FunctionId, qualifier: str | None) -> None:
        """Let the router know what is invoked and was not loaded yet. Raises ServiceError."""
        await loading.load(self._plane, function, qualifier)

    @property
    def urls(self) -> UrlDirectory:
        """The function URLs there are."""
        return self._plane.urls

    async def close(self) -> None:
        """End the background work; what it leaves unfinished the next start takes up."""
        self._plane.codes.close()
        await self._tasks.close()

    async def handle(self, operation: str, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        """Perform ``operation`` with its validated input; the answer's members by their wire names.

        Raises ServiceError and nothing else. If the caller is cancelled the operation still runs to its end.
        """
        found, strict = OPERATIONS.get(operation), self._services.strict
        if found is None or (strict and found.stored_only):
            raise not_supported(f"the operation {operation}")
        members.refuse_unsupported(found.rules, values, strict=strict)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._tasks.start(self._perform(found.perform, values, context, answer))
        return await answer

    async def _perform(
        self,
        perform: Perform,
        values: Mapping[str, Any],
        context: CallContext,
        answer: "asyncio.Future[dict[str, Any]]",
    ) -> None:
        try:
            result = await perform(self._plane, values, context)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - becomes the answer
            if not answer.done():
                answer.set_exception(self._translate(error, context))
        else:
            if not answer.done():
                answer.set_result(result)

    def _translate(self, error: Exception, context: CallContext) -> ServiceError:
        match error:
            case ServiceError():
                return error
            case BadMarkerError():
                return invalid_parameter("The marker is not one that a listing has returned.")
            case StaleError():
                return stale_revision()
            case MissingError():
                return not_found(str(error))
            case StoreError() | OSError():
                self._log.error("storage_failed", request_id=context.request_id, reason=str(error))
                return ServiceError("ServiceException", f"The change could not be stored: {error}")
            case _:
                self._log.error("operation_failed", request_id=context.request_id, exc_info=error)
                return ServiceError("ServiceException", "An internal error occurred.")
