"""Finds Node.js and says how environments of it come to life.

The binary appears at /var/lang/bin/node; AWS's SDK for JavaScript v3 in /var/runtime/node_modules, where it was set up
with midge, and where CommonJS (NODE_PATH) and ES modules (a link beside /var/task) both find it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from midge.runtimes import base
from midge.runtimes.places import Places, ask
from midge.runtimes.port import Runtime
from midge.sandbox.program import INSIDE, LIBRARY_PATH, PATH, RUNTIME_DIRECTORY, Layout, Program

VERSIONS = ("18", "20", "22", "24")
_FILES = Path(__file__).parent
_NODE = "/var/lang/bin/node"
_PROBE = "process.execPath + '\\n' + process.versions.node"


def _candidates(version: str, places: Places) -> Iterator[Path]:
    """Where a Node.js may be: what is configured, what was added, PATH, set-up's, nvm's."""
    runtime = f"nodejs{version}.x"
    yield from places.programs("node", runtime)
    yield from places.programs("nodejs", runtime)
    yield Path(sys.prefix) / "bin" / "node"
    for directory in sorted((Path.home() / ".nvm/versions/node").glob(f"v{version}.*"), reverse=True):
        yield directory / "bin" / "node"


def find(version: str, places: Places) -> tuple[Path, str] | None:
    """A Node.js of the major ``version``, and its full version, such as "20.20.2"."""
    for candidate in _candidates(version, places):
        lines = ask(candidate, "-p", _PROBE)
        if len(lines) == 2 and lines[1].partition(".")[0] == version:
            return Path(lines[0]), lines[1]
    return None


def program(binary: Path, major: str, modules: Path) -> Program:
    """How environments of ``binary`` start; ``modules`` is a node_modules directory, if it exists."""
    binds = [*base.userland_binds(), *base.shell_binds(), (binary, _NODE), (_FILES, f"{INSIDE}/nodejs")]
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
        wrapping=base.WRAPPING,
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


def runtime(version: str, places: Places, modules: Path) -> Runtime:
    """AWS's runtime of one Node.js version, with its program or with what is missing for it."""
    name = f"nodejs{version}.x"
    found = find(version, places)
    if found is None:
        missing = f"no Node.js {version} was found on PATH, under nvm or where [toolchains] search says"
        return Runtime(name=name, program=None, missing=f"{missing} (midge runtimes add {name})")
    return Runtime(name=name, program=program(found[0], version, modules), version=found[1])
