"""Finds Node.js and says how environments of it come to life.

The binary appears at /var/lang/bin/node; AWS's SDK for JavaScript v3 in /var/runtime/node_modules, where it was set up
with midge, and where CommonJS (NODE_PATH) and ES modules (a link beside /var/task) both find it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

VERSIONS = ("18", "20", "22", "24")
_FILES = Path(__file__).parent
_NODE = "/var/lang/bin/node"
_PROBE_SECONDS = 10


def find() -> tuple[Path, str] | None:
    """The machine's Node.js, or the one that set-up put beside midge, and its version, such as "20.20.2"."""
    found = shutil.which("node") or shutil.which("nodejs") or shutil.which("node", path=f"{sys.prefix}/bin")
    if found is None:
        return None
    try:
        answer = subprocess.run(
            [found, "-p", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.split()
    return (Path(lines[0]), lines[1]) if answer.returncode == 0 and len(lines) == 2 else None


def program(binary: Path, major: str, modules: Path) -> Program:
    """How environments of ``binary`` start; ``modules`` is a node_modules directory, if it exists."""
    binds = [*base.userland_binds(), (binary, _NODE), (_FILES, f"{INSIDE}/nodejs")]
    if modules.is_dir():
        binds.append((modules, f"{RUNTIME_DIRECTORY}/node_modules"))
    return Program(
        layout=Layout(
            binds=tuple(binds),
            files=base.FILES,
            links={**base.userland_links(), "/var/node_modules": f"{RUNTIME_DIRECTORY}/node_modules"},
            directories=base.DIRECTORIES,
        ),
        command=(_NODE, f"{INSIDE}/nodejs/bootstrap.mjs"),
        waiting_arguments=("--assigned",),
        environment={
            "PATH": PATH,
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "LANG": "en_US.UTF-8",
            "NODE_PATH": f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:{RUNTIME_DIRECTORY}/node_modules"
            f":{RUNTIME_DIRECTORY}:/var/task",
        },
        early_variables=("NODE_", "LD_", "UV_", "SSL_", "OPENSSL_"),
    )


def runtime(version: str, modules: Path) -> Runtime:
    """AWS's runtime of one Node.js version, with its program or with what is missing for it."""
    name = f"nodejs{version}.x"
    found = find()
    if found is None:
        return Runtime(name=name, program=None, missing="no Node.js was found on this machine")
    if found[1].split(".")[0] != version:
        missing = f"this machine's Node.js is {found[1]}; the runtime needs {version}.x"
        return Runtime(name=name, program=None, missing=missing)
    return Runtime(name=name, program=program(found[0], version, modules), version=found[1])
