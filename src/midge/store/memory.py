"""The Store in memory, for tests: the same rules, nothing durable. Holds records encoded, so that none is shared."""

from collections import Counter
from dataclasses import replace

from midge.model.event_source_mappings import AT_REST, EventSourceMapping
from midge.model.function_urls import FunctionUrl
from midge.model.functions import LATEST, Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.model.resources import Place, Resource
from midge.store.errors import ExistsError, InUseError, MissingError, StaleError
from midge.store.memory_layers import MemoryLayers
from midge.store.paging import Page, decode_marker, encode_marker
from midge.store.port import Opening, R, ResourceScope, Scope, Usage
from midge.store.records import (
    FunctionKey,
    decode_alias,
    decode_layer_version,
    decode_version,
    encode,
    key,
    kind_of,
    number,
    place_columns,
)
from midge.store.usage import all_uses

_Columns = tuple[str, str, str, str]


class MemoryStore(MemoryLayers):
    """Keeps everything until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[tuple[FunctionKey, int], str] = {}
        self._aliases: dict[tuple[FunctionKey, str], str] = {}
        self._resources: dict[tuple[type[Resource], _Columns], str] = {}
        self._last_numbers: dict[FunctionKey, int] = {}

    async def opening(self, recent: int) -> Opening:
        self._check_open()
        versions = [decode_version(text) for _, text in sorted(self._versions.items())]
        layers = [decode_layer_version(text) for text in self._layer_versions.values()]
        layer_uses = Counter(version.layer_digests for version in versions if version.layers)
        latest = [decode_version(text) for (_, number), text in self._versions.items() if number == 0]
        records = [record for _, _, record in self._records()]
        return Opening(
            code_uses=all_uses(((each.code.digest, 1) for each in (*versions, *layers)), layer_uses),
            layer_uses=layer_uses,
            unsettled=tuple(version for version in versions if not version.settled),
            recent=tuple(reversed(latest))[:recent],
            reservations=tuple(
                each for each in records if isinstance(each, FunctionSettings) and each.reserved_concurrency is not None
            ),
            provisioned=tuple(each for each in records if isinstance(each, ProvisionedConcurrency)),
            unsettled_mappings=tuple(
                each for each in records if isinstance(each, EventSourceMapping) and each.state not in AT_REST
            ),
        )

    async def usage(self, account: str, region: str) -> Usage:
        self._check_open()
        versions = [
            (number, decode_version(text))
            for ((of_account, of_region, _), number), text in self._versions.items()
            if (of_account, of_region) == (account, region)
        ]
        settings = await self.list_resources(
            FunctionSettings, ResourceScope(account=account, region=region), None, len(self._resources) + 1
        )
        reserving = {each.function for each in settings.items if each.reserved_concurrency is not None}
        provisioned = await self.list_resources(
            ProvisionedConcurrency, ResourceScope(account=account, region=region), None, len(self._resources) + 1
        )
        return Usage(
            functions=sum(number == 0 for number, _ in versions),
            code_bytes=sum(version.code.size_bytes for _, version in versions)
            + sum(version.code.size_bytes for version in self._layers(account, region)),
            reserved_concurrency=sum(each.reserved_concurrency or 0 for each in settings.items),
            provisioned_concurrency=sum(each.requested for each in provisioned.items if each.function not in reserving),
        )

    async def functions(self) -> int:
        self._check_open()
        return sum(number == 0 for _, number in self._versions)

    async def close(self) -> None:
        self._closed = True

    # versions

    async def create_function(self, latest: FunctionVersion, settings: FunctionSettings | None = None) -> None:
        self._check_open()
        place = (key(latest.function), 0)
        if place in self._versions:
            raise ExistsError(latest.function.arn)
        self._versions[place] = encode(latest)
        if settings is not None:
            await self.put_resource(settings)

    async def replace_version(self, version: FunctionVersion, expected_revision: str) -> None:
        self._check_open()
        current = await self.version(version.function, version.version)
        if current is None:
            raise MissingError(version.arn)
        if current.revision_id != expected_revision:
            raise StaleError(version.arn)
        self._versions[key(version.function), number(version.version)] = encode(version)

    async def publish_version(self, draft: FunctionVersion, latest_revision: str) -> FunctionVersion:
        self._check_open()
        latest = await self.version(draft.function, LATEST)
        if latest is None:
            raise MissingError(draft.function.arn)
        if latest.revision_id != latest_revision:
            raise StaleError(latest.arn)
        place = key(draft.function)
        given = self._last_numbers[place] = self._last_numbers.get(place, 0) + 1
        published = replace(draft, version=str(given))
        self._versions[place, given] = encode(published)
        return published

    async def version(self, function: FunctionId, version: str) -> FunctionVersion | None:
        self._check_open()
        text = self._versions.get((key(function), number(version)))
        return None if text is None else decode_version(text)

    async def newest_version(self, function: FunctionId) -> FunctionVersion | None:
        self._check_open()
        numbers = [number for of, number in self._versions if of == key(function) and number > 0]
        return decode_version(self._versions[key(function), max(numbers)]) if numbers else None

    async def list_versions(self, scope: Scope, marker: str | None, count: int) -> Page[FunctionVersion]:
        self._check_open()
        after = ("", -1) if marker is None else decode_marker(marker, tuple[str, int])
        found = [
            ((name, of_version), text)
            for ((account, region, name), of_version), text in sorted(self._versions.items())
            if (account, region) == (scope.account, scope.region)
            and scope.name in (None, name)
            and (of_version == 0 or not scope.latest_only)
            and (name, of_version) > after
        ]
        return Page(
            items=tuple(decode_version(text) for _, text in found[:count]),
            next_marker=encode_marker(found[count - 1][0]) if len(found) > count else None,
        )

    async def delete_version(self, function: FunctionId, version: str) -> None:
        self._check_open()
        place = (key(function), number(version))
        if place not in self._versions:
            raise MissingError(function.qualified_arn(version))
        users = [alias.name for alias in self._aliases_of(function) if version in _versions_of(alias)]
        if users:
            raise InUseError(tuple(users))
        del self._versions[place]
        self._delete_attached(function, version)

    async def delete_function(self, function: FunctionId) -> None:
        self._check_open()
        if await self.version(function, LATEST) is None:
            raise MissingError(function.arn)
        of = key(function)
        self._aliases = {place: text for place, text in self._aliases.items() if place[0] != of}
        self._versions = {place: text for place, text in self._versions.items() if place[0] != of}
        self._delete_attached(function)

    # aliases

    def _aliases_of(self, function: FunctionId) -> list[Alias]:
        of = key(function)
        return [decode_alias(text) for place, text in sorted(self._aliases.items()) if place[0] == of]

    async def create_alias(self, alias: Alias) -> None:
        self._check_open()
        place = (key(alias.function), alias.name)
        if place in self._aliases:
            raise ExistsError(alias.arn)
        await self._put_alias(alias)

    async def replace_alias(self, alias: Alias, expected_revision: str) -> None:
        self._check_open()
        current = await self.alias(alias.function, alias.name)
        if current is None:
            raise MissingError(alias.arn)
        if current.revision_id != expected_revision:
            raise StaleError(alias.arn)
        await self._put_alias(alias)

    async def _put_alias(self, alias: Alias) -> None:
        for version in _versions_of(alias):
            if await self.version(alias.function, version) is None:
                raise MissingError(alias.function.qualified_arn(version))
        self._aliases[key(alias.function), alias.name] = encode(alias)

    async def alias(self, function: FunctionId, name: str) -> Alias | None:
        self._check_open()
        text = self._aliases.get((key(function), name))
        return None if text is None else decode_alias(text)

    async def list_aliases(
        self, function: FunctionId, marker: str | None, count: int, *, version: str | None = None
    ) -> Page[Alias]:
        self._check_open()
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        found = [
            alias for alias in self._aliases_of(function) if alias.name > after and version in (None, alias.version)
        ]
        return Page(
            items=tuple(found[:count]),
            next_marker=encode_marker((found[count - 1].name,)) if len(found) > count else None,
        )

    async def delete_alias(self, function: FunctionId, name: str) -> None:
        self._check_open()
        if self._aliases.pop((key(function), name), None) is None:
            raise MissingError(function.qualified_arn(name))
        self._delete_attached(function, name)

    # resources

    def _records(self) -> list[tuple[type[Resource], _Columns, Resource]]:
        found = sorted(self._resources.items(), key=lambda item: item[0][1])
        return [(kind, columns, kind_of(kind).decoder.decode(text)) for (kind, columns), text in found]

    def _delete_attached(self, function: FunctionId, qualifier: str | None = None) -> None:
        for kind, columns in list(self._resources):
            attached = kind_of(kind).attached and columns[:3] == key(function)
            if attached and qualifier in (None, columns[3]):
                del self._resources[kind, columns]

    async def create_resource(self, record: Resource) -> None:
        self._check_open()
        if (type(record), place_columns(record.place)) in self._resources:
            raise ExistsError(record.place.name)
        await self.put_resource(record)

    async def put_resource(self, record: Resource) -> None:
        self._check_open()
        place = record.place
        if kind_of(type(record)).attached:
            function = FunctionId(account=place.account, region=place.region, name=place.owner)
            version, alias = (
                await self.version(function, place.name or LATEST),
                await self.alias(function, place.name),
            )
            if version is None and alias is None:
                raise MissingError(function.qualified_arn(place.name) if place.name else function.arn)
        self._resources[type(record), place_columns(place)] = encode(record)

    async def resource(self, kind: type[R], place: Place) -> R | None:
        self._check_open()
        text = self._resources.get((kind, place_columns(place)))
        return None if text is None else kind_of(kind).decoder.decode(text)

    async def list_resources(self, kind: type[R], scope: ResourceScope, marker: str | None, count: int) -> Page[R]:
        self._check_open()
        after = ("", "") if marker is None else decode_marker(marker, tuple[str, str])
        found = [
            (columns[2:], record)
            for of_kind, columns, record in self._records()
            if of_kind is kind
            and columns[:2] == (scope.account, scope.region)
            and scope.owner in (None, columns[2])
            and all(getattr(record, name) == value for name, value in scope.where.items())
            and columns[2:] > after
        ]
        return Page(
            items=tuple(record for _, record in found[:count] if isinstance(record, kind)),
            next_marker=encode_marker(found[count - 1][0]) if len(found) > count else None,
        )

    async def delete_resource(self, kind: type[Resource], place: Place) -> None:
        self._check_open()
        if self._resources.pop((kind, place_columns(place)), None) is None:
            raise MissingError(place.name)

    async def function_url(self, url_id: str) -> FunctionUrl | None:
        self._check_open()
        records = (record for _, _, record in self._records() if isinstance(record, FunctionUrl))
        return next((record for record in records if record.url_id == url_id), None)


def _versions_of(alias: Alias) -> list[str]:
    return [alias.version, *alias.additional_version_weights]
