"""Starts AWS's Python runtime client: in a process forked from a zygote, or in an interpreter of its own.

Runs inside the environment, in the function's interpreter (Python 3.9 and later), beside ``awslambdaric``. The
client's Python half, which functions see, is AWS's; only its transport may be another (``transport/runtime_client.py``,
put first on the path by midge).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SITE = f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
_LAYERS_ROOT = os.environ.pop("_MIDGE_LAYERS_ROOT", "/opt")  # elsewhere only where there are no namespaces
_LAYERS = [f"{_LAYERS_ROOT}/python/lib/{_SITE}", f"{_LAYERS_ROOT}/python"]
_ALWAYS = ["awslambdaric.bootstrap", "awslambdaric.lambda_literals", "encodings.idna"]
_CLIENT = {"awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"}
_preloaded: set[str] = set()
"""Top-level names that the zygote imported from the runtime's own directory, but for the client and what it needs."""


def preload(modules: list[str]) -> None:
    """Import, before any fork, what every function of this Python version would import."""
    for name in _ALWAYS:
        importlib.import_module(name)
    for name in modules:
        with contextlib.suppress(Exception):  # what does not run on this version fails where a function imports it
            importlib.import_module(name)
    # Found here, not in the children: looking at every module there would copy most of the zygote's memory.
    runtime = os.environ["LAMBDA_RUNTIME_DIR"]
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None) or ""
        if "." not in name and file.startswith(runtime + "/") and "/.midge/" not in file:
            _preloaded.add(name)
    _preloaded.difference_update(_CLIENT)
    os.environ.clear()  # what is set here is not the function's; each child would have to do it


def _yield_to_function(task_root: str) -> None:
    """A function that brings its own copy of a preloaded library gets its own, as it would on AWS.

    If it brings one, everything preloaded goes: the libraries import each other.
    """
    places = [place for place in [task_root, *_LAYERS] if os.path.isdir(place)]
    brought = any(
        os.path.isdir(os.path.join(place, name)) or os.path.exists(os.path.join(place, name + ".py"))
        for place in places
        for name in _preloaded
    )
    if brought:
        for loaded in list(sys.modules):
            if loaded.partition(".")[0] in _preloaded:
                del sys.modules[loaded]


def _go(handler: str, task_root: str) -> None:
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") or os.environ.get("AWS_LAMBDA_LOG_LEVEL"):
        # Both are read when the client is imported, and the zygote imported it before it knew.
        for name in ("lambda_runtime_log_utils", "bootstrap"):
            importlib.reload(importlib.import_module("awslambdaric." + name))
    # Log messages leave framed, each as one, and in order with what is printed; another process does not inherit it.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    bootstrap: Any = importlib.import_module("awslambdaric.bootstrap")

    sys.path[0:0] = [place for place in [task_root, *_LAYERS] if place not in sys.path and os.path.isdir(place)]
    client = LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        client.restore_next = _then_reseed(client.restore_next)
    bootstrap.run(handler, client)


def _then_reseed(restore_next: Callable[[], None]) -> Callable[[], None]:
    """Every environment that is restored has random numbers of its own, also for TLS."""

    def restored() -> None:
        restore_next()
        ssl = sys.modules.get("_ssl")
        if ssl is not None:
            ssl.RAND_add(os.urandom(64), 64.0)

    return restored


def run(assignment: dict[str, Any]) -> None:
    """Go on as the function of ``assignment`` in this forked process; returns when the runtime ends."""
    for name, value in assignment["environment"].items():
        os.environ[name] = value
    _yield_to_function(assignment["task_root"])
    import time

    time.tzset()
    _go(assignment["handler"], assignment["task_root"])


if __name__ == "__main__":
    sys.path.pop(0)
    _go(os.environ["_HANDLER"], os.environ["LAMBDA_TASK_ROOT"])
