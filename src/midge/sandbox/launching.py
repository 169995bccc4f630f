"""Why the program of a runtime could not be executed, in AWS's words.

The text is that of AWS's own launcher, as its runtime interface emulator has it: Go's for what the system refuses, and
one of its own where there is no bootstrap at all.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html (Runtime.InvalidEntrypoint) and
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is started: ``program``, a path as the function sees it, found at one of ``bootstraps`` if the function brings it."""

    program: str = ""
    bootstraps: Sequence[str] = ()

    def error(self, report: dict[str, Any]) -> str | None:
        """What a report of the runtime's end says of its beginning: see ``inside/stem.py``; None where all was well.

        Raises ValueError for one that makes no sense.
        """
        number = report.get("errno")
        if number is None:
            return None
        if not isinstance(number, int):
            raise ValueError("an errno is a number")  # noqa: TRY004 (of the message, not of our code)
        if self.bootstraps and not report.get("found"):
            return f"Couldn't find valid bootstrap(s): [{' '.join(self.bootstraps)}]"
        return f"fork/exec {self.program}: {os.strerror(number).lower()}"
