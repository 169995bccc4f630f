"""The metrics as the operations see them: a read sees everything that was counted before it."""

from collections.abc import Mapping, Sequence

from midge.metric_store.files import KnownSeries, MetricStore, Point
from midge.metric_store.keeping import MinuteKeeper
from midge.model.metrics import Series, Statistics


class Metrics:
    """See the module. Methods raise StoreError."""

    def __init__(self, store: MetricStore, keeper: MinuteKeeper) -> None:
        self._store = store
        self._keeper = keeper

    async def put(self, minutes: Mapping[tuple[Series, int], Statistics]) -> int:
        """Add what a caller has measured, on disk when this returns; how many there was no room for."""
        return await self._store.add(minutes)

    async def points(self, series: Sequence[Series], start: float, end: float) -> list[dict[str, list[Point]]]:
        """See ``MetricStore.points``."""
        await self._keeper.flush()
        return await self._store.points(series, start, end)

    async def series(
        self, account: str, region: str, namespace: str | None, name: str | None, since: float
    ) -> list[KnownSeries]:
        """See ``MetricStore.series``."""
        await self._keeper.flush()
        return await self._store.series(account, region, namespace, name, since)
