"""A static program that is a whole container image, compiled once by the machine's C compiler."""

import functools
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def image_runtime() -> bytes:
    """``image_runtime.c`` as a program that needs nothing of the root that it runs in."""
    source = Path(__file__).with_suffix(".c")
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "runtime"
        subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", str(target), str(source)], check=True)
        return target.read_bytes()
