"""What a runtime is to the rest of midge: a name of AWS's, and whether and how this machine can run it."""

from dataclasses import dataclass

from midge.sandbox.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One of AWS's runtime names on this machine; ``program`` is None where it cannot run, ``missing`` then says why."""

    name: str
    program: Program | None
    version: str = ""
    missing: str = ""
