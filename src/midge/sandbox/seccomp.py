"""The system calls that function code may make, as a filter program for the kernel. Pure: a list in, bytes out.

An allow-list (``allowed_syscalls.txt``): what is not on it fails with EPERM, what is newer than it with ENOSYS, so
that libraries fall back to older calls as they do on an older kernel. Two calls are looked into: ``clone`` may not make
namespaces, and ``socket`` only knows the families that a function has a use for.
Source: https://docs.kernel.org/userspace-api/seccomp_filter.html; struct seccomp_data and sock_filter in linux/*.h.
"""

import errno
import platform
import struct
from collections.abc import Iterable
from importlib import resources

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000

_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16
_ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
_X32_BIT = 0x40000000
_NAMESPACE_FLAGS = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK; not AF_VSOCK, which leaves a virtual machine, nor AF_ALG, AF_PACKET ..."""

Instruction = tuple[int, int, int, int]


def allowed_numbers(machine: str) -> dict[str, int]:
    """Name to number of the calls allowed on ``machine`` (x86_64 or aarch64)."""
    column = _ARCHITECTURES[machine][1]
    text = resources.files("midge.sandbox").joinpath("allowed_syscalls.txt").read_text("ascii")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _argument_rules(numbers: dict[str, int]) -> Iterable[Instruction]:
    """Calls whose first argument decides; each block leaves the call's number loaded for what follows."""
    yield (_EQUAL, 0, 4, numbers["clone"])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET)
    yield (_ANY_BIT, 0, 1, _NAMESPACE_FLAGS)
    yield _return(_ERRNO | errno.EPERM)
    yield _return(_ALLOW)
    families = len(_SOCKET_FAMILIES)
    yield (_EQUAL, 0, families + 3, numbers["socket"])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET)
    for position, family in enumerate(_SOCKET_FAMILIES):
        yield (_EQUAL, families - position, 0, family)
    yield _return(_ERRNO | errno.EAFNOSUPPORT)
    yield _return(_ALLOW)


def program(machine: str | None = None) -> bytes:
    """The filter for ``machine`` (by default this one): an array of ``struct sock_filter``. KeyError if unknown."""
    machine = machine or platform.machine()
    numbers = allowed_numbers(machine)
    newest = max(numbers.values())
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine][0]),
        _return(_KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_AT_LEAST, 0, 1, _X32_BIT),
        _return(_ERRNO | errno.ENOSYS),
        (_AT_LEAST, 0, 1, newest + 1),
        _return(_ERRNO | errno.ENOSYS),
    ]
    code.extend(_argument_rules(numbers))
    clone3 = 435  # the same number everywhere; its flags are in memory, where a filter cannot look: libc falls back
    code.extend([(_EQUAL, 0, 1, clone3), _return(_ERRNO | errno.ENOSYS)])
    for low, high in _ranges(number for name, number in numbers.items() if name not in ("clone", "socket")):
        code.append((_AT_LEAST, 0, 2, low))
        code.append((_AT_LEAST, 1, 0, high + 1))
        code.append(_return(_ALLOW))
    code.append(_return(_ERRNO | errno.EPERM))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers as (first, last)."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
