"""A process that runs environments and waits to be killed: says "ready" and their processes, then does nothing.

``python doomed.py <package> <number>``, with the tests' directory on the path.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

from harness.environments import namespace_sandbox, workshop


def main() -> None:
    package, number = Path(sys.argv[1]), int(sys.argv[2])
    with workshop(namespace_sandbox) as shop:

        async def work() -> None:
            async with contextlib.AsyncExitStack() as stack:
                for runtime in ["python3.11", "provided.al2023"] * number:
                    driven = await stack.enter_async_context(shop.open_environment(package, runtime=runtime))
                    if runtime == "python3.11":
                        await driven.invoke("stay")
                sys.stdout.write("ready\n")
                sys.stdout.flush()
                await asyncio.Event().wait()

        shop.run(work())


if __name__ == "__main__":
    main()
