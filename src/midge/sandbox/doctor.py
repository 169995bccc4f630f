"""What this machine offers to isolate function code with, found by trying it.

``midge doctor`` prints it; the composition root asks it which sandbox can be had.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass

from midge.model.limits import Limits
from midge.sandbox import seccomp
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.port import unique_name
from midge.sandbox.zygote import INSIDE_FILES

_PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried; ``needed`` if without it there is no isolation."""

    name: str
    works: bool
    detail: str
    needed: bool = True


def examine() -> list[Finding]:
    """Try everything; takes a tenth of a second and leaves nothing behind."""
    return [_machine(), *_namespaces(), _cgroups(), _rights()]


def isolates(findings: list[Finding]) -> bool:
    """Whether the namespace sandbox can be used."""
    return all(finding.works for finding in findings if finding.needed)


def _machine() -> Finding:
    known = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
    return Finding("machine", known, f"{platform.system()} {platform.release()} on {platform.machine()}")


def _namespaces() -> list[Finding]:
    try:
        program = seccomp.program().hex()
        answer = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _RUN_PROBE, str(INSIDE_FILES), program],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        results: dict[str, str | None] = json.loads(answer.stdout)
    except (OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
        return [Finding("namespaces", works=False, detail=str(error))]
    return [Finding(name, error is None, error or "works") for name, error in results.items()]


_RUN_PROBE = "import sys; sys.path.insert(0, sys.argv.pop(1)); import probe; probe.main()"


def _cgroups() -> Finding:
    cgroups = open_cgroups(unique_name(), Limits().processes_per_environment)
    cgroups.close()
    missing = [
        text
        for has, text in (
            (cgroups.limits_memory, "memory is held by rlimits"),
            (cgroups.limits_cpu, "CPU is not held to the memory size"),
            (cgroups.freezes, "idle environments are not frozen"),
        )
        if not has
    ]
    return Finding("cgroups", not missing, "; ".join([cgroups.description, *missing]), needed=False)


def _rights() -> Finding:
    root = os.geteuid() == 0
    detail = "root: environments are users of their own" if root else "rootless: environments are this user outside"
    return Finding("rights", root, detail, needed=False)
