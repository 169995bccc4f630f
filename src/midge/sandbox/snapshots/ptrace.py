"""The ptrace calls that snapshots need, by ctypes, for x86-64. Decides nothing. Every function raises OSError.

Sources: man 2 ptrace, man 5 proc; struct user_regs_struct in sys/user.h.
"""

import ctypes
import os
import platform
import signal

MACHINE = "x86_64"
"""The only machine whose registers are known here."""

_GETREGS, _SETREGS, _SINGLESTEP = 12, 13, 9
_DETACH, _GETEVENTMSG = 17, 0x4201
_SEIZE, _INTERRUPT = 0x4206, 0x4207
_GETSIGMASK, _SETSIGMASK = 0x420A, 0x420B
_O_TRACECLONE, _O_TRACEFORK, _O_TRACEVFORK = 0x8, 0x2, 0x4
_O_EXITKILL, _O_SUSPEND_SECCOMP = 0x100000, 0x200000
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_STOP = 1, 2, 3, 128
_ALL_SIGNALS = (1 << 64) - 1
__WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    """struct user_regs_struct."""

    _fields_ = [
        (name, ctypes.c_ulonglong)
        for name in [
            "r15",
            "r14",
            "r13",
            "r12",
            "rbp",
            "rbx",
            "r11",
            "r10",
            "r9",
            "r8",
            "rax",
            "rcx",
            "rdx",
            "rsi",
            "rdi",
            "orig_rax",
            "rip",
            "cs",
            "eflags",
            "rsp",
            "ss",
            "fs_base",
            "gs_base",
            "ds",
            "es",
            "fs",
            "gs",
        ]
    ]


def supported() -> bool:
    return platform.machine() == MACHINE


def _call(request: int, pid: int, address: int | None = 0, data: object = 0) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


def seize(pid: int) -> None:
    """Trace a process that goes on. What it clones is traced too, and stopped before it runs; all die with us.

    While one is traced its seccomp filters do not apply: it must not run code of its own.
    """
    options = _O_TRACECLONE | _O_TRACEFORK | _O_TRACEVFORK | _O_EXITKILL
    _call(_SEIZE, pid, 0, options)


def suspend_seccomp(pid: int) -> None:
    """Of a stopped process: let its filters rest until it is detached from."""
    options = _O_TRACECLONE | _O_TRACEFORK | _O_TRACEVFORK | _O_EXITKILL | _O_SUSPEND_SECCOMP
    _call(0x4200, pid, 0, options)


def interrupt(pid: int) -> None:
    _call(_INTERRUPT, pid)


def step(pid: int) -> None:
    _call(_SINGLESTEP, pid)


def detach(pid: int) -> None:
    """Let a stopped process go on by itself, with its filters."""
    _call(_DETACH, pid)


def event_message(pid: int) -> int:
    """Of a stop for a clone: the new process."""
    value = ctypes.c_ulong()
    _call(_GETEVENTMSG, pid, 0, ctypes.addressof(value))
    return value.value


def registers(pid: int) -> Registers:
    found = Registers()
    _call(_GETREGS, pid, 0, ctypes.addressof(found))
    return found


def set_registers(pid: int, values: Registers) -> None:
    _call(_SETREGS, pid, 0, ctypes.addressof(values))


def signal_mask(pid: int) -> int:
    mask = ctypes.c_uint64()
    _call(_GETSIGMASK, pid, 8, ctypes.addressof(mask))
    return mask.value


def set_signal_mask(pid: int, value: int = _ALL_SIGNALS) -> None:
    """By default block all signals that can be."""
    mask = ctypes.c_uint64(value)
    _call(_SETSIGMASK, pid, 8, ctypes.addressof(mask))


class Stop:
    """Why a traced process stands still, from its wait status: ``signal``, and ``event`` if it is not 0."""

    def __init__(self, status: int) -> None:
        self.ended = not os.WIFSTOPPED(status)
        self.signal = 0 if self.ended else os.WSTOPSIG(status)
        self.event = status >> 16

    @property
    def stepped(self) -> bool:
        return not self.ended and self.signal == signal.SIGTRAP and self.event == 0


def wait(pid: int) -> Stop:
    """The next stop of a traced process; only for one that stops by itself soon."""
    _, status = os.waitpid(pid, __WALL)
    return Stop(status)


def robust_list(pid: int) -> int:
    """The address of a process's list of robust futexes."""
    head, size = ctypes.c_ulong(), ctypes.c_size_t()
    if _libc.syscall(274, pid, ctypes.byref(head), ctypes.byref(size)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"get_robust_list: {os.strerror(number)}")
    return head.value
