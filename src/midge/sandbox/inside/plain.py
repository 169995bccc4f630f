"""Becomes a runtime without any isolation: limits, then exec. For machines that offer no namespaces.

Arguments: the limits as JSON, then the command.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import kernel


def main() -> None:
    kernel.die_with_parent()
    for name, value in json.loads(sys.argv[1]).items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    os.execve(sys.argv[2], sys.argv[2:], os.environ)


if __name__ == "__main__":
    main()
