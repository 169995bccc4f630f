"""Snapshots of function versions with SnapStart: made when a version is published, restored from ever after.

At most one per version. One that is gone, because midge was started anew or the machine ended it, is made again when an
environment is next needed. When there are too many, that which was used longest ago and has no environment ends.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html and snapstart-runtime-hooks.html
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from midge.invoke.platform import Platform
from midge.invoke.snapshot_maker import SnapshotFailure, SnapshotMaker
from midge.model.functions import FunctionVersion
from midge.sandbox.port import (
    LaunchError,
    ProcessExit,
    SandboxedEnvironment,
    SandboxError,
    Snapshot,
    StartRequest,
)


@dataclass(slots=True)
class _Kept:
    """What there is of one version."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    snapshot: Snapshot | None = None
    environments: int = 0
    ended: bool = False


class Snapshots:
    """See the module."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    async def make(
        self, platform: Platform, version: FunctionVersion, task_root: Path, layers_root: Path | None
    ) -> None:
        """Initialise ``version`` and keep the snapshot. Raises SnapshotFailure."""
        try:
            await self._snapshot(platform, version, task_root, layers_root)
        except SandboxError as error:
            raise SnapshotFailure("InternalError", "InternalError", f"No snapshot could be made: {error}") from error

    async def start(
        self,
        platform: Platform,
        version: FunctionVersion,
        request: StartRequest,
        task_root: Path,
        layers_root: Path | None,
    ) -> SandboxedEnvironment:
        """An environment of ``version``, restored from its snapshot if it is one to be restored.

        Raises what ``Sandbox.start`` raises; LaunchError also if the function cannot be initialised any more.
        """
        if not version.restored:
            return await platform.sandbox.start(request)
        try:
            kept = await self._snapshot(platform, version, task_root, layers_root)
        except SnapshotFailure as failure:
            raise LaunchError(failure.error_type, failure.reason) from failure
        kept.environments += 1
        request = replace(request, snapshot=kept.snapshot, on_exit=self._counted(kept, request.on_exit))
        try:
            return await platform.sandbox.start(request)
        except BaseException:
            kept.environments -= 1
            raise

    def _counted(self, kept: _Kept, on_exit: Callable[[ProcessExit], None]) -> Callable[[ProcessExit], None]:
        def exited(end: ProcessExit) -> None:
            kept.environments -= 1
            on_exit(end)

        return exited

    async def _snapshot(
        self, platform: Platform, version: FunctionVersion, task_root: Path, layers_root: Path | None
    ) -> _Kept:
        kept = self._kept.pop(version.arn, None) or _Kept()
        self._kept[version.arn] = kept  # the one used last comes last
        async with kept.turn:
            if kept.snapshot is None or not kept.snapshot.usable:
                await self._make_room(platform.limits.snapshots)
                maker = SnapshotMaker(platform, version, task_root, layers_root)
                kept.snapshot = await maker.make()
                if kept.ended:
                    await kept.snapshot.end()
                    raise SandboxError("the version has been deleted")
        return kept

    async def _make_room(self, most: int) -> None:
        held = [(arn, kept) for arn, kept in self._kept.items() if kept.snapshot is not None]
        excess = len(held) - most + 1
        for arn, kept in held:
            if excess > 0 and not kept.environments and not kept.turn.locked():
                excess -= 1
                del self._kept[arn]
                await self._end(kept)
        if excess > 0:
            raise SnapshotFailure("InternalError", "InternalError", "There are too many snapshots in use.")

    def forget(self, platform: Platform, version: FunctionVersion) -> None:
        """``version`` is not needed any more."""
        kept = self._kept.pop(version.arn, None)
        if kept is not None:
            kept.ended = True
            platform.tasks.start(self._end(kept))

    async def _end(self, kept: _Kept) -> None:
        if kept.snapshot is not None:
            await kept.snapshot.end()

    async def close(self) -> None:
        """End all."""
        while self._kept:
            _, kept = self._kept.popitem()
            kept.ended = True
            await self._end(kept)
