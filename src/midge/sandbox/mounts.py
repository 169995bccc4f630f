"""Detached mounts of directories, to be handed to environments as descriptors."""

from pathlib import Path

from midge.sandbox.inside import kernel


def open_package(directory: Path) -> int:
    """A descriptor of a mount of ``directory`` that is attached nowhere yet; the caller closes it. Raises OSError."""
    return kernel.open_tree(str(directory))
