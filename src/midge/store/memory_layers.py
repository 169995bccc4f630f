"""The layers of the Store in memory; ``MemoryStore`` is made of this and the rest."""

from dataclasses import replace

from midge.model.layers import LayerId, LayerVersion
from midge.store.errors import MissingError, StaleError, StoreUnavailableError
from midge.store.paging import Page, decode_marker, encode_marker
from midge.store.port import Compatible
from midge.store.records import FunctionKey, decode_layer_version, encode, layer_key


class MemoryLayers:
    """Keeps layer versions encoded, so that none is shared."""

    def __init__(self) -> None:
        self._layer_versions: dict[tuple[FunctionKey, int], str] = {}
        self._layer_numbers: dict[FunctionKey, int] = {}
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store is closed")

    def _layers(self, account: str, region: str) -> list[LayerVersion]:
        """All versions in an account and region, by name and number."""
        return [
            decode_layer_version(text)
            for (place, _), text in sorted(self._layer_versions.items())
            if place[:2] == (account, region)
        ]

    async def publish_layer_version(self, draft: LayerVersion) -> LayerVersion:
        self._check_open()
        place = layer_key(draft.layer)
        number = self._layer_numbers[place] = self._layer_numbers.get(place, 0) + 1
        published = replace(draft, number=number)
        self._layer_versions[place, number] = encode(published)
        return published

    async def layer_version(self, layer: LayerId, number: int) -> LayerVersion | None:
        self._check_open()
        text = self._layer_versions.get((layer_key(layer), number))
        return None if text is None else decode_layer_version(text)

    async def replace_layer_version(self, version: LayerVersion, expected_revision: str) -> None:
        current = await self.layer_version(version.layer, version.number)
        if current is None:
            raise MissingError(version.arn)
        if current.revision_id != expected_revision:
            raise StaleError(version.arn)
        self._layer_versions[layer_key(version.layer), version.number] = encode(version)

    async def list_layers(
        self, account: str, region: str, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        self._check_open()
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        newest = {
            version.layer.name: version
            for version in self._layers(account, region)
            if version.layer.name > after and wanted.fits(version)
        }
        found = list(newest.values())
        return Page(
            items=tuple(found[:count]),
            next_marker=encode_marker((found[count - 1].layer.name,)) if len(found) > count else None,
        )

    async def list_layer_versions(
        self, layer: LayerId, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        self._check_open()
        before = None if marker is None else decode_marker(marker, tuple[int])[0]
        found = [
            version
            for version in reversed(self._layers(layer.account, layer.region))
            if version.layer == layer and (before is None or version.number < before) and wanted.fits(version)
        ]
        return Page(
            items=tuple(found[:count]),
            next_marker=encode_marker((found[count - 1].number,)) if len(found) > count else None,
        )

    async def delete_layer_version(self, layer: LayerId, number: int) -> None:
        self._check_open()
        if self._layer_versions.pop((layer_key(layer), number), None) is None:
            raise MissingError(layer.version_arn(number))
