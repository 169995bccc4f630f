"""A bare zygote: imports AWS's runtime client once and forks a child into GET /next for each line on its input.

argv: host:port of the Runtime API, then modules to import beside the client. No isolation, no limits, nothing checked.
"""

import gc
import importlib
import os
import signal
import sys
from types import ModuleType


def child(client: ModuleType, bootstrap: ModuleType, api: str) -> None:
    """Become an environment; never returns."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    client.runtime_client.initialize_client("bare")
    bootstrap.run("app.handler", client.LambdaRuntimeClient(api))


def main() -> None:
    """Fork until the input ends."""
    api, *preload = sys.argv[1:]
    client = importlib.import_module("awslambdaric.lambda_runtime_client")
    bootstrap = importlib.import_module("awslambdaric.bootstrap")
    for name in preload:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    os.write(1, b"ready\n")
    for _ in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if pid == 0:
            try:
                child(client, bootstrap, api)
            finally:
                os._exit(1)
        os.write(1, b"%d\n" % pid)


main()
