"""All that belongs to one runtime: its zygotes, and the environments that wait, in two pools.

A *cell* is an environment without a runtime: namespaces, root, network, listeners, control group, and an init that has
made itself small. It takes most of the work and hardly any memory, so many are kept, for a burst that nobody foresaw.
A *stem* is a cell with a runtime in it that waits for its function. It takes a runtime's memory, so few are kept.
A runtime that cannot be forked comes with its cell: of it there are stems only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from midge.clock import Clock
from midge.model.limits import Limits
from midge.sandbox.environment import Cell
from midge.sandbox.keeper import CgroupKeeper
from midge.sandbox.port import SandboxError
from midge.sandbox.program import Program
from midge.sandbox.stems import StemPool
from midge.sandbox.zygote import Forker, Zygote

T = TypeVar("T")

_HOST_UID_BASE = 700_000_000
_HOST_UID_COUNT = 65_536
_NESTED_UID_BASE = 710_000_000
_NESTED_UID_COUNT = 1024
"""Users for the environments that are restored from one snapshot."""
_NESTS = 65_536
EPHEMERAL_STORAGE_MB = 512
"""The size of a stem's /tmp, which is AWS's default; a function that asks for another gets it when it is bound."""
_STEMS_PAUSE_SECONDS = 0.1
_CELLS_PAUSE_SECONDS = 0.5
"""There are many, so that replacing them can wait until the functions that took them have started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the lines of a sandbox share."""

    settings: Mapping[str, Any]
    """For the zygotes; see ``inside/zygote.py``."""
    own_users: bool
    """Whether each environment is another user of the machine."""
    endpoint: Callable[[], Callable[[], asyncio.Protocol]]
    keeper: CgroupKeeper
    clock: Clock
    limits: Limits
    numbers: Iterator[int]


def _nested_uids(number: int) -> int:
    """The first of the users for those that are restored from the snapshot of environment ``number``."""
    return _NESTED_UID_BASE + number % _NESTS * _NESTED_UID_COUNT


class Line:
    """See the module. A ``loaded`` one has imported the program's preload."""

    def __init__(self, program: Program, around: Surroundings, *, loaded: bool) -> None:
        self.program = program if loaded else replace(program, preload=())
        self._around = around
        self._zygote: Zygote | None = None
        self._zygote_turn = asyncio.Lock()
        limits, clock = around.limits, around.clock
        forked = program.entry is not None
        self._cells = StemPool(
            lambda: self._prepare(None, joined=True),
            self.discard,
            clock,
            least=limits.cells_per_runtime if forked else 0,
            most=limits.cells_per_runtime,
            pause_seconds=_CELLS_PAUSE_SECONDS,
        )
        command = (*program.command, *program.waiting_arguments) if program.waits else None
        self._stems = StemPool(
            self._fork_stem if forked else lambda: self._prepare(command, joined=False),
            self.discard,
            clock,
            least=limits.forked_stems_per_runtime if forked else limits.stems_per_runtime,
            most=limits.stems_after_burst,
            pause_seconds=_STEMS_PAUSE_SECONDS,
        )

    def fill(self) -> None:
        """Begin to prepare what shall wait; cells follow when the stems are there."""
        self._stems.fill()

    async def take(self) -> Cell:
        """A stem. Raises what preparing it raised."""
        return await self._stems.take()

    async def prepare_late(self) -> Cell:
        """An environment that executes what its assignment says."""
        return await self._prepare(None, joined=False)

    @property
    def start_seconds(self) -> float:
        """How long a step of a start may take."""
        return self._around.limits.environment_start_seconds

    async def prepare_for_snapshot(self, *, late: bool) -> Cell:
        """As a stem, or if ``late`` as ``prepare_late``, but other environments can be made within it later."""
        cell = await self._prepare(None, joined=not late, nested=True)
        if not late:
            try:
                await self._fork_runtime(await self._running_zygote(), cell)
            except BaseException:
                self.discard(cell)
                raise
        return cell

    async def fork_nest(self, cell: Cell, nest: Forker) -> None:
        """Have ``nest`` answered by a zygote within the namespaces of a snapshot's ``cell``."""
        zygote = await self._running_zygote()
        await zygote.inits.fork({"nest": True}, [cell.pid_descriptor, nest.theirs.fileno()])

    async def prepare_copy(self, nest: Forker) -> Cell:
        """An environment within a snapshot's namespaces, for a copy of its process."""
        return await self._prepare(None, joined=True, nest=nest)

    def pool_of_copies(self, prepare: Callable[[], Awaitable[T]], discard: Callable[[T], None]) -> StemPool[T]:
        """For one snapshot: a few copies that wait, more after a burst."""
        limits = self._around.limits
        return StemPool(
            prepare,
            discard,
            self._around.clock,
            least=limits.copies_per_snapshot,
            most=limits.copies_after_burst,
            pause_seconds=_STEMS_PAUSE_SECONDS,
        )

    def discard(self, cell: Cell) -> None:
        """End an environment that has no function."""
        cell.close()
        self._around.keeper.give_back(cell.cgroup)

    async def _running_zygote(self) -> Zygote:
        async with self._zygote_turn:
            if self._zygote is None or not self._zygote.alive:
                if self._zygote is not None:
                    self._zygote.close()
                self._zygote = Zygote(self.program, self._around.settings)
                try:
                    await self._zygote.start(self._around.limits.environment_start_seconds)
                except BaseException:
                    self._zygote.close()
                    raise
            return self._zygote

    async def _prepare(
        self, command: tuple[str, ...] | None, *, joined: bool, nested: bool = False, nest: Forker | None = None
    ) -> Cell:
        """An isolated environment: a cell if a runtime is to be forked into it (``joined``), else one with a runtime.

        That executes ``command`` and waits for its function, or what its assignment says if there is no command.
        """
        zygote = await self._running_zygote()
        inits = zygote.inits if nest is None else nest
        number = next(self._around.numbers)
        cgroup = await self._around.keeper.create(number)
        try:
            cell = Cell(cgroup, self._around.endpoint())
        except OSError:
            self._around.keeper.give_back(cgroup)
            raise
        request = {
            "host_uid": self._user(number) if nest is None else number % _NESTED_UID_COUNT,
            "nested": [_nested_uids(number), _NESTED_UID_COUNT] if nested else None,
            "copied": nest is not None,
            "ephemeral_storage_mb": EPHEMERAL_STORAGE_MB,
            "joined": joined,
            "command": command,
            "command_environment": dict(self.program.environment),
        }
        try:
            init = await inits.fork(request, cell.for_runtime[:1] if joined else cell.for_runtime)
            assert init.descriptor is not None
            cell.pid_descriptor = init.descriptor
            async with asyncio.timeout(self._around.limits.environment_start_seconds):
                await cell.become_ready()
        except BaseException:
            self.discard(cell)
            raise
        if not joined:
            cell.let_go()
        return cell

    def _user(self, number: int) -> int:
        return _HOST_UID_BASE + number % _HOST_UID_COUNT if self._around.own_users else 0

    async def _fork_stem(self) -> Cell:
        """Fork the loaded runtime into a cell. One that ended while it waited is no reason to fail."""
        for _ in range(self._around.limits.cells_per_runtime + 1):
            zygote = await self._running_zygote()
            cell = await self._cells.take()
            try:
                await self._fork_runtime(zygote, cell)
            except BaseException as error:
                cell_ended = cell.ended
                self.discard(cell)
                if cell_ended and isinstance(error, SandboxError):
                    continue
                raise
            return cell
        raise SandboxError("every environment ended before a runtime could be forked into it")

    async def _fork_runtime(self, zygote: Zygote, cell: Cell) -> None:
        assert zygote.runtimes is not None
        async with asyncio.timeout(self._around.limits.environment_start_seconds):
            runtime = await zygote.runtimes.fork(
                {},
                [cell.pid_descriptor, *cell.for_runtime],
                lambda end: cell.on_runtime_ended(end),  # noqa: PLW0108 (replaced later)
            )
        cell.runtime_descriptor = -1 if runtime.descriptor is None else runtime.descriptor
        cell.let_go()

    async def close(self) -> None:
        """End what waits."""
        await self._stems.close()
        await self._cells.close()

    def end(self) -> None:
        """End the zygotes, and with them whatever is left of theirs."""
        if self._zygote is not None:
            self._zygote.close()
