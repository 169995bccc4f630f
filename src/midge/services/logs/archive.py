"""The log store as the operations see it: reads in a thread of their own, changes in the log writer's.

A read sees what functions wrote before it, and every change that was answered.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from midge.log_store.blocks import BlockTimes
from midge.log_store.files import LogFiles
from midge.log_store.reading import LogReader
from midge.model.logs import LogGroupId
from midge.observe.logs import LogWriter

Result = TypeVar("Result")


class LogArchive:
    """See the module. Methods raise OSError."""

    def __init__(self, writer: LogWriter, reader: LogReader) -> None:
        self._writer = writer
        self._reader = reader
        self._executor = ThreadPoolExecutor(1, "log-reader")

    async def read(self, work: Callable[[LogReader], Result]) -> Result:
        """What ``work`` finds."""
        await self._flush()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._reader)

    async def change(self, work: Callable[[LogFiles], Result]) -> Result:
        """Run ``work`` behind everything that has been written so far; it is on disk when ``work`` says so."""
        await self._flush()
        return await self._writer.perform(work)

    async def _flush(self) -> None:
        """Output that cannot be written is the writer's to tell of; it does not keep anybody from what is there."""
        with suppress(OSError):
            await self._writer.flush()

    async def append(self, group: LogGroupId, stream: str, lines: bytes, times: BlockTimes) -> None:
        """Add events; they are on disk when this returns."""
        await self._writer.append(group, stream, lines, times)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do other work that would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Stop the reading thread; what it does it finishes."""
        self._executor.shutdown()
