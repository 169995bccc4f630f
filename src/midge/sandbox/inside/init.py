"""The first process of an execution environment: prepares its namespaces, binds its function, and outlives the runtime.

Where a runtime is to be forked into its environment (``joined``) its work is done with that, and it becomes as small
as it can; the runtime mounts its function's code. Else it starts the runtime and keeps its capabilities, which reach no
further than the environment's own namespaces, until the environment has been assigned to a function and its code is
mounted; no function code runs before that. When it ends, the kernel ends everything inside.

Messages on the control socket (JSON, one per packet):
  midge: {"go": true}            its user is mapped
  init:  {"ready": true}         + listeners on 127.0.0.1:9001 and the AWS endpoint's port, both ends of the output,
                                 and its runtime's process, if that is init's
  midge: {"mounts": [...], ...}  + a line for the runtime's process, + one mount per entry of "mounts";
                                 to whoever mounts, init or the runtime
  init:  {"exit": 0, "signal": null}   how the runtime's process ended, if that is init's; where its program could not be
                                       executed with "errno": 13 and whether there is such a file: "found": true
where a snapshot is copied into it, after the mounts:
  init:  {"bound": true}         all is mounted
  midge: {"copied": true}        the copy has joined
  init:  {"closed": true}        nothing of init is open to it any more
and where the function has external extensions (``companions.py``), whose output's end comes after the mounts:
  init:  {"extension": "name", "errno": 13}              one could not be started
  init:  {"extension": "name", "exit": 0, "signal": null}  how one's process ended
  midge: {"run": true}                                   the runtime may start
  init:  {"runtime": true, "exit": 0, "signal": null}    how the runtime's process ended, as above
The socket's end, which init holds as long as it lives, is the environment's.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket

import kernel
import root
import stem

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from typing import Any, NoReturn

USER_ID = stem.USER_ID
OUTPUT = "/tmp/.output"
_OWN_LIMITS = {"NPROC": 0, "FSIZE": 0, "NOFILE": 16, "DATA": 64 << 20, "CORE": 0}
"""What this process may still do itself: it lives outside the environment's cgroups."""
_SETTLING_SECONDS = 1.0
"""How long init waits before it shuts itself in: the processor is the function's first."""


def _private_places(settings: dict[str, Any]) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", flags | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", "/tmp", "tmpfs", flags, "mode=700," + stem.size_options(settings["ephemeral_storage_mb"]))
    socket.sethostname("localhost")


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


def _let_go_of_standard_streams() -> None:
    """The zygote's are midge's own log; function code could reach them through /proc/1/fd."""
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _reap(control: socket.socket, runtime_pid: int | None, reason: int = -1) -> None:
    """Reap what ends; returns when the runtime's process has, if it is ours, and has been reported.

    ``reason``: the pipe through which it tells that its program could not be executed.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            # Nothing to wait for: the runtime was forked by its zygote, which tells of its end.
            signal.sigwait([signal.SIGCHLD])
            continue
        if pid == runtime_pid:
            control.send(json.dumps(stem.describe_runtime_end(status, reason)).encode())
            return


def _limit_itself() -> None:
    for name, value in _OWN_LIMITS.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))


def _reap_the_ended() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _become_small() -> None:
    """Exchange this interpreter for a program that takes hardly any memory; orphans are then reaped by the kernel.

    Returns if there is no such program. It may be executed but not read, for then the kernel keeps its memory closed to
    function code, which runs as the same user; and it gets no variables, for among ours are library paths that lead to
    the function's code.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _reap_the_ended()
    try:
        os.execve(root.IDLE, ["sleep", "infinity"], {})
    except OSError:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _prepare(control: socket.socket, settings: dict[str, Any]) -> None:
    """Make the place fit to live in, as far as nobody is told of it."""
    kernel.die_with_parent()
    control.setblocking(True)
    if not control.recv(64):
        os._exit(0)
    stem.become_unprivileged_user()
    _private_places(settings)
    kernel.loopback_up()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])


def _tell_that_ready(control: socket.socket, settings: dict[str, Any], *descriptors: int) -> None:
    """``descriptors``: both ends of the output and, if there is a runtime, that of its process."""
    with _listener(9001) as api, _listener(settings["endpoint_port"]) as endpoint:
        handed_out = [api.fileno(), endpoint.fileno(), *descriptors]
        socket.send_fds(control, [b'{"ready": true}'], handed_out)


def _close_itself() -> None:
    """Function code runs as the same user: nothing of ours is open to it."""
    _let_go_of_standard_streams()
    kernel.forswear_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def _hold(control: socket.socket, settings: dict[str, Any]) -> None:
    """Keep the namespaces for a runtime that is forked into them."""
    _close_itself()
    kernel.drop_capabilities()
    _tell_that_ready(control, settings, *os.pipe())
    stem.close_all_but(control.fileno())
    _limit_itself()
    settings["seccomp"].load()
    _become_small()
    _reap(control, None)


def _output() -> tuple[int, int]:
    """Both ends of a pipe that has a name, for a process that nothing can be passed to; who opens it removes that."""
    os.mkfifo(OUTPUT, 0o600)
    read = os.open(OUTPUT, os.O_RDONLY | os.O_NONBLOCK)
    return read, os.open(OUTPUT, os.O_WRONLY)


def _hold_for_copy(control: socket.socket, settings: dict[str, Any]) -> None:
    """Keep the namespaces for a copy of a snapshot, which joins them while they, and we, are still open to it.

    It stands still until we have closed ourselves.
    """
    _let_go_of_standard_streams()
    # The copy shall have another pid than what it is a copy of: by that libraries see that they must draw new seeds.
    unused = os.fork()
    if unused == 0:
        os._exit(0)
    os.waitpid(unused, 0)
    _tell_that_ready(control, settings, *_output())
    stem.accept_assignment(control)
    control.send(b'{"bound": true}')
    if not control.recv(64):
        os._exit(0)
    _close_itself()
    kernel.drop_capabilities()
    control.send(b'{"closed": true}')
    stem.close_all_but(control.fileno())
    _limit_itself()
    settings["seccomp"].load()
    _become_small()
    _reap(control, None)


def _accompany(control: socket.socket, cgroups: list[int], settings: dict[str, Any]) -> None:
    """Start the runtime, and tell how it ends."""
    output_read, output_write = os.pipe()
    assignment_read, assignment_write = os.pipe()
    reason, reason_write = os.pipe()
    runtime_pid = os.fork()
    if runtime_pid == 0:
        stem.close_all_but(assignment_read, output_write, reason_write, *cgroups)
        stem.execute([assignment_read, output_write, reason_write, *cgroups], settings)
    _tell_that_ready(control, settings, output_read, output_write, os.pidfd_open(runtime_pid))
    stem.close_all_but(control.fileno(), assignment_write, reason, *cgroups)
    _close_itself()
    place, for_runtime, beside = stem.accept_assignment(control)
    stem.limit_data(runtime_pid, place["data_limit_bytes"])
    if beside:
        _accompany_with_extensions(
            control, (place, beside[0], cgroups), (runtime_pid, reason, assignment_write, for_runtime), settings
        )
        return
    os.write(assignment_write, for_runtime)
    os.close(assignment_write)
    for descriptor in cgroups:
        os.close(descriptor)
    # Nobody waits for the rest: this process takes nothing from function code, which cannot reach it either.
    kernel.drop_capabilities()
    _limit_itself()
    signal.sigtimedwait([signal.SIGCHLD], _SETTLING_SECONDS)  # less if the runtime ends meanwhile: midge wants to know
    settings["seccomp"].load()
    _reap(control, runtime_pid, reason)


def _accompany_with_extensions(
    control: socket.socket,
    given: tuple[dict[str, Any], int, list[int]],
    runtime: tuple[int, int, int, bytes],
    settings: dict[str, Any],
) -> None:
    """Start the extensions, then, when midge says so, the runtime, and tell how each ends.

    ``given``: the assignment's own part, the extensions' output, the cgroups' process lists. ``runtime``: its pid, the
    pipe for the reason of its failure, the pipe on which it waits, and what it waits for.
    """
    import companions  # most environments have none

    place, output, cgroups = given
    runtime_pid, reason, assignment_write, for_runtime = runtime
    others = companions.Companions(place, output, cgroups, place["data_limit_bytes"], settings)
    kernel.drop_capabilities()
    _limit_itself()
    settings["seccomp"].load()
    others.start(control)
    companions.watch(control, others, (runtime_pid, reason), (assignment_write, for_runtime))


def main(control: socket.socket, cgroups: list[int], settings: dict[str, Any]) -> NoReturn:
    """Live the environment's life; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _prepare(control, settings)
        if settings.get("copied"):
            _hold_for_copy(control, settings)
        elif settings["joined"]:
            _hold(control, settings)
        else:
            _accompany(control, cgroups, settings)
    except BaseException as error:  # the last thing this process can do is to say why
        control.send(json.dumps({"failed": repr(error)}).encode())
    finally:
        os._exit(0)
