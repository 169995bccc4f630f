"""The runtime's process before it knows its function, and how an environment is bound to that.

Forked runtimes go on inside this process (``entry``). They keep their capabilities, which reach no further than the
environment's own namespaces, until they have been assigned and have mounted the function's code; no function code runs
before that. Others have given them up when they exec: at once, when the interpreter itself can wait (``command``), or
on assignment, when everything depends on the function (a ``bootstrap``, an interpreter's variables); init mounts for
them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import traceback

import kernel

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Protocol

    class Entry(Protocol):
        """The module of a runtime that is forked: ``runtimes/python/start.py``."""

        def preload(self, modules: list[str]) -> None: ...

        def run(self, assignment: dict[str, Any]) -> None: ...


USER_ID = 993
ASSIGNMENT_DESCRIPTOR = 3
MESSAGE_BYTES = 262144
_FILES_PER_MB = 256
_MOUNTED = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV


def become_unprivileged_user() -> None:
    """From the machine's user, who does not exist in here, to the one who does."""
    os.setresgid(USER_ID, USER_ID, USER_ID)
    os.setresuid(USER_ID, USER_ID, USER_ID)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # cleared by the change of user; /proc/self belongs to root without it
    kernel.die_with_parent()  # cleared as well


def close_all_but(*kept: int) -> None:
    """Nothing of the parent's is inherited but what is named here and the standard streams."""
    previous = 2
    for descriptor in sorted(kept):
        os.closerange(previous + 1, descriptor)
        previous = descriptor
    os.closerange(previous + 1, 4096)


def describe_end(status: int) -> dict[str, int | None]:
    """A wait status as {"exit": code, "signal": number or None}."""
    if os.WIFSIGNALED(status):
        return {"exit": 0, "signal": os.WTERMSIG(status)}
    return {"exit": os.WEXITSTATUS(status), "signal": None}


def limit_data(pid: int, limit_bytes: int | None) -> None:
    """Bound the memory of a process that no cgroup bounds."""
    if limit_bytes is not None:
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def enter_cgroups(process_lists: list[int]) -> None:
    for descriptor in process_lists:
        os.write(descriptor, b"0")
        os.close(descriptor)


def size_options(size_mb: int) -> str:
    """Files cost the kernel memory even when they are empty: as many as a disk of that size would take."""
    return f"size={size_mb}m,nr_inodes={size_mb * _FILES_PER_MB}"


def accept_assignment(control: socket.socket) -> tuple[dict[str, Any], bytes, list[int]]:
    """Mount what the function consists of.

    Returns where that is, what the runtime is to be told (a line of JSON), and the descriptors that came beside.
    """
    message, mounts, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 16)
    if not message:
        os._exit(0)
    line, _, for_runtime = message.partition(b"\n")
    place = json.loads(line)
    if place["resize"]:
        size = size_options(place["ephemeral_storage_mb"])
        kernel.mount(None, "/tmp", None, kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV, size)
    for descriptor, target in zip(mounts, place["mounts"]):
        kernel.move_mount(descriptor, target)
        kernel.mount(None, target, None, _MOUNTED)
        os.close(descriptor)
    if place["root"] is not None:
        _make_root(place["root"])
    return place, for_runtime, mounts[len(place["mounts"]) :]


def _make_root(image: str) -> None:
    """Let the mounted image be the root of every process here, with what is the environment's own over it.

    midge has seen to it that the image has real directories and files in these places.
    """
    for path in ("/proc", "/dev", "/tmp", "/etc/hosts", "/etc/resolv.conf"):
        kernel.mount(path, image + path, None, kernel.MS_BIND | kernel.MS_REC)
    os.chdir(image)
    kernel.pivot_root(".", ".")  # the old root comes to lie upon the new one (man 2 pivot_root)
    kernel.unmount(".", kernel.MNT_DETACH)
    os.chdir("/")


def tell_failure(reason: int, program: str, error: OSError) -> None:
    """To whoever waits for the runtime's end: that there never was one, and why."""
    failure = {"errno": error.errno, "found": os.path.isfile(program)}
    os.write(reason, json.dumps(failure).encode())


def describe_runtime_end(status: int, reason: int) -> dict[str, Any]:
    """As ``describe_end``, with what ``tell_failure`` told; only for a process that has ended, or this waits for it."""
    failure = os.read(reason, 256)
    return {**describe_end(status), **(json.loads(failure) if failure else {})}


def _execute_found(command: list[str], environment: dict[str, str]) -> NoReturn:
    """As execvp: a name without a slash is looked for in the PATH that it will see."""
    if "/" in command[0]:
        os.execve(command[0], command, environment)
    failure = OSError(2, f"{command[0]}: not found")
    for directory in environment.get("PATH", "").split(":"):
        try:
            os.execve(os.path.join(directory, command[0]), command, environment)
        except OSError as error:
            failure = error
    raise failure


def be_limited(settings: dict[str, Any]) -> None:
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(descriptor, b"500")
    os.close(descriptor)
    for name, value in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    kernel.forswear_capabilities()


def give_up_rights(settings: dict[str, Any]) -> None:
    kernel.drop_capabilities()
    settings["seccomp"].load()


def arrange_streams(output: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _read_assignment() -> dict[str, Any]:
    with os.fdopen(ASSIGNMENT_DESCRIPTOR, "r", encoding="utf-8") as file:
        line = file.readline()
    if not line:
        os._exit(0)
    return json.loads(line)


def _execute(descriptors: list[int], settings: dict[str, Any]) -> None:
    """Descriptors: the assignment, the output, the pipe for the reason of a failure, the cgroups' process lists."""
    assignment_read, output, reason, *process_lists = descriptors
    enter_cgroups(process_lists)
    os.setsid()
    arrange_streams(output)
    if assignment_read != ASSIGNMENT_DESCRIPTOR:
        os.dup2(assignment_read, ASSIGNMENT_DESCRIPTOR)
    os.set_inheritable(ASSIGNMENT_DESCRIPTOR, True)
    close_all_but(ASSIGNMENT_DESCRIPTOR, reason)  # which is another, for init made that pipe last
    be_limited(settings)
    give_up_rights(settings)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    if settings["command"] is not None:
        os.chdir("/")
        os.execve(settings["command"][0], settings["command"], settings["command_environment"])
    assignment = _read_assignment()
    limit_data(0, assignment["data_limit_bytes"])
    os.chdir(assignment["task_root"])
    try:
        _execute_found(assignment["command"], assignment["environment"])
    except OSError as error:
        tell_failure(reason, assignment["command"][0], error)
        sys.exit(127)


def _join(pid_descriptor: int, namespaces: int, descriptors: list[int], settings: dict[str, Any], entry: Entry) -> None:
    """Descriptors: the control socket, the output, the cgroups' process lists."""
    kernel.setns(pid_descriptor, namespaces)
    become_unprivileged_user()
    control, output, *process_lists = descriptors
    enter_cgroups(process_lists)
    os.setsid()
    arrange_streams(output)
    close_all_but(control)
    be_limited(settings)
    with socket.socket(fileno=control) as waiting:
        _, for_runtime, _ = accept_assignment(waiting)
    give_up_rights(settings)
    assignment = json.loads(for_runtime)
    limit_data(0, assignment["data_limit_bytes"])
    os.chdir(assignment["task_root"])
    entry.run(assignment)


def _live(life: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        life()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except OSError as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def execute(descriptors: list[int], settings: dict[str, Any]) -> NoReturn:
    """Become a runtime that is a program; never returns."""
    _live(lambda: _execute(descriptors, settings))


def join(
    pid_descriptor: int, namespaces: int, descriptors: list[int], settings: dict[str, Any], entry: Entry
) -> NoReturn:
    """Move into an environment's namespaces and become its runtime; never returns."""
    _live(lambda: _join(pid_descriptor, namespaces, descriptors, settings, entry))
