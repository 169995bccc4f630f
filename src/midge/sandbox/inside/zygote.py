"""The process that execution environments are forked from, one per runtime.

It imports once what every environment of the runtime needs, then forks on request: a message on its control socket
carries the new environment's own control socket, and the answer its pid. Only trusted code runs here; function code
runs in the children, behind their own namespaces. Arguments: the control socket's descriptor, the settings as JSON.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys

import init
import kernel

ISOLATION = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
MESSAGE_BYTES = 4096


def _map_user(pid, host_uid):
    """Let the child be user 993, as on AWS, and nobody else; outside it is ``host_uid``, who owns nothing."""
    line = f"{init.USER_ID} {host_uid} 1"
    for name, text in (("setgroups", "deny"), ("uid_map", line), ("gid_map", line)):
        with open(f"/proc/{pid}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def _fork(request, environment_control, settings, entry):
    pid = kernel.clone(ISOLATION)
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        init.main(environment_control, {**settings, **request}, entry)
    try:
        _map_user(pid, request["host_uid"])
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise
    return pid


def serve(control, settings, entry):
    """Answer fork requests until the other side goes away."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 1)
        if not message:
            return
        request = json.loads(message)
        try:
            with socket.socket(fileno=descriptors[0]) as environment_control:
                answer = {"pid": _fork(request, environment_control, settings, entry)}
        except (OSError, IndexError) as error:
            answer = {"error": str(error)}
        control.send(json.dumps(answer).encode())


def main():
    kernel.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is midge's to act on
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    if settings["layout"] is not None:
        import root

        root.enter(settings["layout"])
    entry = None
    if settings["entry"] is not None:
        entry = importlib.import_module(settings["entry"])
        entry.preload(settings["preload"])
    gc.collect()
    gc.freeze()
    control.send(b'{"ready": true}')
    serve(control, settings, entry)
    os._exit(0)


if __name__ == "__main__":
    main()
