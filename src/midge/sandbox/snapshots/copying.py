"""Copies a snapshot's process into an environment that has been prepared for it: each step of it, in order.

The copy is stopped from its birth to the end of these steps. It joins the environment's namespaces with the rights that
the maker of a user namespace has in it, gives them up again, has everything that it would share with others exchanged,
and is looked at from outside before it goes on.
Sources: man 7 user_namespaces, man 2 setns, man 2 clone.
"""

import os
import signal
import struct

from midge.sandbox.snapshots import files, ptrace
from midge.sandbox.snapshots.picture import API_PORT, Descriptor, Picture, inner_pids, look, status
from midge.sandbox.snapshots.tracee import Tracee, TraceError

OUTPUT = "/tmp/.output"  # noqa: S108 (inside; made by ``inside/init.py``)
_USER_ID = 993
_NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
_ISOLATION = 0x10000000 | 0x20000000 | 0x20000 | 0x40000000 | 0x8000000 | 0x4000000 | 0x2000000
_CLONE_PARENT, _CLONE_CHILD_SETTID, _CLONE_CHILD_CLEARTID = 0x8000, 0x1000000, 0x200000
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_GET_TID_ADDRESS = 4, 24, 40
_WAIT_FLAGS = 0x40000001
"""__WALL and WNOHANG."""
_AT_FDCWD = -100
_CAPABILITIES = 64
_CAPABILITIES_HEADER = struct.pack("Ii", 0x20080522, 0)
_NO_SIGNAL = 0x4000
REQUEST = b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nAccept-Encoding: identity\r\n\r\n"

_ADDRESS = struct.pack("<H", 2) + struct.pack("!H", API_PORT) + b"\x7f\0\0\1" + bytes(8)


class Snapshot:
    """A process that stands still for ever, to be copied. Raises UnfitError, TraceError, OSError from ``__init__``."""

    def __init__(self, pid: int, init_pid: int, port: int, output_inode: int) -> None:
        self.init_pid = init_pid
        self.copies: dict[int, Tracee] = {}
        self._pids: dict[int, int] = {}
        try:
            self._process = Tracee.stop(pid)
        except BaseException:
            _kill(pid)
            raise
        try:
            self._picture: Picture = look(pid, init_pid, port, output_inode)
            self._process.prepare()
            (place,) = self._process.place(bytes(8))
            self._process.call("prctl", _PR_GET_TID_ADDRESS, place)
            self._child_tid = struct.unpack("Q", self._process.read(place, 8))[0]
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def copy(self, init_pid: int, process_lists: list[int]) -> int:
        """A copy, stopped, in the environment whose init that is; its pid as we see it."""
        inside = inner_pids(init_pid)
        joining = self._copy_process(self._process, 0)
        try:
            self._join(joining, inside[-2])
            process = self._copy_process(joining, _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID)
        finally:
            number = inner_pids(joining.pid)[-1]
            _kill(joining.pid)
            self._reap(number)
        self.copies[process.pid] = process
        self._pids[process.pid] = inner_pids(process.pid)[-2]
        try:
            for descriptor in process_lists:
                os.write(descriptor, str(process.pid).encode())
            self._settle(process, init_pid, process_lists)
        except BaseException:
            self.forget(process.pid)
            self.ended(process.pid)
            raise
        return process.pid

    def _copy_process(self, process: Tracee, flags: int) -> Tracee:
        pid = process.clone(flags, self._child_tid)
        try:
            return process.adopt(pid)
        except BaseException:
            _kill(pid)
            raise

    def _join(self, process: Tracee, init_pid: int) -> None:
        descriptor = process.call("pidfd_open", init_pid, 0)
        process.call("setns", descriptor, _ISOLATION)
        process.call("close", descriptor)

    def _settle(self, process: Tracee, init_pid: int, process_lists: list[int]) -> None:
        """Be who a function is, and own nothing that others have."""
        process.call("setresgid", _USER_ID, _USER_ID, _USER_ID)
        process.call("setresuid", _USER_ID, _USER_ID, _USER_ID)
        for capability in range(_CAPABILITIES):
            try:
                process.call("prctl", _PR_CAPBSET_DROP, capability)
            except OSError:
                break  # beyond the kernel's last
        header, none = process.place(_CAPABILITIES_HEADER, bytes(24))
        process.call("capset", header, none)
        process.call("prctl", _PR_SET_DUMPABLE, 1)  # cleared by the change of user
        process.call("setsid")
        head = _robust_list(self.pid)
        if head:
            process.call("set_robust_list", head, 24)
        output = self._open(process, OUTPUT, os.O_WRONLY)
        place = f"/proc/{init_pid}/root/tmp"
        os.unlink(f"/proc/{init_pid}/root{OUTPUT}")
        if not files.copy(f"/proc/{self.init_pid}/root/tmp", place, process_lists):
            raise TraceError("what it has in /tmp could not be copied")
        self._working_directory(process)
        for descriptor in self._picture.descriptors:
            if not descriptor.api:
                self._exchange(process, descriptor, output)
        process.call("close", output)

    def _working_directory(self, process: Tracee) -> None:
        for path in (self._picture.working_directory, "/"):
            try:
                process.call("chdir", *process.place(os.fsencode(path) + b"\0"))
            except OSError:
                continue
            return

    def _open(self, process: Tracee, path: str, flags: int) -> int:
        (address,) = process.place(os.fsencode(path) + b"\0")
        return process.call("openat", _AT_FDCWD, address, flags, 0)

    def _exchange(self, process: Tracee, descriptor: Descriptor, output: int) -> None:
        new = output
        if descriptor.path is not None:
            new = self._open(process, descriptor.path, descriptor.flags)
            if descriptor.position:
                process.call("lseek", new, descriptor.position, os.SEEK_SET)
        elif descriptor.socket is not None:
            new = process.call("socket", *descriptor.socket, 0)
        process.call("dup3", new, descriptor.number, descriptor.flags & os.O_CLOEXEC)
        if new != output:
            process.call("close", new)

    def _call_restore_next(self, process: Tracee) -> None:
        """Ask as the process had asked: it goes on waiting for the answer, on a connection of its own."""
        descriptor = next(found for found in self._picture.descriptors if found.api)
        address, request = process.place(_ADDRESS, REQUEST)
        new = process.call("socket", 2, 1, 0)
        process.call("connect", new, address, 16)
        if process.call("sendto", new, request, len(REQUEST), _NO_SIGNAL, 0, 0) != len(REQUEST):
            raise TraceError("its request could not be repeated")
        process.call("dup3", new, descriptor.number, descriptor.flags & os.O_CLOEXEC)
        process.call("close", new)

    def release(self, pid: int, init_pid: int, *, own_group: bool) -> None:
        """Let a copy ask for the end of its restoration, look at it from outside and, if nothing is amiss, let it go on. Raises TraceError."""
        process = self.copies[pid]
        try:
            self._call_restore_next(process)
            self._verify(pid, init_pid, own_group=own_group)
            process.go_on()
        except BaseException:
            self.forget(pid)
            raise
        del self.copies[pid]

    def _verify(self, pid: int, init_pid: int, *, own_group: bool) -> None:
        about = status(pid)
        rights = {name: int(about[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        wrong = [name for name, value in rights.items() if value]
        wrong += [
            name for name, value in (("Seccomp", "2"), ("NoNewPrivs", "1"), ("Threads", "1")) if about[name] != value
        ]
        held = status(init_pid)
        wrong += ["init's " + name for name in ("CapPrm", "CapEff") if int(held[name], 16)]
        wrong += ["its filters"] * (about.get("Seccomp_filters") != status(self.pid).get("Seccomp_filters"))
        wrong += ["its user"] * (len(set(about["Uid"].split())) != 1 or about["Uid"] == status(self.pid)["Uid"])
        for name in _NAMESPACES:
            link = os.readlink(f"/proc/{pid}/ns/{name}")
            if link != os.readlink(f"/proc/{init_pid}/ns/{name}") or link == os.readlink(f"/proc/{self.pid}/ns/{name}"):
                wrong.append(f"its {name} namespace")
        if not _same_root(pid, init_pid):
            wrong.append("its root")
        if inner_pids(pid)[-1] == self._picture.inner_pid:
            wrong.append("its pid")
        numbers = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        if numbers != {descriptor.number for descriptor in self._picture.descriptors}:
            wrong.append("its descriptors")
        if own_group and _groups(pid) == _groups(self.pid):
            wrong.append("its control group")
        if wrong:
            raise TraceError("a copy is not held as it should be: " + ", ".join(wrong))

    def forget(self, pid: int) -> None:
        """End a copy that has not been released."""
        if self.copies.pop(pid, None) is not None:
            _kill(pid)

    def ended(self, pid: int) -> int:
        """The wait status of a copy that has ended; once. Raises TraceError if there is none."""
        return self._reap(self._pids.pop(pid))

    def _reap(self, inner_pid: int) -> int:
        (place,) = self._process.place(bytes(8))
        if self._process.call("wait4", inner_pid, place, _WAIT_FLAGS, 0) == 0:
            raise TraceError("a copy that has ended is still there")
        return struct.unpack("i", self._process.read(place, 4))[0]

    def end(self) -> None:
        """End it, and what has been copied from it."""
        for pid in list(self.copies):
            self.forget(pid)
        _kill(self.pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        while not ptrace.wait(pid).ended:
            continue
    except (ProcessLookupError, ChildProcessError):
        return


def _robust_list(pid: int) -> int:
    return ptrace.robust_list(pid)


def _same_root(pid: int, init_pid: int) -> bool:
    return os.path.samestat(os.stat(f"/proc/{pid}/root/"), os.stat(f"/proc/{init_pid}/root/"))


def _groups(pid: int) -> bytes:
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        return file.read()
