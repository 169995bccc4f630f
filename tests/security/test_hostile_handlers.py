"""Function code that means harm, in the real sandbox: what it may not see, reach, change or use up.

Each handler reports what it managed to do; the test says that it was nothing. Limits are tried for real and bounded.
"""

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import ENDPOINT_PORT, Workshop, namespace_sandbox, workshop, write_package

pytestmark = pytest.mark.needs("namespaces")

TOOLS = '''
import ctypes, errno, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"x86_64": {
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "ptrace": 101,
    "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312, "keyctl": 250, "add_key": 248,
    "request_key": 249, "bpf": 321, "io_uring_setup": 425, "io_setup": 206, "userfaultfd": 323, "perf_event_open": 298,
    "mknod": 133, "mknodat": 259, "open_tree": 428, "move_mount": 429, "fsopen": 430, "mount_setattr": 442,
    "open_by_handle_at": 304, "init_module": 175, "finit_module": 313, "kexec_load": 246, "reboot": 169,
    "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "sethostname": 170, "swapon": 167, "acct": 163,
    "syslog": 103, "quotactl": 179, "fanotify_init": 300, "personality": 135, "iopl": 172, "vhangup": 153,
}, "aarch64": {
    "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "ptrace": 117,
    "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "kcmp": 272, "keyctl": 219, "add_key": 217,
    "bpf": 280, "io_uring_setup": 425, "userfaultfd": 282, "perf_event_open": 241, "mknodat": 33, "open_tree": 428,
}}[os.uname().machine]
def call(number, *arguments):
    """The error's name, or the result, of a system call."""
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments))
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(work, *arguments):
    """None if it failed, else what it came to."""
    try:
        return str(work(*arguments))[:200] or "something"
    except Exception:
        return None
def read(path):
    with open(path, "rb") as file:
        return file.read(200)
'''


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


def hostile(directory: Path, source: str) -> Path:
    return write_package(directory, {"app.py": TOOLS + source})


def run(shop: Workshop, tmp_path: Path, source: str, event: Any = None, **settings: Any) -> Any:
    return shop.invoke(hostile(tmp_path / "function", source), event, **settings)


# --- what it may see ------------------------------------------------------------------------------------------------


def test_the_host_s_files_are_not_there(shop: Workshop, tmp_path: Path) -> None:
    """Neither homes, accounts, secrets, this checkout, other functions' packages nor the kernel's files can be seen."""
    other = write_package(tmp_path / "other", {"secret.py": "x"})
    paths = [
        *("/root", "/home", "/boot", "/sys/kernel", "/run", "/var/lib", "/var/log", "/etc/shadow", "/etc/ssh"),
        *("/etc/hostname", "/dev/kmsg", "/dev/mem", "/dev/tty", "/dev/shm", "/dev/fuse", "/dev/kvm", "/proc/kcore"),
        *(str(other), str(other / "secret.py"), str(tmp_path), str(Path(__file__).resolve()), str(Path.home())),
    ]
    source = """
def handler(paths, context):
    seen = [path for path in paths if os.path.lexists(path) and (not os.path.isdir(path) or attempt(os.listdir, path) not in (None, "[]"))]
    climbed = [path for path in ("/var/task/../../../..", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../..")
               if set(attempt(os.listdir, path) or "[]") and "home" in (attempt(os.listdir, path) or "")]
    return seen + climbed
"""
    assert run(shop, tmp_path, source, paths) == []


def test_only_its_own_processes_can_be_seen(shop: Workshop, tmp_path: Path) -> None:
    """/proc shows init and the runtime; no signal reaches anybody else."""
    source = """
def handler(event, context):
    return [sorted(int(n) for n in os.listdir("/proc") if n.isdigit()), os.getpid(), os.getppid(),
            [pid for pid in range(1, 5000) if pid not in (1, os.getpid()) and attempt(os.kill, pid, 0)]]
"""
    processes, own, parent, reached = run(shop, tmp_path, source)
    assert processes == [1, own]
    assert parent == 0
    assert reached == []


def test_nothing_is_inherited(shop: Workshop, tmp_path: Path) -> None:
    """It holds nothing but its standard streams and its own connection; no variable of the host's has come along."""
    source = """
def handler(event, context):
    found = {}
    for name in os.listdir("/proc/self/fd"):
        target = attempt(os.readlink, "/proc/self/fd/" + name)
        if target:
            found[name] = target.split(":")[0]
    return [found, sorted(os.environ), attempt(read, "/proc/1/environ")]
"""
    os.environ["MIDGE_TEST_SECRET"] = "not for functions"
    try:
        descriptors, names, init = run(shop, tmp_path, source)
    finally:
        del os.environ["MIDGE_TEST_SECRET"]
    # 3 is standard output again, for framed log messages; 4 the connection to the Runtime API.
    assert descriptors == {"0": "/dev/null", "1": "pipe", "2": "pipe", "3": "pipe", "4": "socket"}
    assert "MIDGE_TEST_SECRET" not in names
    assert init is None


INIT = """
import time
def handler(wait_seconds, context):
    deadline = time.monotonic() + wait_seconds
    while b"sleep" not in read("/proc/1/cmdline") and time.monotonic() < deadline:
        time.sleep(0.05)
    files = ["environ", "maps", "mem", "fd", "fdinfo", "root", "cwd", "exe", "task/1/mem", "map_files", "syscall", "stack"]
    opened = [name for name in files for how in (read, os.listdir, os.readlink) if attempt(how, "/proc/1/" + name)]
    written = [name for name in ("mem", "oom_score_adj", "comm", "clear_refs") if attempt(open, "/proc/1/" + name, "wb")]
    return [opened, written, read("/proc/1/cmdline").decode()[:14]]
"""


@pytest.mark.parametrize(
    ("wait_seconds", "more"),
    [(0, {}), (10, {}), (0, {"PYTHONUNBUFFERED": "1"}), (2, {"PYTHONUNBUFFERED": "1"})],
    ids=["forked, early", "forked, made small", "direct, early", "direct, later"],
)
def test_init_is_closed_to_it(shop: Workshop, tmp_path: Path, wait_seconds: int, more: dict[str, Any]) -> None:
    """Neither early nor after it has made itself small can the first process be read, written or taken over."""
    opened, written, _ = run(shop, tmp_path, INIT, wait_seconds, **more)
    assert opened == []
    assert written == []


def test_init_loads_nothing_of_the_function_s(shop: Workshop, tmp_path: Path) -> None:
    """A libc.so.6 in the package, where the runtime's library path leads, is not what init runs with."""
    source = """
import time
def handler(event, context):
    deadline = time.monotonic() + 10
    while b"sleep" not in read("/proc/1/cmdline") and time.monotonic() < deadline:
        time.sleep(0.05)
    return [read("/proc/1/cmdline").decode(), attempt(os.kill, 1, 0)]
"""
    at = write_package(
        tmp_path / "function",
        {"app.py": TOOLS + source, "libc.so.6": "not a library", "lib/libc.so.6": "not a library"},
    )
    assert shop.invoke(at) == ["sleep\x00infinity\x00", "None"]


# --- what it may do -------------------------------------------------------------------------------------------------


def test_it_has_no_rights(shop: Workshop, tmp_path: Path) -> None:
    """No capabilities of any kind, no way to gain one, a filter in force, and one user that owns nothing outside."""
    source = """
def handler(event, context):
    with open("/proc/self/status") as file:
        status = dict(line.partition(":")[::2] for line in file.read().splitlines())
    return [status, os.getgroups(), open("/proc/self/uid_map").read().split()]
"""
    status, groups, mapping = run(shop, tmp_path, source)
    assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert status["Uid"].split() == ["993"] * 4
    assert groups == []
    assert mapping[0] == "993"
    assert mapping[2] == "1"
    assert os.geteuid() != 0 or int(mapping[1]) >= 700_000_000


def test_the_calls_that_lead_out_are_refused(shop: Workshop, tmp_path: Path) -> None:
    """Mounts, namespaces, tracing, keyrings, BPF, io_uring, device nodes, clocks and the like fail with EPERM."""
    source = """
def handler(event, context):
    return {name: call(number, 0, 0, 0, 0, 0) for name, number in CALLS.items()}
"""
    results = run(shop, tmp_path, source)
    assert {name: result for name, result in results.items() if result != "EPERM"} == {}


def test_namespaces_sockets_and_identities_are_refused(shop: Workshop, tmp_path: Path) -> None:
    """clone() makes no namespace, sockets have the ordinary families, and nobody else can be become."""
    source = """
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
def handler(event, context):
    flags = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
    made = [hex(flag) for flag in flags if call(CLONE, flag | 17, 0, 0, 0, 0) != "EPERM"]
    if call(435, 0, 0) != "ENOSYS":
        made.append("clone3")
    families = [family for family in range(46) if attempt(socket.socket, family, socket.SOCK_STREAM)]
    raw = attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
    become = [user for user in (0, 1, 1000, 65534) if attempt(os.setuid, user) or attempt(os.setgid, user)]
    groups = attempt(os.setgroups, [0])
    priority = [attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)), attempt(os.nice, -5)]
    return [made, families, raw, become, groups, priority]
"""
    made, families, raw, become, groups, priority = run(shop, tmp_path, source)
    assert made == []
    assert set(families) <= {1, 2, 10}
    assert (raw, become, groups, priority) == (None, [], None, [None, None])


def test_set_user_id_programs_do_nothing_for_it(shop: Workshop, tmp_path: Path) -> None:
    """Programs of the machine with the set-user-id bit, and copies that a function makes, run as the function's user."""
    source = """
import shutil, subprocess
def handler(event, context):
    shutil.copy("/usr/bin/id", "/tmp/id")
    os.chmod("/tmp/id", 0o6755)
    return [subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout,
            subprocess.run(["su", "-c", "id"], capture_output=True, stdin=subprocess.DEVNULL).returncode]
"""
    user, code = run(shop, tmp_path, source)
    assert user == "993\n"
    assert code != 0


def test_nothing_but_tmp_can_be_written(shop: Workshop, tmp_path: Path) -> None:
    """Writing, deleting, renaming, changing modes and remounting fail everywhere but in /tmp."""
    source = """
def handler(event, context):
    places = [root for root, directories, files in os.walk("/") if not root.startswith(("/proc", "/tmp")) and root.count("/") < 4]
    def make(place):
        with open(place + "/made", "w"):
            return "made"
    made = [place for place in places if attempt(make, place) or attempt(os.mkdir, place + "/d")]
    changed = [path for path in ("/var/task/app.py", "/etc/passwd", "/usr/bin/env", "/var/task", "/")
               if attempt(open, path, "a") or attempt(os.chmod, path, 0o777) or attempt(os.utime, path, (0, 0))
               or attempt(os.rename, path, "/tmp/x") or attempt(os.unlink, path)]
    def write(path):
        return os.write(os.open(path, os.O_WRONLY), b"1")
    settings = [path for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
                "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/self/uid_map")
                if attempt(write, path)]
    make("/tmp")
    return [len(places) > 20, made, changed, settings, os.listdir("/tmp")]
"""
    assert run(shop, tmp_path, source) == [True, [], [], [], ["made"]]


def test_devices_are_five_and_harmless(shop: Workshop, tmp_path: Path) -> None:
    """/dev holds null, zero, full, random and urandom; they work, and no other device can be opened."""
    source = """
import stat
def handler(event, context):
    devices = [n for n in os.listdir("/dev") if not os.path.islink("/dev/" + n)]
    zero = open("/dev/zero", "rb").read(4) == bytes(4)
    random = len(open("/dev/urandom", "rb").read(16)) == 16
    return [sorted(devices), zero and random, attempt(lambda: open("/dev/full", "wb", 0).write(b"x"))]
"""
    assert run(shop, tmp_path, source) == [["full", "null", "random", "urandom", "zero"], True, None]


# --- what it may reach ----------------------------------------------------------------------------------------------


def test_the_host_s_loopback_is_out_of_reach(shop: Workshop, tmp_path: Path) -> None:
    """A service on the host's 127.0.0.1, and one on an abstract Unix socket, cannot be connected to from inside."""
    source = """
def handler(event, context):
    port, name = event
    def tcp(address):
        with socket.create_connection((address, port), 2):
            return "connected"
    def unix():
        with socket.socket(socket.AF_UNIX) as any_socket:
            any_socket.connect("\\0" + name)
            return "connected"
    addresses = ("127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2", "169.254.169.254", "10.0.0.1")
    interfaces = [name for _, name in socket.if_nameindex()]
    return [[a for a in addresses if attempt(tcp, a)], attempt(unix), [n for n in interfaces if n == "lo"]]
"""
    name = f"midge-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen()
        with socket.create_connection(listener.getsockname(), 2):
            reached = run(shop, tmp_path, source, [listener.getsockname()[1], name])
    assert reached == [[], None, ["lo"]]


def test_another_environment_s_runtime_api_is_out_of_reach(shop: Workshop, tmp_path: Path) -> None:
    """The listeners inside are its own: another environment's cannot be found, and its shared memory neither."""
    source = """
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
def listeners():
    with open("/proc/net/tcp") as file:
        return sorted(int(line.split()[1].split(":")[1], 16) for line in file.readlines()[1:] if line.split()[3] == "0A")
def handler(event, context):
    if event == "leave":
        with socket.socket() as listener:
            pass
        libc.shmget(4711, 4096, 0o1666)
        return listeners()
    return [listeners(), libc.shmget(4711, 4096, 0), os.path.exists("/dev/mqueue"), os.listdir("/tmp")]
"""
    at = hostile(tmp_path / "function", source)

    async def work() -> list[Any]:
        async with shop.open_environment(at) as first, shop.open_environment(at) as second:
            return [await first.invoke("leave"), await second.invoke("look")]

    left, seen = shop.run(work())
    assert left == sorted([9001, ENDPOINT_PORT])
    assert seen == [sorted([9001, ENDPOINT_PORT]), -1, False, []]


def test_tmp_is_its_own(shop: Workshop, tmp_path: Path) -> None:
    """What one environment writes to /tmp no other sees, and nothing of it appears on the host."""
    source = """
def handler(event, context):
    before = os.listdir("/tmp")
    with open("/tmp/" + event, "w") as file:
        file.write("x")
    return [before, oct(os.stat("/tmp").st_mode & 0o777)]
"""
    at = hostile(tmp_path / "function", source)
    mark = f"midge-mark-{os.getpid()}"

    async def work() -> list[Any]:
        async with shop.open_environment(at) as first, shop.open_environment(at) as second:
            return [await first.invoke(mark), await second.invoke("two"), await first.invoke("three")]

    first, second, again = shop.run(work())
    assert (first, second) == ([[], "0o700"], [[], "0o700"])
    assert again[0] == [mark]
    assert not (Path("/tmp") / mark).exists()


# --- what it may use up: test_hostile_limits.py ---------------------------------------------------------------------


def test_one_function_cannot_use_up_what_is_everybody_s(shop: Workshop, tmp_path: Path) -> None:
    """After a function took all timers, watches and queued signals it could get, others and the host still get theirs."""
    source = """
TIMER, WATCH = {"x86_64": (222, 294), "aarch64": (107, 26)}[os.uname().machine]
def handler(most, context):
    identity = ctypes.create_string_buffer(8)
    timers = watches = 0
    while timers < most and libc.syscall(TIMER, 1, None, identity) == 0:
        timers += 1
    while watches < 200 and libc.syscall(WATCH, 0) >= 0:
        watches += 1
    return [timers, watches]
"""
    at = hostile(tmp_path / "function", source)
    greedy = 200_000 if os.geteuid() == 0 else 10
    libc = ctypes.CDLL(None, use_errno=True)

    async def work() -> list[Any]:
        async with (
            shop.open_environment(at, memory_size_mb=512) as first,
            shop.open_environment(at, memory_size_mb=512) as second,
        ):
            taken = await first.invoke(greedy)
            watch = libc.inotify_init()
            if watch >= 0:
                os.close(watch)
            return [taken, watch >= 0, await second.invoke(10)]

    taken, watch, others = shop.run(work())
    assert taken[0] >= 10
    assert taken[1] >= 50
    assert watch
    assert others[0] == 10
    assert others[1] >= 50
