"""Lays the layers of an image over each other in one directory. Blocking; never writes outside of it.

Theory. A layer is a tar whose entries add, replace or, by names that begin with ``.wh.``, remove what layers below it
have. An entry's directory is found as it would be inside, where the image is the root: links of layers below are followed,
and none leads out (``paths.place_of``). What is at an entry's own place is replaced, never followed nor written into, so
that a hard link or a link made earlier cannot be used to change something else. Names with ``..`` are refused. Whiteouts
concern the layers below alone, wherever in the tar they stand, so what this layer has made is remembered.

Everything belongs to midge, is never set-user-id, and can be removed by midge: directories are always its to enter.
Devices, pipes and sockets are left out: the root of an environment knows no devices. Extended attributes are dropped.
Source: the OCI image specification, "layer.md".
"""

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any, cast

from midge.images.errors import ImageError, Trouble
from midge.images.paths import PathError, place_of
from midge.images.streams import PIECE_BYTES, UNPACKING_ERRORS, Halt, Readable
from midge.model.limits import Limits

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_SPECIAL = ".wh..wh."
_HEADER_BYTES = 4 * 1024 * 1024
"""What tar may read to find the next entry: its headers, among them names of any length."""
_MOST_DEPTH = 128
"""Directories within each other."""
_NOT_POSSIBLE = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ, errno.EMLINK})
"""What the machine answers to names and links that no file system takes: the image's fault, not the disk's."""
_DIRECTORY_MODE = 0o1777
_FILE_MODE = 0o777


class _TarStream:
    """What ``tarfile`` reads from. Between two entries only so much may be read, whatever a header claims its length to be."""

    def __init__(self, source: Readable, halt: Halt) -> None:
        self._source = source
        self._halt = halt
        self._budget: int | None = _HEADER_BYTES

    def read(self, size: int, /) -> bytes:
        self._halt.check()
        data = self._source.read(size)
        if self._budget is not None:
            self._budget -= len(data)
            if self._budget < 0:
                raise _invalid("the headers of an entry are too long")
        return data

    def expect_headers(self) -> None:
        self._budget = _HEADER_BYTES

    def expect_content(self) -> None:
        self._budget = None


class Unpacker:
    """Unpacks the layers of one image into ``root``, an empty directory, the lowest first."""

    def __init__(self, root: Path, limits: Limits, halt: Halt) -> None:
        self._root = root
        self._limits = limits
        self._halt = halt
        self._entries = 0
        self._made: set[Path] = set()
        self._above_made: set[Path] = set()
        self._parents: dict[str, Path] = {}
        self._times: dict[Path, int] = {}

    def apply(self, source: Readable) -> None:
        """Lay the uncompressed tar ``source`` over what is there, and read it to its end. Raises ImageError, OSError."""
        self._made.clear()
        self._above_made.clear()
        self._parents.clear()
        self._times.clear()
        stream = _TarStream(source, self._halt)
        try:
            # A name that is no UTF-8 keeps its bytes, as it would for tar.
            with tarfile.open(fileobj=cast("Any", stream), mode="r|", errors="surrogateescape") as tar:
                self._apply(tar, stream)
            stream.expect_content()
            while source.read(PIECE_BYTES):  # what is behind the tar's end belongs to the digest
                self._halt.check()
        except (ImageError, PathError, *UNPACKING_ERRORS) as error:
            raise error if isinstance(error, ImageError) else _invalid(str(error)) from error
        except OSError as error:
            if error.errno not in _NOT_POSSIBLE:
                raise
            raise _invalid(f"{_shown(str(error.filename))}: {error.strerror}") from error
        except Exception as error:  # tarfile knows more ways to fail at a damaged header than it has errors of its own
            raise _invalid(f"its tar cannot be read: {error or type(error).__name__}") from error
        for directory, seconds in self._times.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(directory, (seconds, seconds), follow_symlinks=False)

    def _apply(self, tar: tarfile.TarFile, stream: _TarStream) -> None:
        while True:
            stream.expect_headers()
            entry = tar.next()
            if entry is None:
                return
            cast("Any", tar).members = []  # they would all be kept, for look-ups that nobody makes
            self._entries += 1
            if self._entries > self._limits.image_files:
                raise _invalid(f"it has more than {self._limits.image_files} entries")
            stream.expect_content()
            self._entry(tar, entry)

    def _entry(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = self._parts(entry.name)
        if not parts:
            return  # the root itself
        *above, name = parts
        directory = self._directory(above)
        if name.startswith(_WHITEOUT):
            self._whiteout(directory, name)
            return
        place = directory / name
        if entry.isdir():
            self._make_directory(place, entry)
        elif entry.isreg():
            self._make_file(place, entry, tar)
        elif entry.issym():
            self._clear(place)
            place.symlink_to(_link_target(entry))
            self._time(place, entry)
        elif entry.islnk():
            self._make_hard_link(place, entry)
        elif entry.ischr() or entry.isblk() or entry.isfifo():
            return
        else:
            raise _invalid(f"{_shown(entry.name)} is of a kind that is not known")
        self._note(place)

    def _note(self, place: Path) -> None:
        """This layer has made ``place``."""
        self._made.add(place)
        while (place := place.parent) not in self._above_made:
            self._above_made.add(place)
            if place == self._root:
                return

    def _parts(self, name: str) -> list[str]:
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts or "\x00" in name:
            raise _invalid(f"{_shown(name)} leads out of it")
        if len(os.fsencode(name)) > self._limits.image_path_bytes:
            raise _invalid(f"{_shown(name)} is too long")
        return parts

    def _directory(self, parts: list[str]) -> Path:
        """The directory that an entry lies in, made where there is none."""
        path = "/".join(parts)
        known = self._parents.get(path)
        if known is None:
            known = place_of(self._root, path)
            if len(known.parts) - len(self._root.parts) > _MOST_DEPTH:
                raise _invalid(f"{_shown(path)} is too deep")
            if not known.is_dir():
                self._make_way(known)
            self._parents[path] = known
        return known

    def _make_way(self, place: Path) -> None:
        ahead = [place]
        while not (above := ahead[-1].parent).exists():
            ahead.append(above)
        for directory in reversed(ahead):
            if os.path.lexists(directory):
                raise PathError(f"{directory.name}: not a directory")
            directory.mkdir(0o755)
            directory.chmod(0o755)
            self._note(directory)

    def _clear(self, place: Path) -> None:
        """Make room: what is there goes, and nothing that it leads to."""
        try:
            mode = place.lstat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            remove_tree(place)
            self._parents.clear()
        else:
            place.unlink()
            if stat.S_ISLNK(mode):
                self._parents.clear()

    def _make_directory(self, place: Path, entry: tarfile.TarInfo) -> None:
        try:
            is_directory = stat.S_ISDIR(place.lstat().st_mode)
        except FileNotFoundError:
            is_directory = False
        if not is_directory:
            self._clear(place)
            place.mkdir(0o700)
        place.chmod((entry.mode & _DIRECTORY_MODE) | 0o700)
        self._times[place] = _seconds(entry)

    def _make_file(self, place: Path, entry: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        content = tar.extractfile(entry)
        if content is None:
            raise _invalid(f"{_shown(entry.name)} has no content")
        self._clear(place)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with content, os.fdopen(descriptor, "wb") as file:
            left = self._limits.image_bytes
            while data := content.read(PIECE_BYTES):
                left -= len(data)  # a sparse file is larger than what its tar holds
                if left < 0:
                    raise _invalid(f"{_shown(entry.name)} is larger than an image may be")
                file.write(data)
            os.fchmod(file.fileno(), (entry.mode & _FILE_MODE) | 0o400)
        self._time(place, entry)

    def _make_hard_link(self, place: Path, entry: tarfile.TarInfo) -> None:
        target = place_of(self._root, "/".join(self._parts(entry.linkname)), follow_last=False)
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            raise _invalid(f"{_shown(entry.name)} is a link to what is not there") from None
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise _invalid(f"{_shown(entry.name)} is a link to a directory")
        if target == place:
            return
        self._clear(place)
        os.link(target, place, follow_symlinks=False)

    def _whiteout(self, directory: Path, name: str) -> None:
        if name == _OPAQUE:
            for below in list(directory.iterdir()):
                self._remove_lower(below)
        elif not name.startswith(_SPECIAL):  # the others are a union file system's own notes
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in {"", ".", ".."}:
                raise _invalid(f"{_shown(name)} hides nothing that can be hidden")
            self._remove_lower(directory / hidden)

    def _remove_lower(self, place: Path) -> None:
        """Remove what layers below have at ``place``; what this one has made stays."""
        self._halt.check()
        if not os.path.lexists(place):
            return
        is_directory = place.is_dir() and not place.is_symlink()
        if place not in self._made and place not in self._above_made:
            self._clear(place)
        elif is_directory:
            for below in list(place.iterdir()):
                self._remove_lower(below)

    def _time(self, place: Path, entry: tarfile.TarInfo) -> None:
        """Compiled Python code, among other things, is only valid beside a source of the right age."""
        seconds = _seconds(entry)
        os.utime(place, (seconds, seconds), follow_symlinks=False)


def _link_target(entry: tarfile.TarInfo) -> str:
    if not entry.linkname or "\x00" in entry.linkname:
        raise _invalid(f"{_shown(entry.name)} is a link to nothing")
    return entry.linkname


def _seconds(entry: tarfile.TarInfo) -> int:
    return min(max(int(entry.mtime), 0), 0xFFFFFFFF)


def _shown(name: str) -> str:
    return ascii(name[:128])


def _invalid(why: str) -> ImageError:
    return ImageError(Trouble.INVALID, f"the image is not valid: {why}")


def remove_tree(place: Path) -> None:
    """Remove a directory with all that is in it; links are not followed. Harmless if it is not there."""
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return


_PLACES = ("proc", "dev", "tmp", "etc")
_FILES = ("etc/hosts", "etc/resolv.conf")


def prepare_places(root: Path) -> None:
    """See that there is a directory, or a file, wherever an environment puts something of its own over the image."""
    for name in _PLACES:
        place = root / name
        if place.is_symlink() or not place.is_dir():
            _remove_any(place)
            place.mkdir(0o755)
            place.chmod(0o755)
    for name in _FILES:
        place = root / name
        if place.is_symlink() or not place.is_file():
            _remove_any(place)
            place.touch()
            place.chmod(0o644)


def prepare_for_packages(root: Path) -> None:
    """See that there are the directories that a function's package and layers are mounted on. Raises OSError."""
    for name in ("var/task", "opt"):
        place = root / name
        if place.resolve() != place:
            raise NotADirectoryError(f"{name} of the image is a link, and packages cannot be mounted there")
        place.mkdir(0o755, parents=True, exist_ok=True)


def _remove_any(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    else:
        place.unlink(missing_ok=True)
