"""The program in which moto runs: dies with midge whatever happens to midge, and logs no more than warnings.

Started by ``moto`` as ``python -m midge.neighbours.moto_process PARENT PORT``; imports nothing else of midge.
Linux only in the dying: PR_SET_PDEATHSIG, see https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

import ctypes
import importlib
import logging
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when ``parent`` ends, also by kill -9; exit if it has ended already."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


def main(parent: int, port: int) -> None:
    """Serve on loopback until killed."""
    die_with(parent)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server: Any = importlib.import_module("moto.server")
    server.main(["-H", "127.0.0.1", "-p", str(port)])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
