"""The Store in memory, for tests: the same rules, nothing durable. Holds records encoded, so that none is shared."""

from dataclasses import replace

from midge.model.functions import LATEST, Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.policies import ResourcePolicy
from midge.store.errors import ExistsError, InUseError, MissingError, StaleError, StoreUnavailableError
from midge.store.paging import Page, decode_marker, encode_marker
from midge.store.port import Everything, Scope, Usage
from midge.store.records import (
    FunctionKey,
    decode_alias,
    decode_policy,
    decode_settings,
    decode_version,
    encode,
    key,
    number,
)


class MemoryStore:
    """Keeps everything until it is closed."""

    def __init__(self) -> None:
        self._versions: dict[tuple[FunctionKey, int], str] = {}
        self._aliases: dict[tuple[FunctionKey, str], str] = {}
        self._settings: dict[FunctionKey, str] = {}
        self._policies: dict[tuple[FunctionKey, str], str] = {}
        self._last_numbers: dict[FunctionKey, int] = {}
        self._closed = False

    async def load(self) -> Everything:
        self._check_open()
        return Everything(
            versions=tuple(decode_version(text) for _, text in sorted(self._versions.items())),
            aliases=tuple(decode_alias(text) for _, text in sorted(self._aliases.items())),
            settings=tuple(decode_settings(text) for _, text in sorted(self._settings.items())),
            policies=tuple(decode_policy(text) for _, text in sorted(self._policies.items())),
        )

    async def usage(self, account: str, region: str) -> Usage:
        self._check_open()
        versions = [
            (number, decode_version(text))
            for ((of_account, of_region, _), number), text in self._versions.items()
            if (of_account, of_region) == (account, region)
        ]
        settings = [
            decode_settings(text)
            for (of_account, of_region, _), text in self._settings.items()
            if (of_account, of_region) == (account, region)
        ]
        return Usage(
            functions=sum(number == 0 for number, _ in versions),
            code_bytes=sum(version.code.size_bytes for _, version in versions),
            reserved_concurrency=sum(each.reserved_concurrency or 0 for each in settings),
        )

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store is closed")

    # versions

    async def create_function(self, latest: FunctionVersion, settings: FunctionSettings | None = None) -> None:
        self._check_open()
        place = (key(latest.function), 0)
        if place in self._versions:
            raise ExistsError(latest.function.arn)
        self._versions[place] = encode(latest)
        if settings is not None:
            self._settings[key(latest.function)] = encode(settings)

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
        self._policies.pop((key(function), version), None)

    async def delete_function(self, function: FunctionId) -> None:
        self._check_open()
        if await self.version(function, LATEST) is None:
            raise MissingError(function.arn)
        of = key(function)
        self._aliases = {place: text for place, text in self._aliases.items() if place[0] != of}
        self._versions = {place: text for place, text in self._versions.items() if place[0] != of}
        self._settings.pop(of, None)
        self._policies = {place: text for place, text in self._policies.items() if place[0] != of}

    async def settings(self, function: FunctionId) -> FunctionSettings:
        self._check_open()
        text = self._settings.get(key(function))
        return FunctionSettings(function=function) if text is None else decode_settings(text)

    async def replace_settings(self, settings: FunctionSettings) -> None:
        self._check_open()
        if await self.version(settings.function, LATEST) is None:
            raise MissingError(settings.function.arn)
        self._settings[key(settings.function)] = encode(settings)

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
        self._policies.pop((key(function), name), None)

    # policies

    async def policy(self, function: FunctionId, qualifier: str | None) -> ResourcePolicy | None:
        self._check_open()
        text = self._policies.get((key(function), qualifier or ""))
        return None if text is None else decode_policy(text)

    async def replace_policy(self, policy: ResourcePolicy, expected_revision: str | None) -> None:
        self._check_open()
        function, wanted = policy.function, policy.qualifier or LATEST
        if await self.version(function, wanted) is None and await self.alias(function, wanted) is None:
            raise MissingError(policy.resource)
        current = await self.policy(function, policy.qualifier)
        if (None if current is None else current.revision_id) != expected_revision:
            raise StaleError(policy.resource)
        place = (key(function), policy.qualifier or "")
        if policy.statements:
            self._policies[place] = encode(policy)
        else:
            self._policies.pop(place, None)


def _versions_of(alias: Alias) -> list[str]:
    return [alias.version, *alias.additional_version_weights]
