"""Tries, in a process of its own, each thing that an isolated environment needs; prints what came of it as JSON.

The steps build on one another as they do when an environment is made: after the first failure of a step that others
need, those are not tried.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import kernel


def _user_namespace() -> None:
    kernel.enter_user_namespace()


def _mounts() -> None:
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    place = tempfile.gettempdir()
    kernel.mount("tmpfs", place, "tmpfs", 0, "size=1m")
    os.close(kernel.open_tree(place))


def _process_namespace() -> None:
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP)
    pid = os.fork()
    if pid == 0:
        try:
            kernel.mount("proc", "/proc", "proc", 0)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError("/proc could not be mounted in a new pid namespace")


def _network_namespace() -> None:
    kernel.unshare(kernel.CLONE_NEWNET)
    kernel.loopback_up()


def _nested_user_namespace() -> None:
    kernel.unshare(kernel.CLONE_NEWUSER)


def _seccomp() -> None:
    kernel.forswear_capabilities()
    kernel.SeccompFilter(bytes.fromhex(sys.argv[1])).load()


STEPS = {
    "user namespace": _user_namespace,
    "mount namespace": _mounts,
    "pid, ipc, uts and cgroup namespaces": _process_namespace,
    "network namespace": _network_namespace,
    "nested user namespace": _nested_user_namespace,
    "seccomp filter": _seccomp,
}


def main() -> None:
    results: dict[str, str | None] = {}
    for name, step in STEPS.items():
        try:
            step()
            results[name] = None
        except (OSError, KeyError, AttributeError) as error:
            results[name] = str(error)
            break
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
