"""From the id in a function URL to what it stands for: in memory once asked for, so that calls do not wait for the store.

What changes a function URL, or takes it away with its function or alias, says so here before it answers.
"""

from midge.model.function_urls import FunctionUrl
from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.store.port import Store


class UrlDirectory:
    """Remembers the function URLs that are called; ids that do not exist are asked for anew each time."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._capacity = limits.function_urls_remembered
        self._known: dict[str, FunctionUrl] = {}
        self._changes = 0

    def known(self, url_id: str) -> FunctionUrl | None:
        """The function URL of this id, if it has been found before and not changed since."""
        return self._known.get(url_id)

    async def find(self, url_id: str) -> FunctionUrl | None:
        """The function URL of this id. Raises StoreError."""
        changes = self._changes
        found = await self._store.function_url(url_id)
        if found is not None and changes == self._changes:  # else it may have changed while the store was read
            if len(self._known) >= self._capacity:
                del self._known[next(iter(self._known))]
            self._known[url_id] = found
        return found

    def forget(self, function: FunctionId) -> None:
        """The function URLs of ``function`` or of its aliases have changed, or some of them."""
        self._changes += 1
        for url_id in [url_id for url_id, url in self._known.items() if url.function == function]:
            del self._known[url_id]
