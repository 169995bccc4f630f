"""The runtime's process before it knows its function: gives up its rights, then waits to be assigned.

Forked runtimes go on inside this process (``entry``), others exec: at once, when the interpreter itself can wait
(``command``), or on assignment, when everything depends on the function (a ``bootstrap``, an interpreter's variables).
"""

import base64
import json
import os
import sys

import kernel

ASSIGNMENT_DESCRIPTOR = 3


def _give_up_rights(settings):
    with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
        file.write("500")  # the kernel takes this process before init, which then reports it
    kernel.forswear_capabilities()
    kernel.drop_capabilities()
    kernel.load_seccomp(base64.b64decode(settings["seccomp"]))


def _arrange_descriptors(assignment_read, output):
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if assignment_read != ASSIGNMENT_DESCRIPTOR:
        os.dup2(assignment_read, ASSIGNMENT_DESCRIPTOR)
    os.set_inheritable(ASSIGNMENT_DESCRIPTOR, True)
    os.closerange(ASSIGNMENT_DESCRIPTOR + 1, 4096)


def _read_assignment():
    with os.fdopen(ASSIGNMENT_DESCRIPTOR, "r", encoding="utf-8") as file:
        line = file.readline()
    if not line:
        os._exit(0)
    return json.loads(line)


def _run(assignment_read, output, settings, entry):
    os.setsid()
    _arrange_descriptors(assignment_read, output)
    _give_up_rights(settings)
    if settings["command"] is not None:
        os.chdir("/")
        os.execve(settings["command"][0], settings["command"], settings["command_environment"])
    assignment = _read_assignment()
    os.chdir(assignment["task_root"])
    if assignment["command"] is not None:
        os.execve(assignment["command"][0], assignment["command"], assignment["environment"])
    entry.run(assignment)


def main(assignment_read, output, settings, entry):
    """Become the runtime; never returns."""
    code = 1
    try:
        _run(assignment_read, output, settings, entry)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
