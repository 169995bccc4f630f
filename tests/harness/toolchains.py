"""Where tests find the toolchains and runtimes that set-up put outside of the checkout, and what they cache there.

``tools/setup toolchains`` makes the directory and ``.ci/run`` names it in BUILD_CACHE; without it the machine's own have
to do.
"""

import os
from pathlib import Path

from midge.runtimes.places import Places


def build_cache() -> Path | None:
    """A directory for what is expensive to build, kept from one run to the next; None where nobody made one."""
    named = os.environ.get("BUILD_CACHE")
    return Path(named) if named else None


def places() -> Places:
    """Where the runtimes are that tests may use."""
    cache = build_cache()
    if cache is None:
        return Places(added=Path("nothing-was-added"))
    return Places(added=cache / "toolchains", search=(cache / "dotnet",))


def variables() -> dict[str, str]:
    """The same, as variables for a server."""
    found = places()
    return {
        "MIDGE_TOOLCHAINS_DIRECTORY": str(found.added.absolute()),
        "MIDGE_TOOLCHAINS_SEARCH": ",".join(str(path) for path in found.search),
    }
