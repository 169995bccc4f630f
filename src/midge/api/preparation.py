"""The step between accepted and usable: have a version's package and layers, or its image, unpacked, tell the router, record the new state.

Runs beside the answer to the caller, so that creation answers Pending and an update InProgress. What a stop or a crash
interrupts is taken up again by the next start, because the state in the store says so.
"""

import uuid

import structlog

from midge.api import images, states
from midge.api.code_keeper import CodeKeeper
from midge.api.locks import KeyedLocks
from midge.api.services import ApiServices
from midge.blobs.packages import PackageError
from midge.clock import pause
from midge.images.errors import ImageError
from midge.invoke.snapshot_maker import SnapshotFailure
from midge.model.functions import FunctionId, FunctionVersion
from midge.store.errors import StoreError
from midge.tasks import TaskOwner


class Preparation:
    """Brings versions to rest, each in a task of its own."""

    def __init__(
        self, services: ApiServices, codes: CodeKeeper, locks: KeyedLocks[FunctionId], tasks: TaskOwner
    ) -> None:
        self._services = services
        self._codes = codes
        self._locks = locks
        self._tasks = tasks
        self._log = structlog.get_logger("midge.api")

    def begin(self, version: FunctionVersion, *, replaced: FunctionVersion | None = None) -> None:
        """Bring ``version``, as the store now holds it, to rest in the background.

        ``replaced`` is what it was before: its code and layers are let go of when the router has turned from them.
        """
        self._tasks.start(self._complete(version, replaced))

    async def _complete(self, version: FunctionVersion, replaced: FunctionVersion | None) -> None:
        """Unpack, then record the outcome and tell the router; tries again while the store refuses to be written."""
        outcome = await self._outcome(version)
        while True:
            lock = self._locks.of(version.function)
            async with lock:
                try:
                    await self._record(version, outcome, replaced)
                except StoreError as error:
                    self._log.error("state_not_stored", function=version.arn, reason=str(error))
                else:
                    return
            await pause(self._services.clock, self._services.limits.store_retry_seconds)

    async def _outcome(self, version: FunctionVersion) -> FunctionVersion:
        revision = str(uuid.uuid4())
        try:
            await self._services.unpacked(version)
            await self._services.snapshot(version)
        except SnapshotFailure as failure:
            self._log.warning("snapshot_not_made", function=version.arn, reason=failure.error_type)
            return states.failed(version, revision, failure.reason, failure.code)
        except PackageError as error:
            self._log.error("package_unusable", function=version.arn, reason=str(error))
            return states.failed(
                version, revision, "The deployment package cannot be unpacked.", "InvalidZipFileException"
            )
        except ImageError as error:
            self._log.error("image_unusable", function=version.arn, reason=str(error))
            return states.failed(version, revision, *images.failure(error))
        except OSError as error:
            self._log.error("package_not_unpacked", function=version.arn, reason=str(error))
            return states.failed(version, revision, f"An internal error occurred: {error.strerror}.", "InternalError")
        return states.ready(version, revision)

    async def _record(
        self, version: FunctionVersion, outcome: FunctionVersion, replaced: FunctionVersion | None
    ) -> None:
        """Tell the router, then record: whoever reads that a version is ready must find that it is.

        The function's lock is held, so that nothing comes between the look at the store and the write.
        """
        store = self._services.store
        current = await store.version(version.function, version.version)
        if current is None or current.revision_id != version.revision_id:
            self._log.info("version_gone_while_preparing", function=version.arn)
        else:
            update_failed = outcome.last_update_status == "Failed" and outcome.state != "Failed"
            if not update_failed:
                self._services.put_in_router(outcome)
            await store.replace_version(outcome, version.revision_id)
            if update_failed:
                return  # the router goes on with the version, and the code, that it has
        if replaced is not None:
            self._codes.release_version(replaced)
