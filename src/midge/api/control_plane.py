"""What the operations share: the services, one writer at a time per function, zips in use, versions in preparation."""

import uuid
from dataclasses import dataclass

import structlog

from midge.api.checks import check_code_storage
from midge.api.code_keeper import CodeKeeper
from midge.api.locks import KeyedLocks
from midge.api.preparation import Preparation
from midge.api.services import ApiServices
from midge.api.transitions import Transitions
from midge.api.url_directory import UrlDirectory
from midge.model.errors import not_found
from midge.model.functions import LATEST, FunctionId, FunctionSettings, FunctionVersion
from midge.model.layers import LayerId
from midge.model.resources import Place
from midge.model.timestamps import last_modified


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Passed to every operation."""

    services: ApiServices
    codes: CodeKeeper
    preparation: Preparation
    transitions: Transitions
    urls: UrlDirectory
    locks: KeyedLocks[FunctionId]
    """Held by whoever changes a function, so that store and router hear of its changes in one order."""
    layer_locks: KeyedLocks[LayerId]
    """Held by whoever changes a layer version's policy, or deletes it."""
    resource_locks: KeyedLocks[Place]
    """Held by whoever changes a resource that stands alone. Taken before a function's lock."""
    account_locks: KeyedLocks[tuple[str, str]]
    """By account and region: held by whoever takes from what its functions share, and by whoever connects one with an
    event source. Taken before any other lock."""

    async def latest(self, function: FunctionId) -> FunctionVersion:
        """$LATEST. Raises ResourceNotFoundException."""
        found = await self.services.store.version(function, LATEST)
        if found is None:
            raise not_found(function.arn)
        return found

    async def settings(self, function: FunctionId) -> FunctionSettings:
        """What holds for the whole function; the defaults if nothing was ever set."""
        found = await self.services.store.resource(FunctionSettings, function.place())
        return found or FunctionSettings(function=function)

    async def check_code_storage(self, account: str, region: str, more_bytes: int) -> None:
        """Raise CodeStorageExceededException if the account has no room for more code in this region."""
        usage = await self.services.store.usage(account, region)
        check_code_storage(usage, more_bytes, self.services.limits)

    def now(self) -> str:
        """The present, as LastModified writes it."""
        return last_modified(self.services.clock.now())

    def say_kept(self, arn: str, members: list[str]) -> None:
        """Tell midge's log, once for each, of members that are kept without effect."""
        if members:
            log = structlog.get_logger("midge.api")
            log.warning("kept_without_effect", resource=arn, members=members)


def new_revision() -> str:
    """A revision id that nobody has seen."""
    return str(uuid.uuid4())
