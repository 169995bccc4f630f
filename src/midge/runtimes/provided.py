"""Runtimes that a function brings itself: an executable ``bootstrap`` in its package."""

from collections.abc import Iterator

from midge.runtimes import base
from midge.runtimes.port import Runtime
from midge.sandbox.program import TASK_ROOT, Layout, Program

NAMES = ("provided.al2", "provided.al2023")


def runtimes() -> Iterator[Runtime]:
    """Both run on the machine's own userland."""
    layout = Layout(
        binds=base.userland_binds(), files=base.FILES, links=base.userland_links(), directories=base.DIRECTORIES
    )
    for name in NAMES:
        yield Runtime(name=name, program=Program(layout=layout, command=(f"{TASK_ROOT}/bootstrap",), environment={}))
