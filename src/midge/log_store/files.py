"""The writing side: appends to log streams, makes and deletes them, keeps retention and limits. Blocking, and not safe
for two writers: it belongs to the log writer's thread.

What is appended is a block, in one write; it is on disk after ``sync``. A stream's file is set aside when it is full.
What a function writes makes its log group and stream, if they are not there. The layout is ``places``' and ``blocks``'.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from midge.log_store import places
from midge.log_store.blocks import BlockTimes, Head, encode_head
from midge.log_store.reading import file_summary, read_group
from midge.log_store.segment import Segment, open_segment
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId

_OPEN_FILES = 64


class LogFiles:
    """See the module. All methods raise OSError."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._open: dict[tuple[LogGroupId, str], Segment] = {}
        self._unsynced: set[Segment] = set()
        self._groups: dict[LogGroupId, LogGroup] = {}
        """Groups that are known to be there."""
        self._since_prune = limits.log_directory_bytes

    # log groups

    def group(self, group: LogGroupId) -> LogGroup | None:
        """A log group as it is set; None if there is none."""
        found = self._groups.get(group)
        if found is None:
            found = read_group(places.group_directory(self._root, group))
            if found is not None:
                self._remember(group, found)
        return found

    def create_group(self, group: LogGroupId, settings: LogGroup) -> bool:
        """False if there is one already."""
        if self.group(group) is not None:
            return False
        self.put_group(group, settings)
        return True

    def put_group(self, group: LogGroupId, settings: LogGroup) -> None:
        """Make or change a log group; it is on disk when this returns."""
        directory = places.group_directory(self._root, group)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = directory / places.GROUP_FILE
        partial = file.with_name(places.GROUP_FILE + ".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(settings))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(file)
        _sync_directory(directory)
        self._remember(group, settings)

    def delete_group(self, group: LogGroupId) -> bool:
        """Delete a log group and all that is in it; False if there is none."""
        if self.group(group) is None:
            return False
        self._close_all(key for key in self._open if key[0] == group)
        self._groups.pop(group, None)
        directory = places.group_directory(self._root, group)
        (directory / places.GROUP_FILE).unlink()  # first: without it there is no group, whatever is left
        _sync_directory(directory)
        shutil.rmtree(directory)
        return True

    def _remember(self, group: LogGroupId, settings: LogGroup) -> None:
        if len(self._groups) >= self._limits.log_groups_remembered:
            self._groups.clear()
        self._groups[group] = settings

    # log streams

    def create_stream(self, group: LogGroupId, stream: str, now_ms: int) -> bool:
        """Make an empty log stream, on disk when this returns; False if there is one. The group must be there."""
        directory = places.group_directory(self._root, group)
        if (directory / places.current_name(stream)).exists():
            return False
        self._segment(group, Head(stream=stream, created_ms=now_ms)).sync()
        _sync_directory(directory)
        return True

    def has_stream(self, group: LogGroupId, stream: str) -> bool:
        """Whether there is such a log stream."""
        return (places.group_directory(self._root, group) / places.current_name(stream)).exists()

    def delete_stream(self, group: LogGroupId, stream: str) -> bool:
        """Delete a log stream and its events; False if there is none."""
        if not self.has_stream(group, stream):
            return False
        self._close_all([(group, stream)])
        directory = places.group_directory(self._root, group)
        for path in _full_files(directory, stream):
            path.unlink()
        (directory / places.current_name(stream)).unlink()
        _sync_directory(directory)
        return True

    def append(
        self, group: LogGroupId, stream: str, lines: bytes, times: BlockTimes, now_ms: int
    ) -> tuple[LogGroup, int]:
        """Add a block of events, whose range and number ``times`` has.

        Makes group and stream if they are not there. Returns the group and the block's address in the stream.
        """
        settings = self.group(group)
        if settings is None:
            settings = LogGroup(name=group.name, created_ms=now_ms)
            self.put_group(group, settings)
        segment = self._segment(group, Head(stream=stream, created_ms=now_ms, by_platform=True))
        if segment.holds_events and segment.size + len(lines) > self._limits.log_stream_file_bytes:
            segment = self._set_aside(group, segment)
        size = segment.size
        address = segment.append(lines, times, now_ms)
        self._unsynced.add(segment)
        self._since_prune += segment.size - size
        return settings, address

    def sync(self) -> None:
        """Return when everything appended is on disk; then keep the directory under its limit."""
        for segment in self._unsynced:
            segment.sync()
        self._unsynced.clear()
        if self._since_prune >= self._limits.log_directory_bytes // 16:
            self._since_prune = 0
            self._prune()

    def close(self) -> None:
        """Sync and close every file."""
        self.sync()
        self._close_all(self._open)

    def _segment(self, group: LogGroupId, head: Head) -> Segment:
        """The file that a stream is appended to; made with ``head`` if it is not there."""
        found = self._open.get((group, head.stream))
        if found is not None:
            return found
        while len(self._open) >= _OPEN_FILES:
            self._close_all([next(iter(self._open))])
        path = places.group_directory(self._root, group) / places.current_name(head.stream)
        segment = self._open[group, head.stream] = open_segment(path, head)
        return segment

    def _set_aside(self, group: LogGroupId, segment: Segment) -> Segment:
        """Begin a new file in place of a full one; the stream's oldest ones go, if it has too many."""
        head = segment.head
        directory = segment.path.parent
        self._close_all([(group, head.stream)])
        segment.path.replace(directory / places.full_name(head.stream, head.base))
        full = sorted(_full_files(directory, head.stream))
        for path in full[: max(0, len(full) + 1 - self._limits.log_stream_files)]:
            path.unlink()
        return self._segment(group, msgspec.structs.replace(head, base=head.base + segment.size))

    def _close_all(self, keys: Iterable[tuple[LogGroupId, str]]) -> None:
        for key in list(keys):
            segment = self._open.pop(key, None)
            if segment is not None:
                self._unsynced.discard(segment)
                segment.close()

    # what goes

    def expire(self, now_ms: int) -> None:
        """Delete files all of whose events are older than their group keeps them.

        A stream that CreateLogStream made stays, empty; one that a function made goes with its last event.
        """
        for path in self._root.glob(f"*/*/*/{places.GROUP_FILE}"):
            settings = read_group(path.parent)
            if settings is None or settings.retention_days is None:
                continue
            for file in path.parent.glob("*" + places.SUFFIX):
                self._expire_file(file, settings.expiry_ms(now_ms))

    def _expire_file(self, file: Path, expiry_ms: int) -> None:
        summary = file_summary(file)
        if summary is None or summary.footer is None or summary.footer.newest >= expiry_ms:
            return
        if "@" in file.name:
            file.unlink()
            return
        self._close_all([key for key, segment in self._open.items() if segment.path == file])
        head = summary.head
        if head.by_platform:
            file.unlink()
            return
        empty = file.with_name(file.name + ".new")
        empty.write_bytes(encode_head(msgspec.structs.replace(head, base=head.base + summary.size)))
        empty.replace(file)

    def _prune(self) -> None:
        """Delete the files written longest ago until the directory is under its limit."""
        files: list[tuple[float, int, Path]] = []
        for path in self._root.glob("*/*/*/*" + places.SUFFIX):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._limits.log_directory_bytes:
                return
            self._close_all([key for key, segment in self._open.items() if segment.path == path])
            path.unlink(missing_ok=True)
            total -= size


def _full_files(directory: Path, stream: str) -> list[Path]:
    """A stream's files that have been set aside."""
    prefix = places.encode_name(stream) + "@"
    return [Path(entry.path) for entry in os.scandir(directory) if entry.name.startswith(prefix)]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
