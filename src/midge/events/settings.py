"""What the store says about a function's asynchronous invocations."""

from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import LATEST, FunctionId, FunctionSettings
from midge.store.port import Store


class StoredSettings:
    """Reads on every call. Every method raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def config(self, function: FunctionId, qualifier: str) -> EventInvokeConfig | None:
        """The configuration of exactly that qualifier, ``$LATEST`` where the caller named none."""
        return await self._store.resource(EventInvokeConfig, function.place(qualifier))

    async def loops_allowed(self, function: FunctionId) -> bool:
        """Whether it may be invoked in a recursive loop."""
        settings = await self._store.resource(FunctionSettings, function.place())
        return settings is not None and settings.recursive_loop == "Allow"

    async def dead_letter_target(self, function: FunctionId, qualifier: str | None) -> str | None:
        """The ARN of the dead-letter queue or topic of the version that a qualifier leads to."""
        wanted = qualifier or LATEST
        if wanted != LATEST and not wanted.isdigit():
            alias = await self._store.alias(function, wanted)
            if alias is None:
                return None
            wanted = alias.version
        version = await self._store.version(function, wanted)
        return None if version is None else version.dead_letter_target
