"""Outlives midge, also when it is killed with -9, to give back what the kernel would not: its cgroups.

Waits until its standard input ends, which is when midge is gone; then ends whatever is left in the cgroups named as
arguments, removes them, and ends. Everything else of midge's dies by itself, with the process that holds it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

ATTEMPTS = 200
PAUSE_SECONDS = 0.05


def _processes(directory: str) -> list[int]:
    try:
        with open(os.path.join(directory, "cgroup.procs"), encoding="utf-8") as file:
            return [int(line) for line in file]
    except OSError:
        return []


def _thaw(directory: str) -> None:
    """In version 1's freezer not even a killed process ends before it is thawed."""
    state = os.path.join(directory, "freezer.state")
    if os.path.exists(state):
        with open(state, "w", encoding="utf-8") as file:
            file.write("THAWED")


def remove(tree: str) -> bool:
    """Kill what lives in a tree of cgroups and remove it, from the leaves up; True when nothing of it is left."""
    for directory, _, _ in os.walk(tree, topdown=False):
        for pid in _processes(directory):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _thaw(directory)
        try:
            os.rmdir(directory)
        except OSError:
            continue  # not empty yet: processes take a moment to go, the next attempt finds it so
    return not os.path.exists(tree)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        continue
    for _ in range(ATTEMPTS):
        left = [tree for tree in sys.argv[1:] if not remove(tree)]
        if not left:
            return
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
