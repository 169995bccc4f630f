"""Request ids, trace ids and names of environments: random, shaped as AWS's, made in batches.

A function must not be able to guess another invocation's request id, so they come from the kernel's generator; a
system call for each would cost more than everything else about them.
"""

import os
from collections.abc import Callable

_BATCH = 64


class RequestIds:
    """Source of random identifiers."""

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._ready: list[bytes] = []
        self._traces: list[tuple[bytes, bytes]] = []

    def request_id(self) -> bytes:
        """A random UUID (version 4), 36 characters."""
        if not self._ready:
            self._ready = self._batch()
        return self._ready.pop()

    def trace_id(self, epoch_seconds: float) -> bytes:
        """A value for X-Amzn-Trace-Id, not sampled."""
        if not self._traces:
            digits = self._random_bytes(20 * _BATCH).hex().encode()
            self._traces = [(digits[at : at + 24], digits[at + 24 : at + 40]) for at in range(0, 40 * _BATCH, 40)]
        root, parent = self._traces.pop()
        return b"Root=1-%08x-%b;Parent=%b;Sampled=0" % (int(epoch_seconds) & 0xFFFFFFFF, root, parent)

    def hex32(self) -> str:
        """32 hexadecimal digits: the last part of a log stream's name."""
        return self._random_bytes(16).hex()

    def _batch(self) -> list[bytes]:
        digits = self._random_bytes(16 * _BATCH).hex()
        return [_uuid(digits[start : start + 32]) for start in range(0, 32 * _BATCH, 32)]


def _uuid(digits: str) -> bytes:
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}".encode()
