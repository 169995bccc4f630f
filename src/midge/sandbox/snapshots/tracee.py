"""One stopped process of function code, and system calls made in its place.

It never executes an instruction of its own while we hold it: what is stepped over is one ``syscall`` instruction, in a
page that no other process can change, with registers that are all ours. Whatever else happens than that the step ends
right behind it, is a TraceError, and whoever holds the process ends it.
Sources: man 2 ptrace, man 2 syscall.
"""

import os
import signal
import struct
from typing import NamedTuple

from midge.sandbox.snapshots import ptrace

PAGE_BYTES = 4096
_CODE_BYTES = b"\x0f\x05"
_DATA_OFFSET = 64
_HIGHEST_ADDRESS = 1 << 47
_NUMBERS = {
    "mmap": 9, "clone": 56, "wait4": 61, "chdir": 80, "umask": 95, "setsid": 112, "setresuid": 117, "setresgid": 119,
    "capset": 126, "prctl": 157, "openat": 257, "set_robust_list": 273, "dup3": 292, "close": 3, "lseek": 8, "socket": 41,
    "connect": 42, "sendto": 44, "setns": 308, "pidfd_open": 434,
}  # fmt: skip


class TraceError(Exception):
    """A process did not do what it was stepped to do. The text says what, for the log."""


class Mapping(NamedTuple):
    """One line of /proc/PID/maps."""

    start: int
    end: int
    permissions: str
    path: str


def mappings(pid: int) -> list[Mapping]:
    found: list[Mapping] = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            start, end = (int(text, 16) for text in fields[0].split("-"))
            found.append(Mapping(start, end, fields[1], fields[5].rstrip("\n") if len(fields) > 5 else ""))
    return found


class Tracee:
    """See the module. ``saved`` are its registers as they were when it was stopped."""

    def __init__(self, pid: int, saved: ptrace.Registers, mask: int, page: int = 0) -> None:
        self.pid = pid
        self.saved = saved
        self.mask = mask
        self.page = page

    @classmethod
    def stop(cls, pid: int) -> "Tracee":
        """Stop a running process that nobody traces. Raises TraceError, OSError."""
        ptrace.seize(pid)
        ptrace.interrupt(pid)
        stop = ptrace.wait(pid)  # the tracer bounds it by an alarm
        if stop.event != ptrace.EVENT_STOP or stop.signal != signal.SIGTRAP:
            raise TraceError("it did not stop where it waited")
        mask = ptrace.signal_mask(pid)
        ptrace.set_signal_mask(pid)
        return cls(pid, ptrace.registers(pid), mask)

    def adopt(self, pid: int) -> "Tracee":
        """A process that was cloned from this one, by an injected call. Raises TraceError."""
        stop = ptrace.wait(pid)
        if stop.event != ptrace.EVENT_STOP:
            raise TraceError("a copy did not stop before its first instruction")
        return Tracee(pid, self.saved, self.mask, self.page)

    # its memory

    def read(self, address: int, size: int) -> bytes:
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), size, address)

    def write(self, address: int, data: bytes) -> None:
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            if os.pwrite(memory.fileno(), data, address) != len(data):
                raise TraceError("its memory could not be written")

    def prepare(self) -> None:
        """Make the page that calls are made from. The process must be the only one that has its memory.

        Its seccomp filters rest from now on.
        """
        ptrace.suspend_seccomp(self.pid)
        place = self._executable_page()
        before = self.read(place, len(_CODE_BYTES))
        self.page = place
        self.write(place, _CODE_BYTES)  # makes the page its own, also where it was a file's
        page = self.call("mmap", 0, PAGE_BYTES, 7, 0x22, -1, 0)
        self.write(place, before)
        if page < PAGE_BYTES or page >= _HIGHEST_ADDRESS:
            raise TraceError("it has no memory for calls")
        self.page = page
        self.write(page, _CODE_BYTES)

    def _executable_page(self) -> int:
        for mapping in mappings(self.pid):
            if mapping.permissions == "r-xp" and mapping.path.startswith("/"):
                return mapping.start
        raise TraceError("it has no code of its own")

    def place(self, *values: bytes) -> list[int]:
        """Put each of ``values`` into the page; returns their addresses, which hold until the next time."""
        address, addresses = self.page + _DATA_OFFSET, list[int]()
        for value in values:
            addresses.append(address)
            address += (len(value) + 15) & ~15
        if address > self.page + PAGE_BYTES:
            raise TraceError("too much to be said at once")
        self.write(self.page + _DATA_OFFSET, b"".join(value.ljust((len(value) + 15) & ~15, b"\0") for value in values))
        return addresses

    # calls

    def call(self, name: str, *arguments: int) -> int:
        """Make a system call in its place. Raises OSError as the call fails, TraceError if it is not made."""
        result = self._step(name, arguments)
        return _checked(result, name)

    def clone(self, flags: int, child_tid: int) -> int:
        """Copy the process, with its memory; returns the pid, as we see it, of the copy, which stands still."""
        self._arm("clone", (flags, 0, 0, child_tid, 0))
        ptrace.step(self.pid)
        stop = ptrace.wait(self.pid)
        if stop.ended or stop.event not in (ptrace.EVENT_CLONE, ptrace.EVENT_FORK, ptrace.EVENT_VFORK):
            if stop.stepped:
                _checked(self._result(), "clone")
            raise TraceError("it did not copy itself")
        pid = ptrace.event_message(self.pid)
        ptrace.step(self.pid)
        stop = ptrace.wait(self.pid)
        if not stop.stepped:
            raise TraceError("it went astray while it copied itself")
        self._result()
        return pid

    def _arm(self, name: str, arguments: tuple[int, ...]) -> None:
        values = ptrace.Registers.from_buffer_copy(self.saved)
        values.rip, values.rax, values.orig_rax = self.page, _NUMBERS[name], (1 << 64) - 1
        values.rsp = (self.page + PAGE_BYTES - 256) if self.page else self.saved.rsp
        for register, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), (*arguments, *[0] * 6), strict=False):
            setattr(values, register, value & ((1 << 64) - 1))
        ptrace.set_registers(self.pid, values)

    def _step(self, name: str, arguments: tuple[int, ...]) -> int:
        self._arm(name, arguments)
        ptrace.step(self.pid)
        stop = ptrace.wait(self.pid)
        if not stop.stepped:
            raise TraceError(f"it ended, or went astray, in {name}")
        return self._result()

    def _result(self) -> int:
        after = ptrace.registers(self.pid)
        if after.rip != self.page + len(_CODE_BYTES):
            raise TraceError("it did not make the call that it was given")
        return struct.unpack("q", struct.pack("Q", after.rax))[0]

    # its end in our hands

    def go_on(self) -> None:
        """Let it continue where it was stopped, as if a signal without a handler had interrupted what it waited in."""
        values = ptrace.Registers.from_buffer_copy(self.saved)
        result = struct.unpack("q", struct.pack("Q", values.rax))[0]
        if struct.unpack("q", struct.pack("Q", values.orig_rax))[0] >= 0:
            if result in (-512, -513, -514):  # ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND
                values.rax = values.orig_rax
                values.rip -= 2
            elif result == -516:  # ERESTART_RESTARTBLOCK
                values.rax = (1 << 64) - 4  # EINTR
        values.orig_rax = (1 << 64) - 1
        ptrace.set_registers(self.pid, values)
        ptrace.set_signal_mask(self.pid, self.mask)
        ptrace.detach(self.pid)


def _checked(result: int, name: str) -> int:
    if -4096 < result < 0:
        raise OSError(-result, f"{name} in a copy: {os.strerror(-result)}")
    return result
