"""What the server's own figures say, waited for."""

import time
import urllib.request

from functional.server import Midge

WAIT_SECONDS = 30.0


def until(midge: Midge, line: str) -> None:
    """Wait until the server's metrics have this line."""
    deadline = time.monotonic() + WAIT_SECONDS
    found = ""
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{midge.endpoint}/_midge/metrics", timeout=10) as answer:
            found = answer.read().decode()
        if f"{line}\n" in found:
            return
    raise AssertionError(f"never {line!r}; at last:\n{found}")
