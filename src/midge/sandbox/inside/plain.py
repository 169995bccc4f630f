"""Becomes a runtime without any isolation: limits, then exec. For machines that offer no namespaces.

Arguments: the limits as JSON, the descriptor that is told why the command cannot be executed, then the command.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import kernel
import stem


def main() -> None:
    kernel.die_with_parent()
    for name, value in json.loads(sys.argv[1]).items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    reason, command = int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(reason, False)
    try:
        os.execve(command[0], command, os.environ)
    except OSError as error:
        stem.tell_failure(reason, command[0], error)
        os._exit(127)


if __name__ == "__main__":
    main()
