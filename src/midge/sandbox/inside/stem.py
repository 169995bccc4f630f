"""The runtime's process before it knows its function: gives up its rights, then waits to be assigned.

Forked runtimes go on inside this process (``entry``), others exec: at once, when the interpreter itself can wait
(``command``), or on assignment, when everything depends on the function (a ``bootstrap``, an interpreter's variables).
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import sys
import traceback

import kernel

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    class Entry(Protocol):
        """The module of a runtime that is forked: ``runtimes/python/start.py``."""

        def preload(self, modules: list[str]) -> None: ...

        def run(self, assignment: dict[str, Any]) -> None: ...


USER_ID = 993
ASSIGNMENT_DESCRIPTOR = 3


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


def _enter_cgroups(process_lists: list[int]) -> None:
    for descriptor in process_lists:
        os.write(descriptor, b"0")
        os.close(descriptor)


def _give_up_rights(settings: dict[str, Any]) -> None:
    with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
        file.write("500")
    for name, value in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    kernel.forswear_capabilities()
    kernel.drop_capabilities()
    kernel.load_seccomp(base64.b64decode(settings["seccomp"]))


def _arrange_descriptors(assignment_read: int, output: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if assignment_read != ASSIGNMENT_DESCRIPTOR:
        os.dup2(assignment_read, ASSIGNMENT_DESCRIPTOR)
    os.set_inheritable(ASSIGNMENT_DESCRIPTOR, True)
    os.closerange(ASSIGNMENT_DESCRIPTOR + 1, 4096)


def _read_assignment() -> dict[str, Any]:
    with os.fdopen(ASSIGNMENT_DESCRIPTOR, "r", encoding="utf-8") as file:
        line = file.readline()
    if not line:
        os._exit(0)
    return json.loads(line)


def _run(descriptors: list[int], settings: dict[str, Any], entry: Entry | None) -> None:
    assignment_read, output, *process_lists = descriptors
    _enter_cgroups(process_lists)
    os.setsid()
    _arrange_descriptors(assignment_read, output)
    _give_up_rights(settings)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    if entry is None and settings["command"] is not None:
        os.chdir("/")
        os.execve(settings["command"][0], settings["command"], settings["command_environment"])
    assignment = _read_assignment()
    limit_data(0, assignment["data_limit_bytes"])
    os.chdir(assignment["task_root"])
    if assignment["command"] is not None:
        os.execve(assignment["command"][0], assignment["command"], assignment["environment"])
    assert entry is not None
    entry.run(assignment)


def main(descriptors: list[int], settings: dict[str, Any], entry: Entry | None) -> NoReturn:
    """Become the runtime; never returns. Descriptors: the assignment, the output, the cgroups' process lists."""
    code = 1
    try:
        _run(descriptors, settings, entry)
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


def join(
    pid_descriptor: int, namespaces: int, descriptors: list[int], settings: dict[str, Any], entry: Entry
) -> NoReturn:
    """Move into an environment's namespaces and become its runtime; never returns."""
    try:
        kernel.setns(pid_descriptor, namespaces)
        become_unprivileged_user()
        close_all_but(*descriptors)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        os._exit(1)
    main(descriptors, settings, entry)
