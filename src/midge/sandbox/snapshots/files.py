"""Copies what a snapshot's /tmp holds into the /tmp of an environment that is restored from it.

The tree was made by function code: nothing in it is followed, and only directories, files and symbolic links are
copied. What it takes is charged to the environment it is copied for, by doing it in a process of that one's control
groups.
"""

import ctypes
import os
import stat

_NO_SETUID_FIXUP = 4
_PR_SET_SECUREBITS = 28
_CHUNK_BYTES = 1 << 20


def copy(source: str, target: str, process_lists: list[int]) -> bool:
    """Between two directories of stopped environments; False if not all could be copied. Only for root."""
    with os.scandir(source) as entries:
        if next(entries, None) is None:
            return True
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for descriptor in process_lists:
                os.write(descriptor, b"0")
            _become_owner(os.stat(target))
            with _Directory(source) as from_directory, _Directory(target) as to_directory:
                _copy_tree(from_directory, to_directory)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


class _Directory:
    def __init__(self, path: str, parent: int | None = None) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _become_owner(directory: os.stat_result) -> None:
    """Make files as the function's user, who alone exists there, but with root's rights."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    libc.setfsgid(directory.st_gid)
    libc.setfsuid(directory.st_uid)
    os.umask(0)


def _copy_tree(source: int, target: int) -> None:
    for name in os.listdir(source):
        what = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISLNK(what.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISDIR(what.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            with _Directory(name, source) as below, _Directory(name, target) as made:
                _copy_tree(below, made)
                _finish(made, what)
        elif stat.S_ISREG(what.st_mode):
            _copy_file(name, source, target, what)


def _copy_file(name: str, source: int, target: int, what: os.stat_result) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=source)
    writing = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
    try:
        os.ftruncate(writing, what.st_size)
        for start, end in _filled(reading, what.st_size):
            for position in range(start, end, _CHUNK_BYTES):
                data = os.pread(reading, min(_CHUNK_BYTES, end - position), position)
                if os.pwrite(writing, data, position) != len(data):
                    raise OSError("the copy of a file is not whole")
        _finish(writing, what)
    finally:
        os.close(reading)
        os.close(writing)


def _filled(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Where it has data: what is not there takes no memory, and shall take none in the copy."""
    found: list[tuple[int, int]] = []
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            break
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, position))
    return found


def _finish(descriptor: int, what: os.stat_result) -> None:
    os.fchmod(descriptor, stat.S_IMODE(what.st_mode) & 0o1777)
    os.utime(descriptor, ns=(what.st_atime_ns, what.st_mtime_ns))
