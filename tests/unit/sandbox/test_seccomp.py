"""The system call filter, run by a small interpreter of the kernel's filter machine: exactly the list gets through."""

import errno
import struct
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.sandbox import seccomp

MACHINES = ("x86_64", "aarch64")
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = (0x00050000 | number for number in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
NAMESPACE_FLAGS = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
THREAD_FLAGS = 0x003D0F00  # what pthread_create passes
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


@cache
def code(machine: str) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(struct.iter_unpack("HBBI", seccomp.program(machine)))


def verdict(machine: str, number: int, first: int = 0, architecture: str | None = None) -> int:
    """What the kernel would do with a call: the value that the filter returns for it."""
    audit = ARCHITECTURES[architecture or machine]
    data = struct.pack("<iIQ6Q", number if number < 1 << 31 else number - (1 << 32), audit, 0, first, 0, 0, 0, 0, 0)
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, k = code(machine)[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x06:
            return k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_whole_table_of_calls(machine: str) -> None:
    """Of all calls from 0 to beyond the newest, those on the list pass, older ones fail with EPERM, newer with ENOSYS."""
    allowed = seccomp.allowed_numbers(machine)
    newest = max(allowed.values())
    listed = set(allowed.values()) - {allowed["socket"]}
    for number in range(newest + 200):
        if number == allowed["socket"]:
            continue
        expected = ALLOW if number in listed else ENOSYS if number > newest or number == 435 else EPERM
        assert verdict(machine, number) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, (1 << 32) - 1), first=st.integers(0, (1 << 64) - 1))
def test_any_call_with_any_argument(machine: str, number: int, first: int) -> None:
    """No number and no first argument gets a call through that is not on the list."""
    allowed = seccomp.allowed_numbers(machine)
    if verdict(machine, number, first) == ALLOW:
        assert number in allowed.values()
        assert number != allowed["clone"] or not first & sum(NAMESPACE_FLAGS.values())
        assert number != allowed["socket"] or first & 0xFFFFFFFF in FAMILIES.values()


@pytest.mark.parametrize("machine", MACHINES)
@given(flags=st.integers(0, (1 << 64) - 1))
def test_clone_makes_processes_and_threads_but_no_namespaces(machine: str, flags: int) -> None:
    """clone() passes unless a flag for a namespace is among its flags."""
    namespaces = flags & (sum(NAMESPACE_FLAGS.values()) | 0x80)
    expected = EPERM if namespaces else ALLOW
    assert verdict(machine, seccomp.allowed_numbers(machine)["clone"], flags) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NAMESPACE_FLAGS)
def test_each_kind_of_namespace_is_refused(machine: str, name: str) -> None:
    """A thread's or a child's clone() with one namespace flag added fails with EPERM."""
    number = seccomp.allowed_numbers(machine)["clone"]
    for flags in (17, THREAD_FLAGS):
        assert verdict(machine, number, flags) == ALLOW
        assert verdict(machine, number, flags | NAMESPACE_FLAGS[name]) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_of_four_families_only(machine: str) -> None:
    """socket() knows AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK; AF_VSOCK, AF_ALG and AF_PACKET are among the unknown."""
    number = seccomp.allowed_numbers(machine)["socket"]
    passed = {family for family in range(64) if verdict(machine, number, family) == ALLOW}
    assert passed == set(FAMILIES.values())
    assert {verdict(machine, number, family) for family in range(64) if family not in passed} == {EAFNOSUPPORT}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("other", ARCHITECTURES)
def test_calls_of_another_architecture_end_the_process(machine: str, other: str) -> None:
    """A call through another architecture's entry, whose numbers mean other things, kills; it is never looked up."""
    verdicts = {verdict(machine, number, architecture=other) for number in range(500)}
    assert (verdicts == {KILL}) is (other != machine)


def test_the_x32_entry_is_shut() -> None:
    """No call with the x32 bit set passes on x86_64, whatever its number without the bit."""
    assert {verdict("x86_64", 0x40000000 | number) for number in range(1024)} == {ENOSYS}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_calls_that_lead_out_are_not_on_the_list(machine: str) -> None:
    """What makes or enters namespaces, mounts, traces, loads code into the kernel or drains its budgets is not listed."""
    leading_out = {
        *(
            "unshare",
            "setns",
            "clone3",
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "open_tree",
            "move_mount",
            "fsopen",
        ),
        *("fsconfig", "fsmount", "mount_setattr", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp"),
        *("pidfd_getfd", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_setup"),
        *("keyctl", "add_key", "request_key", "init_module", "finit_module", "kexec_load", "reboot", "swapon"),
        *("settimeofday", "clock_settime", "adjtimex", "sethostname", "setdomainname", "acct", "quotactl", "syslog"),
        *("open_by_handle_at", "name_to_handle_at", "fanotify_init", "mknod", "mknodat", "iopl", "ioperm"),
        *("personality", "mbind", "move_pages", "migrate_pages", "vhangup", "lookup_dcookie", "nfsservctl"),
    }
    assert not leading_out & set(seccomp.allowed_numbers(machine))


def test_the_list_is_sorted_and_names_no_call_twice() -> None:
    """Every call stands once, in order, with a number on at least one architecture and no number twice."""
    for machine in MACHINES:
        numbers = list(seccomp.allowed_numbers(machine).values())
        assert len(numbers) == len(set(numbers))
    names = list(seccomp.allowed_numbers("x86_64"))
    assert names == sorted(names)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_kernel_takes_it(machine: str) -> None:
    """The program stays far below the kernel's 4,096 instructions, and no jump leads behind its end."""
    instructions = code(machine)
    assert len(instructions) < 1024
    for at, (operation, if_true, if_false, _) in enumerate(instructions):
        if operation in (0x15, 0x35, 0x45):
            assert at + 1 + max(if_true, if_false) < len(instructions)
    assert instructions[-1][0] == 0x06


def test_an_unknown_machine_is_refused() -> None:
    """There is no filter for a machine whose numbers are not listed, rather than a wrong one."""
    with pytest.raises(KeyError):
        seccomp.program("riscv64")
