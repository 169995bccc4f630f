"""Detached mounts of directories, to be handed to environments as descriptors."""

import contextlib
import os
from collections.abc import Generator, Iterable
from pathlib import Path

from midge.sandbox.inside import kernel


@contextlib.contextmanager
def open_packages(directories: Iterable[Path]) -> Generator[list[int]]:
    """For each directory a descriptor of a mount of it that is attached nowhere yet; closed on leaving. Raises OSError."""
    descriptors: list[int] = []
    try:
        for directory in directories:
            descriptors.append(kernel.open_tree(str(directory)))  # noqa: PERF401 - what was opened is closed on failure
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
