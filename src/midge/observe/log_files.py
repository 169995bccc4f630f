"""Log groups and streams as files: one append-only file of JSON lines per stream, below ``<data-dir>/logs``.

Names are percent-encoded, so that no name can leave the directory. A stream's file is set aside once when it is full,
and the directory as a whole is kept under a limit by deleting the files written longest ago. Blocking: for the log
writer's thread, and for readers that may block.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

_SUFFIX = ".jsonl"
_OLDER = ".jsonl.1"
_OPEN_FILES = 64


class LogEvent(msgspec.Struct, frozen=True):
    """One event of a log stream; ``timestamp`` is in milliseconds since 1970."""

    timestamp: int
    message: str


def encode_name(name: str) -> str:
    """A file name that stands for ``name`` alone. Raises ValueError for a name too long to be one."""
    encoded = quote(name, safe="$[]")
    if encoded in {"", ".", ".."}:
        encoded = "%" + encoded.encode().hex()
    if len(encoded) > 240:
        raise ValueError("the name of a log group or stream is too long")
    return encoded


class LogDirectory:
    """Appends and reads. Not safe for two writers at a time."""

    def __init__(self, root: Path, *, stream_file_bytes: int, directory_bytes: int) -> None:
        self._root = root
        self._stream_file_bytes = stream_file_bytes
        self._directory_bytes = directory_bytes
        self._open: dict[Path, tuple[int, int]] = {}
        self._unsynced: set[Path] = set()
        self._since_prune = directory_bytes

    def append(self, group: str, stream: str, lines: bytes) -> None:
        """Add whole lines to a stream. Raises OSError."""
        path = self._root / encode_name(group) / (encode_name(stream) + _SUFFIX)
        descriptor, size = self._descriptor(path)
        if size and size + len(lines) > self._stream_file_bytes:
            self._close(path)
            path.replace(path.with_name(path.name + ".1"))
            descriptor, size = self._descriptor(path)
        view = memoryview(lines)
        while view:
            view = view[os.write(descriptor, view) :]
        self._open[path] = (descriptor, size + len(lines))
        self._unsynced.add(path)
        self._since_prune += len(lines)

    def sync(self) -> None:
        """Return when everything appended is on disk; then keep the directory under its limit. Raises OSError."""
        for path in self._unsynced:
            os.fdatasync(self._open[path][0])
        self._unsynced.clear()
        if self._since_prune >= self._directory_bytes // 16:
            self._since_prune = 0
            self._prune()

    def close(self) -> None:
        """Sync and close every file. Raises OSError."""
        self.sync()
        for path in list(self._open):
            self._close(path)

    def groups(self) -> list[str]:
        """The log groups that have a stream, sorted."""
        return sorted(unquote(entry.name) for entry in self._root.glob("*") if entry.is_dir())

    def streams(self, group: str) -> list[str]:
        """The streams of a group, the one written last at the end."""
        found: dict[str, float] = {}
        for path in (self._root / encode_name(group)).glob("*" + _SUFFIX):
            try:
                found[unquote(path.name.removesuffix(_SUFFIX))] = path.stat().st_mtime
            except FileNotFoundError:
                continue
        return sorted(found, key=lambda name: (found[name], name))

    def read(self, group: str, stream: str) -> Iterator[LogEvent]:
        """The events of a stream, oldest first; none for a stream that does not exist."""
        base = self._root / encode_name(group) / encode_name(stream)
        decoder = msgspec.json.Decoder(LogEvent)
        for suffix in (_OLDER, _SUFFIX):
            try:
                with base.with_name(base.name + suffix).open("rb") as file:
                    for line in file:
                        if line.endswith(b"\n"):
                            yield decoder.decode(line)
            except FileNotFoundError:
                continue

    def _descriptor(self, path: Path) -> tuple[int, int]:
        found = self._open.get(path)
        if found is not None:
            return found
        while len(self._open) >= _OPEN_FILES:
            self._close(next(iter(self._open)))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            # The last write before a crash may have been cut short: its rest must not swallow the next line.
            os.ftruncate(descriptor, size := _last_line_end(descriptor, size))
        self._open[path] = (descriptor, size)
        return descriptor, size

    def _close(self, path: Path) -> None:
        descriptor, _ = self._open.pop(path)
        if path in self._unsynced:
            self._unsynced.discard(path)
            os.fdatasync(descriptor)
        os.close(descriptor)

    def _prune(self) -> None:
        files: list[tuple[float, int, Path]] = []
        for path in self._root.glob("*/*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._directory_bytes:
                return
            if path in self._open:
                self._close(path)
            path.unlink(missing_ok=True)
            total -= size


def _last_line_end(descriptor: int, size: int) -> int:
    """The offset just behind the last line end before ``size``."""
    while size > 0:
        start = max(0, size - 65_536)
        found = os.pread(descriptor, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0
