"""The processes that execution environments are forked from: one pair per runtime.

The first zygote imports next to nothing and forks each environment's init, into new namespaces. Where a runtime can be
forked, it has a second one beside it, which imports once what every environment of the runtime needs and forks the
runtime's process straight into the namespaces that init has prepared: only that fork has to copy a large process.
Both answer requests on a control socket; only trusted code runs in them, function code runs in their children.
Arguments: the control sockets' descriptors (the second may be missing), the settings as JSON.
"""

from __future__ import annotations

import base64
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

import init
import kernel
import stem

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

ISOLATION = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
JOINED = ISOLATION & ~kernel.CLONE_NEWPID
MESSAGE_BYTES = 4096
DESCRIPTORS = 8


NESTED_IDS = 100_000
"""The first of the ids that a snapshot's user namespace has for those of its copies."""


def _map_user(pid: int, host_uid: int, nested: list[int] | None = None) -> None:
    """Let the child be user 993, as on AWS, and nobody else; outside it is ``host_uid``, who owns nothing.

    ``nested``, a first id and a count, are for the user namespaces below its own; nobody in it can become these.
    """
    line = f"{init.USER_ID} {host_uid} 1"
    if nested is not None:
        line += f"\n{NESTED_IDS} {nested[0]} {nested[1]}"
    for name, text in (("setgroups", "deny"), ("uid_map", line), ("gid_map", line)):
        with open(f"/proc/{pid}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _clone_as(host_uid: int) -> int:
    """Clone into new namespaces that belong to ``host_uid``.

    The kernel charges what an environment takes of limits per user (inotify, timers, queued signals, locked memory) to
    whoever made its user namespace as well: were that root, one function could use up root's on the whole machine.
    """
    if host_uid == os.geteuid():
        return kernel.clone(ISOLATION)
    os.seteuid(host_uid)  # capabilities stay: see _be_many_users
    pid = -1
    try:
        pid = kernel.clone(ISOLATION)
    finally:
        if pid != 0:
            os.seteuid(0)
            kernel.die_with_parent()  # cleared by the change of user
    return pid


def _be_many_users() -> None:
    """Of root's rights keep the capabilities, whoever we are for the moment; its groups are nobody's in here."""
    os.setgroups([])
    kernel.prctl(kernel.PR_SET_SECUREBITS, kernel.SECBIT_NO_SETUID_FIXUP)


def fork_init(request: dict[str, Any], descriptors: list[int], settings: dict[str, Any]) -> tuple[int, list[int]]:
    """A new environment's first process. Descriptors: its control socket, then its cgroups' process lists.

    Returns its pid, as it is seen here, and a descriptor of it, which means the same to midge as to us.
    """
    pid = _clone_as(request["host_uid"])
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        init.main(socket.socket(fileno=descriptors[0]), descriptors[1:], {**settings, **request})
    try:
        _map_user(pid, request["host_uid"], request.get("nested"))
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise
    return pid, [os.pidfd_open(pid)]


def _fork_within(request: dict[str, Any], descriptors: list[int], settings: dict[str, Any]) -> tuple[int, list[int]]:
    """As ``fork_init``, for an environment that a copy of a snapshot will join, from within the snapshot's namespaces."""
    pid = kernel.clone(ISOLATION)
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        init.main(socket.socket(fileno=descriptors[0]), descriptors[1:], {**settings, **request})
    descriptor = os.pidfd_open(pid)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            seen = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))  # /proc is our parents'
        _map_user(seen, NESTED_IDS + request["host_uid"])
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise
    return pid, [descriptor]


def _serve_within(init_pid: int, control: socket.socket, settings: dict[str, Any]) -> None:
    """Be a zygote in a snapshot's user and pid namespaces, whose own process never runs again.

    The copies of that process can join what is made here: it is the user who makes these user namespaces.
    """
    kernel.setns(init_pid, kernel.CLONE_NEWUSER)
    stem.close_all_but(control.fileno())
    os.setegid(init.USER_ID)
    os.seteuid(init.USER_ID)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # cleared by that; /proc/PID of its children would belong to root
    control.send(b'{"ready": true}')
    while serve_one(control, settings, _fork_within):
        continue


def fork_nest(request: dict[str, Any], descriptors: list[int], settings: dict[str, Any]) -> tuple[int, list[int]]:
    """Such a zygote. Descriptors: the init of the snapshot's environment, the control socket."""
    del request
    init_pid, control = descriptors
    pid = os.fork()
    if pid == 0:
        try:
            kernel.setns(init_pid, kernel.CLONE_NEWPID)
            if os.fork() == 0:
                _serve_within(init_pid, socket.socket(fileno=control), settings)
        finally:
            os._exit(0)
    return pid, []


def _fork(request: dict[str, Any], descriptors: list[int], settings: dict[str, Any]) -> tuple[int, list[int]]:
    return (fork_nest if request.get("nest") else fork_init)(request, descriptors, settings)


class RuntimeForker:
    """Forks the runtime's process of an environment into the namespaces that its init has prepared.

    It watches the processes through descriptors, not through a signal's handler: each child would have to undo that,
    and copy a hundred kilobytes of ours for it.
    """

    def __init__(self, control: socket.socket, settings: dict[str, Any], entry: stem.Entry) -> None:
        self._control = control
        self._settings = settings
        self._entry = entry
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._pids: dict[int, int] = {}

    def serve(self) -> None:
        """Fork, and report each child that has ended, until the other side goes away."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._pids:
                    self._tell_of_the_dead(descriptor)
                elif not serve_one(self._control, self._settings, self._fork):
                    return

    def _fork(self, request: dict[str, Any], descriptors: list[int], settings: dict[str, Any]) -> tuple[int, list[int]]:
        """Descriptors: init's pid, the control socket's end, that of the output, then the cgroups' process lists."""
        del request
        init_pid, *passed = descriptors
        # Where children are born. There is no going back, and no need to: nothing else is forked here, and each fork
        # sets it anew; to those who are not root the way back, into a namespace of root's, would be closed.
        kernel.setns(init_pid, kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            stem.join(init_pid, JOINED, passed, settings, self._entry)
        descriptor = os.pidfd_open(pid)
        self._pids[descriptor] = pid
        self._poll.register(descriptor, select.POLLIN)
        return pid, [os.dup(descriptor)]

    def _tell_of_the_dead(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)
        pid, status = os.waitpid(self._pids.pop(descriptor), 0)
        self._control.send(json.dumps({"ended": pid, **stem.describe_end(status)}).encode())


def serve_one(control: socket.socket, settings: dict[str, Any], fork: Callable[..., tuple[int, list[int]]]) -> bool:
    """Answer a fork request; False if the other side has gone away."""
    message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, DESCRIPTORS)
    if not message:
        return False
    request = json.loads(message)
    answers: list[int] = []
    try:
        pid, answers = fork(request, descriptors, settings)
        answer = {"pid": pid}
    except OSError as error:
        answer = {"error": str(error)}
    socket.send_fds(control, [json.dumps(answer).encode()], answers)
    for descriptor in (*descriptors, *answers):
        os.close(descriptor)
    return True


def _serve_runtimes(control: socket.socket, settings: dict[str, Any]) -> NoReturn:
    """Be the second zygote; never returns."""
    kernel.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    entry: Any = importlib.import_module(settings["entry"])
    entry.preload(settings["preload"])
    gc.collect()
    gc.freeze()
    forker = RuntimeForker(control, settings, entry)
    control.send(b'{"ready": true}')
    forker.serve()
    os._exit(0)


def main() -> NoReturn:
    kernel.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    *controls, settings = sys.argv[1:]
    controls = [socket.socket(fileno=int(descriptor)) for descriptor in controls]
    settings = json.loads(settings)
    settings["seccomp"] = kernel.SeccompFilter(base64.b64decode(settings["seccomp"]))
    if settings["layout"] is not None:
        # Inside they would not be found: init needs the one where a function has extensions.
        import companions  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import root

        root.enter(settings["layout"])
    if settings["own_users"]:
        _be_many_users()
    if len(controls) > 1:
        if os.fork() == 0:
            controls[0].close()
            _serve_runtimes(controls[1], settings)
        controls[1].close()
    gc.collect()
    gc.freeze()
    controls[0].send(b'{"ready": true}')
    while serve_one(controls[0], settings, _fork):
        continue
    os._exit(0)


if __name__ == "__main__":
    main()
