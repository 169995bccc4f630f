"""The reading side: log groups, log streams, and events by time, from the files as they are. Blocking; changes nothing.

May be used while a writer appends: a block that is not whole yet is not seen. What has been learnt of a file is
remembered for as long as the file is the same, so that looking at a thousand streams costs a thousand ``stat``.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from midge.log_store import places
from midge.log_store.blocks import FOOTER_BYTES, Block, Footer, Head, decode_footer, decode_head, decode_lines, is_whole
from midge.log_store.merging import merge
from midge.log_store.segment import HEAD_BYTES, whole_size
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId

_ATTEMPTS = 3
_groups = msgspec.json.Decoder(LogGroup)


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with its place: ``position`` grows with the order of writing within its stream."""

    timestamp: int
    stream: str
    position: int
    message: str
    ingested_ms: int

    @property
    def key(self) -> tuple[int, str, int]:
        """Its place among the events of its group."""
        return self.timestamp, self.stream, self.position


_Source = tuple[int, Callable[[], Iterable[StoredEvent]]]


class FileSummary(NamedTuple):
    """What a file's head and last footer say; ``footer`` is None while it holds no events."""

    path: Path
    inode: int
    size: int
    head_bytes: int
    head: Head
    footer: Footer | None


class StoredStream(NamedTuple):
    """A log stream: its files, the oldest first. Times are None while it has no events."""

    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    ingested_ms: int | None
    size: int
    files: tuple[FileSummary, ...]


class EventRange(NamedTuple):
    """Which events: from ``start_ms`` on, before ``end_ms``; behind ``after`` or before ``before``, which are keys."""

    start_ms: int = 0
    end_ms: int = 2**62
    after: tuple[int, str, int] | None = None
    before: tuple[int, str, int] | None = None

    def contains(self, event: StoredEvent) -> bool:
        """Whether ``event`` is one of them."""
        if not self.start_ms <= event.timestamp < self.end_ms:
            return False
        if self.after is not None and event.key <= self.after:
            return False
        return self.before is None or event.key < self.before

    def narrowed(self) -> tuple[int, int]:
        """The first and the last time that may be in it."""
        first, last = self.start_ms, self.end_ms - 1
        if self.after is not None:
            first = max(first, self.after[0])
        if self.before is not None:
            last = min(last, self.before[0])
        return first, last


def read_group(directory: Path) -> LogGroup | None:
    """The log group in ``directory``; None if there is none. Raises OSError."""
    try:
        return _groups.decode((directory / places.GROUP_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise OSError(f"{directory / places.GROUP_FILE} cannot be understood: {error}") from error


def file_summary(path: Path) -> FileSummary | None:
    """What a file is; None if it is no whole log file, or gone. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        beginning = os.pread(descriptor, HEAD_BYTES, 0)
        head_bytes = beginning.find(b"\n") + 1
        head = decode_head(beginning[:head_bytes])
        if head is None:
            return None
        size = whole_size(descriptor, status.st_size, head_bytes)
        footer = None
        if size > head_bytes:
            footer = decode_footer(os.pread(descriptor, FOOTER_BYTES, size - FOOTER_BYTES))
        return FileSummary(path, status.st_ino, size, head_bytes, head, footer)
    finally:
        os.close(descriptor)


class LogReader:
    """See the module. For one thread at a time. Methods raise OSError."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._log = structlog.get_logger("midge.logs")
        self._summaries: dict[str, tuple[int, int, FileSummary]] = {}
        self._blocks: dict[Path, tuple[FileSummary, list[Block]]] = {}
        self._blocks_held = 0

    def group(self, group: LogGroupId) -> LogGroup | None:
        """A log group as it is set; None if there is none."""
        return read_group(places.group_directory(self._root, group))

    def groups(self, account: str, region: str) -> list[LogGroup]:
        """All log groups of an account and region, by name."""
        found = [read_group(path) for path in places.region_directory(self._root, account, region).glob("*")]
        return sorted((group for group in found if group is not None), key=lambda group: group.name)

    def stored_bytes(self, group: LogGroupId) -> int:
        """How much a log group's events take."""
        directory = places.group_directory(self._root, group)
        try:
            return sum(entry.stat().st_size for entry in os.scandir(directory) if entry.name.endswith(places.SUFFIX))
        except FileNotFoundError:
            return 0

    def stream(self, group: LogGroupId, name: str) -> StoredStream | None:
        """One log stream; None if there is none."""
        return next((stream for stream in self.streams(group, name) if stream.name == name), None)

    def streams(self, group: LogGroupId, prefix: str = "") -> list[StoredStream]:
        """The log streams of a group whose names begin with ``prefix``, by name."""
        directory = places.group_directory(self._root, group)
        beginning = places.encode_name(prefix) if prefix else ""
        if "=" in beginning:  # of a long name only the beginning stands in the file's name
            beginning = beginning.partition("=")[0]
        files: dict[str, list[FileSummary]] = {}
        for _ in range(_ATTEMPTS):
            files.clear()
            moved = False
            for entry in _entries(directory):
                key = places.stream_key(entry.name)
                if key is None or not key.startswith(beginning):
                    continue
                summary = self._summary(entry)
                moved = moved or summary is None or summary.inode != entry.inode()
                if summary is not None and summary.head.stream.startswith(prefix):
                    files.setdefault(key, []).append(summary)
            if not moved:
                break
        return sorted((_stream(found) for found in files.values()), key=lambda stream: stream.name)

    def _summary(self, entry: "os.DirEntry[str]") -> FileSummary | None:
        try:
            status = entry.stat()
        except FileNotFoundError:
            return None
        known = self._summaries.get(entry.path)
        if known is not None and known[:2] == (status.st_ino, status.st_size):
            return known[2]
        summary = file_summary(Path(entry.path))
        if summary is not None:
            if len(self._summaries) >= self._limits.log_files_remembered:
                self._summaries.clear()
            self._summaries[entry.path] = (status.st_ino, status.st_size, summary)
        return summary

    def events(
        self, streams: list[StoredStream], wanted: EventRange, *, descending: bool = False
    ) -> Iterator[StoredEvent]:
        """The events of ``streams`` that are ``wanted``, by time; of equal times by stream, then as written."""
        first, last = wanted.narrowed()
        sources: list[_Source] = []
        for stream in streams:
            for file in stream.files:
                footer = file.footer
                if footer is not None and footer.newest >= first and footer.oldest <= last:
                    bound = footer.newest if descending else footer.oldest
                    sources.append((bound, partial(self._file_events, file, wanted, descending=descending)))
        return merge(sources, descending=descending)

    def _file_events(self, file: FileSummary, wanted: EventRange, *, descending: bool) -> Iterator[StoredEvent]:
        first, last = wanted.narrowed()
        descriptor = _open_again(file)
        if descriptor is None:
            return
        try:
            sources: list[_Source] = [
                (block.last if descending else block.first, partial(self._block, descriptor, file, block, descending))
                for block in self._blocks_of(descriptor, file)
                if block.last >= first and block.first <= last
            ]
            for event in merge(sources, descending=descending):
                if wanted.contains(event):
                    yield event
        finally:
            os.close(descriptor)

    def _block(self, descriptor: int, file: FileSummary, block: Block, descending: bool) -> list[StoredEvent]:
        lines = os.pread(descriptor, block.size, block.offset)
        if not is_whole(lines, block.checksum):
            self._log.error("a block of log events is damaged", file=str(file.path), offset=block.offset)
            return []
        address, stream = file.head.base + block.offset, file.head.stream
        events = [
            StoredEvent(line.timestamp, stream, address + number, line.message, block.ingested)
            for number, line in enumerate(decode_lines(lines))
        ]
        events.sort(key=lambda event: event.key, reverse=descending)
        return events

    def _blocks_of(self, descriptor: int, file: FileSummary) -> list[Block]:
        """Where the blocks of a file are, in the order of their writing."""
        known = self._blocks.get(file.path)
        start, blocks = file.head_bytes, list[Block]()
        if known is not None and known[0].inode == file.inode and known[0].size <= file.size:
            if known[0].size == file.size:
                return known[1]
            start, blocks = known[0].size, known[1]
        added: list[Block] = []
        end = file.size
        while end > start:
            footer = decode_footer(os.pread(descriptor, FOOTER_BYTES, end - FOOTER_BYTES))
            if footer is None or end - FOOTER_BYTES - footer.size < start:
                self._log.error("a log file is damaged", file=str(file.path), offset=end)
                break
            end -= FOOTER_BYTES + footer.size
            added.append(Block(footer.first, footer.last, end, footer.size, footer.ingested, footer.checksum))
        blocks = blocks + added[::-1]
        self._blocks_held += len(added)
        if self._blocks_held > self._limits.log_blocks_remembered:
            self._blocks.clear()
            self._blocks_held = len(blocks)
        self._blocks[file.path] = (file, blocks)
        return blocks


def _open_again(file: FileSummary) -> int | None:
    """A file that was looked at before, also if it has been set aside since; None if it is gone."""
    for path in (file.path, file.path.with_name(places.full_name(file.head.stream, file.head.base))):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if os.fstat(descriptor).st_ino == file.inode:
            return descriptor
        os.close(descriptor)
    return None


def _entries(directory: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _stream(files: list[FileSummary]) -> StoredStream:
    files.sort(key=lambda file: file.head.base)
    footers = [file.footer for file in files if file.footer is not None]
    head = files[0].head
    return StoredStream(
        head.stream,
        head.created_ms,
        min((footer.oldest for footer in footers), default=None),
        max((footer.newest for footer in footers), default=None),
        footers[-1].ingested if footers else None,
        sum(file.size for file in files),
        tuple(files),
    )
