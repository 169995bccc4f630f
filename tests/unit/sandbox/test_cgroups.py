"""Which control groups are used on the machines that exist: version 1, version 2, both, neither. On trees of files."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from midge.model.limits import MIB
from midge.sandbox.cgroups import cpu, files
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.none import NoCgroups
from midge.sandbox.cgroups.port import PREFIX
from midge.sandbox.cgroups.v1 import CgroupsV1
from midge.sandbox.cgroups.v2 import CgroupsV2

NAME = f"{PREFIX}{os.getpid()}"
V1_LINE = "30 23 0:26 / {place} rw,relatime shared:9 - cgroup cgroup rw,{controller}\n"
V2_LINE = "31 23 0:27 / {place} rw,relatime shared:10 - cgroup2 cgroup2 rw\n"


@dataclass
class Kernel:
    """A machine's cgroup files. What is written is remembered, or refused."""

    root: Path
    mounts: str = ""
    groups: str = ""
    writes: dict[str, str] = field(default_factory=dict[str, str])
    refused: set[str] = field(default_factory=set[str])

    def v1(self, controller: str, group: str = "/", *, exists: bool = True) -> None:
        place = self.root / controller
        (place / group.lstrip("/") if exists else place).mkdir(parents=True)
        self.mounts += V1_LINE.format(place=place, controller=controller)
        self.groups += f"4:{controller}:{group}\n"

    def v2(self, group: str = "/", offered: str = "", enabled: str = "") -> Path:
        place = self.root / "unified"
        own = place / group.lstrip("/")
        own.mkdir(parents=True)
        for directory in {place, own}:
            (directory / "cgroup.controllers").write_text(offered)
            (directory / "cgroup.subtree_control").write_text(enabled)
        self.mounts += V2_LINE.format(place=place)
        self.groups += f"0::{group}\n"
        return own

    def read(self, path: Path) -> str | None:
        if path == Path("/proc/self/mountinfo"):
            return self.mounts
        if path == Path("/proc/self/cgroup"):
            return self.groups
        return path.read_text("ascii") if path.is_file() else None

    def write(self, path: Path, value: int | str) -> None:
        name = str(path.relative_to(self.root))
        if name in self.refused:
            raise OSError(16, "Device or resource busy")
        self.writes[name] = str(value)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path)
    monkeypatch.setattr(files, "read", made.read)
    monkeypatch.setattr(files, "write", made.write)
    return made


def test_version_1_limits_by_each_hierarchy(kernel: Kernel) -> None:
    """On version 1 an environment gets a group per controller, with limits of memory, share and processes."""
    for controller in ("memory", "cpu", "pids", "freezer"):
        kernel.v1(controller)
    found = open_cgroups(NAME, 1024)
    assert isinstance(found, CgroupsV1)
    assert found.limits_memory
    group = found.create("environment-1")
    group.limit_memory(1769)
    assert kernel.writes == {
        f"pids/{NAME}/environment-1/pids.max": "1024",
        f"memory/{NAME}/environment-1/memory.limit_in_bytes": str(1769 * MIB),
        f"memory/{NAME}/environment-1/memory.memsw.limit_in_bytes": str(1769 * MIB),
        f"cpu/{NAME}/environment-1/cpu.shares": "1024",
    }


def test_version_1_freezes_and_holds_the_cpu(kernel: Kernel) -> None:
    """Freezing and thawing, a quota of AWS's measure and none, go to the hierarchies that have them."""
    for controller in ("cpu", "freezer"):
        kernel.v1(controller)
    found = open_cgroups(NAME, 1024)
    assert (found.freezes, found.limits_cpu) == (True, True)
    group = found.create("environment-1")
    group.limit_memory(3538)
    state, quota = f"freezer/{NAME}/environment-1/freezer.state", f"cpu/{NAME}/environment-1/cpu.cfs_quota_us"
    for act, path, value in (
        (group.freeze, state, "FROZEN"),
        (group.thaw, state, "THAWED"),
        (group.hold_cpu, quota, "200000"),
        (group.release_cpu, quota, "-1"),
    ):
        act()
        assert kernel.writes[path] == value


def test_version_2_freezes_and_holds_the_cpu(kernel: Kernel) -> None:
    """The same on version 2, which freezes whatever controllers are handed down."""
    kernel.v2("/", offered="cpu", enabled="cpu")
    found = open_cgroups(NAME, 1024)
    assert (found.freezes, found.limits_cpu) == (True, True)
    group = found.create("environment-1")
    group.limit_memory(3538)
    state, quota = f"unified/{NAME}/environment-1/cgroup.freeze", f"unified/{NAME}/environment-1/cpu.max"
    for act, path, value in (
        (group.freeze, state, "1"),
        (group.thaw, state, "0"),
        (group.hold_cpu, quota, "200000 100000"),
        (group.release_cpu, quota, "max 100000"),
    ):
        act()
        assert kernel.writes[path] == value


@pytest.mark.parametrize("controller", ["memory", "pids"])
def test_what_the_machine_lacks_is_told_and_asked_for_in_vain(kernel: Kernel, controller: str) -> None:
    """Without a freezer or a CPU controller nothing is written, and whoever asks is told so."""
    kernel.v1(controller)
    found = open_cgroups(NAME, 1024)
    assert (found.freezes, found.limits_cpu) == (False, False)
    group = found.create("environment-1")
    before = dict(kernel.writes)
    for act in (group.freeze, group.thaw, group.hold_cpu, group.release_cpu):
        act()
    assert kernel.writes == before


@pytest.mark.parametrize(
    ("memory_size_mb", "cores"), [(128, 128 / 1769), (1769, 1.0), (3538, 2.0), (10_240, 10_240 / 1769)]
)
def test_memory_buys_cpu_by_aws_s_measure(memory_size_mb: int, cores: float) -> None:
    """A core for 1,769 MB, never more than six; shares and weights stay in the kernel's bounds."""
    assert cpu.cores(memory_size_mb) == pytest.approx(cores)
    assert cpu.cores(100_000) == 6
    assert 2 <= cpu.shares(memory_size_mb) <= 262_144
    assert 1 <= cpu.weight(memory_size_mb) <= 10_000


def test_version_1_works_below_the_group_that_midge_is_in(kernel: Kernel) -> None:
    """Where midge is in a group of a hierarchy, its environments' groups are below it, so that its limits hold."""
    kernel.v1("memory", "/system/one")
    kernel.v1("cpu", "/gone", exists=False)  # the group's path is seen from outside a container
    found = open_cgroups(NAME, 1024)
    assert found.directories() == [kernel.root / "memory/system/one" / NAME, kernel.root / "cpu" / NAME]


def test_without_a_swap_account_the_memory_limit_still_holds(kernel: Kernel) -> None:
    """A kernel that does not account for swap refuses that file alone."""
    kernel.v1("memory")
    group = open_cgroups(NAME, 1024).create("environment-1")
    kernel.refused.add(f"memory/{NAME}/environment-1/memory.memsw.limit_in_bytes")
    group.limit_memory(128)
    assert kernel.writes[f"memory/{NAME}/environment-1/memory.limit_in_bytes"] == str(128 * MIB)


def test_version_2_with_its_controllers_handed_down(kernel: Kernel) -> None:
    """On version 2 one group has it all; what is not yet handed down is asked for."""
    own = kernel.v2("/user/midge", offered="cpu io memory pids", enabled="memory")
    found = open_cgroups(NAME, 100)
    assert isinstance(found, CgroupsV2)
    assert kernel.writes["unified/user/midge/cgroup.subtree_control"] == "+cpu +memory +pids"
    group = found.create("environment-1")
    group.limit_memory(1769)
    place = f"unified/user/midge/{NAME}"
    assert kernel.writes[f"{place}/cgroup.subtree_control"] == "+cpu +memory +pids"
    assert kernel.writes[f"{place}/environment-1/memory.max"] == str(1769 * MIB)
    assert kernel.writes[f"{place}/environment-1/memory.swap.max"] == "0"
    assert kernel.writes[f"{place}/environment-1/pids.max"] == "100"
    assert 1 <= int(kernel.writes[f"{place}/environment-1/cpu.weight"]) <= 10_000
    assert found.directories() == [own / NAME]


def test_version_2_goes_to_the_root_where_processes_live_in_our_group(kernel: Kernel) -> None:
    """In a group with processes the kernel hands nothing down: the hierarchy's root is used instead."""
    kernel.v2("/session", offered="cpu memory pids")
    kernel.refused.add("unified/session/cgroup.subtree_control")
    found = open_cgroups(NAME, 100)
    assert isinstance(found, CgroupsV2)
    assert found.directories() == [kernel.root / "unified" / NAME]


def test_version_2_with_one_controller_uses_that_one(kernel: Kernel) -> None:
    """Where only the number of processes can be limited, it is, and nothing claims to limit memory."""
    kernel.v2("/", offered="pids", enabled="pids")
    found = open_cgroups(NAME, 100)
    assert isinstance(found, CgroupsV2)
    assert not found.limits_memory
    found.create("environment-1").limit_memory(128)
    assert not [path for path in kernel.writes if "memory" in path]


def test_a_hybrid_machine_uses_version_1(kernel: Kernel) -> None:
    """A unified hierarchy without controllers, beside version 1's, is passed over."""
    kernel.v2("/", offered="", enabled="")
    kernel.v1("memory")
    assert isinstance(open_cgroups(NAME, 100), CgroupsV1)


@pytest.mark.parametrize("arrange", [lambda _: None, lambda kernel: kernel.v2("/", offered="")])
def test_a_machine_without_groups_says_so(kernel: Kernel, arrange: Callable[[Kernel], None]) -> None:
    """Where nothing can be had, environments get groups that limit nothing, and the description says why."""
    arrange(kernel)
    found = open_cgroups(NAME, 100)
    assert isinstance(found, NoCgroups)
    assert found.description.startswith("none: ")
    group = found.create("environment-1")
    group.limit_memory(128)
    assert (group.process_lists(), group.memory_peak_bytes(), group.out_of_memory(), group.remove()) == (
        [],
        None,
        False,
        True,
    )


def test_a_refusing_machine_is_one_without_groups(kernel: Kernel) -> None:
    """If the groups that looked usable cannot be set up after all, midge goes on without."""
    kernel.v2("/", offered="memory", enabled="memory")
    kernel.refused.add(f"unified/{NAME}/cgroup.subtree_control")
    found = open_cgroups(NAME, 100)
    assert isinstance(found, NoCgroups)
    assert "busy" in found.description


V1_FILES = ("memory.oom_control", "memory.max_usage_in_bytes")
V2_FILES = ("memory.events", "memory.peak")


@pytest.mark.parametrize(
    ("files", "content", "killed"),
    [
        (V1_FILES, "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
        (V1_FILES, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        (V2_FILES, "low 0\nmax 7\noom 1\noom_kill 0\n", False),
        (V2_FILES, "low 0\nmax 7\noom 1\noom_kill 1\n", True),
    ],
)
def test_what_the_kernel_counted_is_read(kernel: Kernel, files: tuple[str, str], content: str, killed: bool) -> None:
    """The peak of memory, and whether the kernel killed for want of it, come from the version's own files."""
    if files == V1_FILES:
        kernel.v1("memory")
    else:
        kernel.v2("/", offered="memory", enabled="memory")
    found = open_cgroups(NAME, 100)
    group = found.create("environment-1")
    directory = found.directories()[0] / "environment-1"
    (directory / files[0]).write_text(content)
    (directory / files[1]).write_text("34603008\n")
    assert group.out_of_memory() is killed
    assert group.memory_peak_bytes() == 34603008


def test_an_older_version_2_tells_the_memory_in_use(kernel: Kernel) -> None:
    """Without memory.peak (before Linux 5.19) the memory in use now stands for it."""
    kernel.v2("/", offered="memory", enabled="memory")
    found = open_cgroups(NAME, 100)
    group = found.create("environment-1")
    (found.directories()[0] / "environment-1" / "memory.current").write_text("4096\n")
    assert group.memory_peak_bytes() == 4096


def test_a_group_goes_when_it_is_empty_and_not_before(kernel: Kernel) -> None:
    """Removing a group in use says so and can be tried again; removing it twice is harmless."""
    kernel.v1("memory")
    kernel.v1("cpu")
    found = open_cgroups(NAME, 100)
    group = found.create("environment-1")
    in_use = kernel.root / "memory" / NAME / "environment-1" / "process"
    in_use.touch()
    assert group.remove() is False
    in_use.unlink()
    assert group.remove() is True
    assert group.remove() is True
    found.close()
    assert not any(directory.exists() for directory in found.directories())


def test_what_a_dead_midge_left_is_removed_and_a_living_one_s_is_not(kernel: Kernel) -> None:
    """Groups that no midge holds on to are swept away at the next start; all others stay."""
    kernel.v1("memory")
    living = open_cgroups(f"{PREFIX}living", 100)
    for name in ("other", f"{PREFIX}dead/environment-1"):
        (kernel.root / "memory" / name).mkdir(parents=True)
    ours = open_cgroups(NAME, 100)
    assert {path.name for path in (kernel.root / "memory").iterdir()} == {"other", f"{PREFIX}living", NAME}
    living.close()
    ours.close()
    assert {path.name for path in (kernel.root / "memory").iterdir()} == {"other"}
