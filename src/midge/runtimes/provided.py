"""Runtimes that a function brings itself: an executable ``bootstrap`` in its package or in one of its layers."""

from midge.runtimes import base
from midge.runtimes.port import Runtime
from midge.sandbox.program import LAYERS_ROOT, TASK_ROOT, Layout, Program

NAMES = ("provided.al2", "provided.al2023")


def runtime(name: str) -> Runtime:
    """It runs on the machine's own userland."""
    layout = Layout(
        binds=base.userland_binds(), files=base.FILES, links=base.userland_links(), directories=base.DIRECTORIES
    )
    program = Program(
        layout=layout,
        command=(f"{TASK_ROOT}/bootstrap",),
        layer_command=(f"{LAYERS_ROOT}/bootstrap",),
        environment={},
    )
    return Runtime(name=name, program=program)
