"""The first process of an execution environment: prepares it, starts the runtime's process, and outlives it.

It keeps its capabilities, which reach no further than the environment's own namespaces, until the environment has been
assigned to a function and the function's code is mounted; no function code runs before that. Then it drops them, and
only reaps orphans and reports how the runtime's process ended. When it ends, the kernel ends everything inside.

Messages on the control socket (JSON, one per packet):
  midge: {"go": true}            placed in its cgroup
  init:  {"ready": true}         + listeners on 127.0.0.1:9001 and the AWS endpoint's port, the read end of the output
  midge: {"assign": {...}}       + one mount per entry of "mounts"
  init:  {"exit": 0, "signal": null}
"""

import base64
import json
import os
import resource
import signal
import socket

import kernel
import stem

USER_ID = 993
MESSAGE_BYTES = 262144
_MOUNTED = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV


def _become_unprivileged_user():
    os.setresgid(USER_ID, USER_ID, USER_ID)
    os.setresuid(USER_ID, USER_ID, USER_ID)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # cleared by the change of user; /proc/self belongs to root without it


def _private_places(settings):
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", flags | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", "/tmp", "tmpfs", flags, f"mode=700,size={settings['ephemeral_storage_mb']}m")
    socket.sethostname("localhost")


def _listener(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


def _limits(settings):
    for name, value in settings["limits"].items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, value))


def _close_all_but(*kept):
    """Nothing of the zygote's is inherited but what is named here."""
    previous = 2
    for descriptor in sorted(kept):
        os.closerange(previous + 1, descriptor)
        previous = descriptor
    os.closerange(previous + 1, 4096)


def _start_runtime(settings, entry, output):
    """Fork the process that will run the function; returns its pid and the descriptor that its assignment goes to."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        stem.main(read_end, output, settings, entry)
    os.close(read_end)
    return pid, write_end


def _let_go_of_standard_streams():
    """The zygote's are midge's own log; function code could reach them through /proc/1/fd."""
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _accept_assignment(control):
    message, mounts, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 16)
    if not message:
        os._exit(0)
    assignment = json.loads(message)["assign"]
    size = assignment["ephemeral_storage_mb"]
    kernel.mount(None, "/tmp", None, kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV, f"size={size}m")
    for descriptor, target in zip(mounts, assignment["mounts"]):
        kernel.move_mount(descriptor, target)
        kernel.mount(None, target, None, _MOUNTED)
        os.close(descriptor)
    return assignment


def _reap_until_end(runtime_pid):
    """Wait for the runtime's process; orphans that end meanwhile are reaped on the way."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == runtime_pid:
            return status


def _live(control, settings, entry):
    kernel.die_with_parent()
    control.setblocking(True)
    if not control.recv(64):
        os._exit(0)
    _become_unprivileged_user()
    kernel.die_with_parent()  # cleared by the change of user
    _private_places(settings)
    kernel.loopback_up()
    api, endpoint = _listener(9001), _listener(settings["endpoint_port"])
    output_read, output_write = os.pipe()
    socket.send_fds(control, [b'{"ready": true}'], [api.fileno(), endpoint.fileno(), output_read])
    _limits(settings)
    _close_all_but(control.fileno(), output_write)
    runtime_pid, assign = _start_runtime(settings, entry, output_write)
    os.close(output_write)
    _let_go_of_standard_streams()
    kernel.forswear_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # function code runs as the same user: nothing of ours is open to it
    assignment = _accept_assignment(control)
    if assignment["data_limit_bytes"] is not None:
        resource.prlimit(runtime_pid, resource.RLIMIT_DATA, (assignment["data_limit_bytes"],) * 2)
    os.write(assign, json.dumps(assignment).encode() + b"\n")
    os.close(assign)
    # Nobody waits for the rest: this process takes nothing from function code, which cannot reach it either.
    kernel.drop_capabilities()
    kernel.load_seccomp(base64.b64decode(settings["seccomp"]))
    status = _reap_until_end(runtime_pid)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    control.send(json.dumps({"exit": code, "signal": ended_by}).encode())


def main(control, settings, entry):
    """Live the environment's life; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _live(control, settings, entry)
    except BaseException as error:  # the last thing this process can do is to say why
        control.send(json.dumps({"failed": repr(error)}).encode())
    finally:
        os._exit(0)
