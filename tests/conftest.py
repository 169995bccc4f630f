"""What every test may use: the ``needs`` marker, for tests that depend on the machine.

A test says what it cannot do without: ``@pytest.mark.needs("namespaces", "node")``. Where that is missing it is skipped
with the reason, so that a laptop stays useful; where CI is set it fails, so that a pipeline is never green by omission.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.port import unique_name

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def _namespaces() -> str | None:
    if sys.platform != "linux":
        return "namespaces are a thing of Linux"
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--net", "--mount", "--fork", "true"]
    if shutil.which("unshare") is None:
        return "unshare (util-linux) is not installed"
    result = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return None if result.returncode == 0 else f"this machine grants no namespaces: {result.stderr.strip()}"


def _root() -> str | None:
    return None if os.geteuid() == 0 else "needs root"


def _terraform_aws_provider() -> str | None:
    return None if os.environ.get("TF_PLUGIN_DIR") else "TF_PLUGIN_DIR does not say where Terraform's AWS provider is"


@functools.cache
def _freezer() -> str | None:
    cgroups = open_cgroups(unique_name(), 16)
    try:
        return None if cgroups.freezes else f"this machine gives us nothing to freeze with: {cgroups.description}"
    finally:
        cgroups.close()


def _program(name: str) -> str | None:
    beside = f"{sys.prefix}/bin"  # what set-up installed
    return None if shutil.which(name) or shutil.which(name, path=beside) else f"{name} is not installed"


@functools.cache
def _runtime(name: str) -> str | None:
    """A runtime of AWS's that midge finds where ``.ci/run`` has set it up, or on the machine."""
    from harness.environments import catalogue

    found = catalogue().find(name)
    return None if found.program is not None else f"{name}: {found.missing}"


def missing(name: str) -> str | None:
    """Why the machine cannot offer ``name``: "namespaces", "root", "runtime:" and a runtime, or a program.

    None if it can.
    """
    if name.startswith("runtime:"):
        return _runtime(name.removeprefix("runtime:"))
    known = {
        "namespaces": _namespaces,
        "root": _root,
        "freezer": _freezer,
        "terraform-aws-provider": _terraform_aws_provider,
    }
    return known[name]() if name in known else _program(name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            reason = missing(name)
            if reason is None:
                continue
            if os.environ.get("CI"):
                pytest.fail(f"CI must offer {name}: {reason}", pytrace=False)
            pytest.skip(reason)
