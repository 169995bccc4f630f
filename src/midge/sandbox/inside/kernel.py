"""The Linux calls that the standard library lacks, by ctypes: namespaces, mounts, capabilities, seccomp.

Knows numbers and signatures; decides nothing. Every function raises OSError with the call's name.
Sources: man 2 clone, mount, pivot_root, open_tree, move_mount, prctl, capset, seccomp; man 7 netdevice.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
SECBIT_NO_SETUID_FIXUP = 0x4

OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
AT_FDCWD = -100

_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "open_tree": 428, "move_mount": 429},
    "aarch64": {"clone": 220, "pivot_root": 41, "open_tree": 428, "move_mount": 429},
}
_CALL = _NUMBERS.get(platform.machine(), {})
_CAPABILITIES_HEADER = struct.pack("Ii", 0x20080522, 0)
_NO_CAPABILITIES = bytes(24)
_libc = ctypes.CDLL(None, use_errno=True)
_ulong = ctypes.c_ulong


def _check(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def clone(flags: int) -> int:
    """Fork into the new namespaces of ``flags``: the child's pid in the parent, 0 in the child. Single-threaded only."""
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # With no stack given, clone() behaves as fork(); the trailing arguments' order differs by machine, and all are 0.
    pid = _libc.syscall(_CALL["clone"], _ulong(flags | signal.SIGCHLD), _ulong(0), _ulong(0), _ulong(0), _ulong(0))
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return pid


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def enter_user_namespace() -> None:
    """Become root of a user namespace of our own, with a mount namespace, where outside we stay who we are."""
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def setns(descriptor: int, flags: int) -> None:
    """Join the namespaces of a process, by its pid descriptor, or one namespace, by its own."""
    _check(_libc.setns(descriptor, flags), "setns")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    text = [None if value is None else os.fsencode(value) for value in (source, target, kind, options)]
    _check(_libc.mount(text[0], text[1], text[2], _ulong(flags), text[3]), f"mount {target}")


def unmount(target: str, flags: int = 0) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    _check(_libc.syscall(_CALL["pivot_root"], os.fsencode(new_root), os.fsencode(put_old)), "pivot_root")


def open_tree(path: str) -> int:
    """A descriptor of a detached copy of the mount at ``path``, to be attached elsewhere with ``move_mount``."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    return _check(_libc.syscall(_CALL["open_tree"], AT_FDCWD, os.fsencode(path), flags), f"open_tree {path}")


def move_mount(descriptor: int, target: str) -> None:
    number = _CALL["move_mount"]
    done = _libc.syscall(number, descriptor, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    _check(done, f"move_mount {target}")


def prctl(option: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
    return _check(_libc.prctl(option, _ulong(a), _ulong(b), _ulong(c), _ulong(d)), f"prctl {option}")


def die_with_parent() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def forswear_capabilities() -> None:
    """Give up the right ever to gain a capability, by exec or otherwise; those held now remain."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call, capability = _libc.prctl, 0
    while call(PR_CAPBSET_DROP, capability) == 0:  # until beyond the kernel's last; on the path of every start
        capability += 1


def drop_capabilities() -> None:
    """Give up every capability held."""
    _check(_libc.capset(_CAPABILITIES_HEADER, _NO_CAPABILITIES), "capset")


class SeccompFilter:
    """A filter, given as the bytes of its ``struct sock_filter`` array, made once by who forks those that load it."""

    def __init__(self, program: bytes) -> None:
        self._program = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(self._program))
        self._header = ctypes.create_string_buffer(header, len(header))
        self._address = ctypes.addressof(self._header)

    def load(self) -> None:
        """Install it; needs no_new_privs."""
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._address)


def loopback_up() -> None:
    """Bring up ``lo`` in the current network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
