"""AWS_LAMBDA_EXEC_WRAPPER in the real sandbox, for each language that is always here; .NET's has a test of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import Driven, Workshop, catalogue, namespace_sandbox, workshop, write_package

from midge.sandbox.port import ProcessExit

pytestmark = pytest.mark.needs("namespaces")

PYTHON = f"python3.{sys.version_info[1]}"
NODES = [name for name in catalogue() if name.startswith("nodejs")]
JAVAS = [name for name in catalogue() if name.startswith("java")]
APP = "import os, sys\ndef handler(e, c):\n    return [os.environ.get('WRAPPED'), sys.flags.optimize]\n"
INDEX = "exports.handler = async () => [process.env.WRAPPED, process.execArgv];\n"
WRAPPER = """#!/bin/sh
export WRAPPED="$(basename "$1") of $#"
interpreter=$1
shift
exec "$interpreter" OPTION "$@"
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


def layer(tmp_path: Path, option: str) -> Path:
    return write_package(tmp_path / "layer", {"wrapper": WRAPPER.replace("OPTION", option)}, ("wrapper",))


def test_python_behind_a_wrapper(shop: Workshop, tmp_path: Path) -> None:
    """The script of a layer gets the interpreter and its arguments, and may add to them."""
    at = write_package(tmp_path / "function", {"app.py": APP})
    more: dict[str, Any] = {"layers": layer(tmp_path, "-O"), "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    assert shop.invoke(at, runtime=PYTHON) == [None, 0]
    assert shop.invoke(at, runtime=PYTHON, **more) == [f"{PYTHON} of 2", 1]


@pytest.mark.skipif(not NODES, reason="no Node.js that a runtime could be made of")
def test_nodejs_behind_a_wrapper(shop: Workshop, tmp_path: Path) -> None:
    """As Python."""
    at = write_package(tmp_path / "function", {"index.js": INDEX})
    option = "--enable-source-maps"
    more: dict[str, Any] = {"layers": layer(tmp_path, option), "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    answer = shop.invoke(at, runtime=NODES[-1], handler="index.handler", **more)
    assert answer == ["node of 2", [option]]


def ended(shop: Workshop, at: Path, **more: Any) -> Driven:
    async def work() -> Driven:
        async with shop.open_environment(at, **more) as driven:
            await driven.end()
        return driven

    return shop.run(work())


@pytest.mark.parametrize(
    ("executable", "named", "code", "text"),
    [
        (True, "/var/task/nothing", 127, "/var/task/nothing: does not exist\n"),
        (False, "/var/task/wrapper", 126, "/var/task/wrapper: is not an executable\n"),
        (True, "/var/task/wrapper", 9, "wrapped\n"),
    ],
)
@pytest.mark.parametrize("runtime", [PYTHON, *NODES[-1:], *JAVAS[-1:]])
def test_a_wrapper_that_does_not_start_the_runtime(
    shop: Workshop, tmp_path: Path, runtime: str, executable: bool, named: str, code: int, text: str
) -> None:
    """One that is missing, not executable, or ends by itself ends the runtime, with a code of its own each."""
    files = {"wrapper": "#!/bin/sh\necho wrapped\nexit 9\n", "app.py": APP}
    at = write_package(tmp_path / "function", files, ("wrapper",) if executable else ())
    driven = ended(shop, at, runtime=runtime, AWS_LAMBDA_EXEC_WRAPPER=named)
    assert (driven.exits, driven.text) == ([ProcessExit(code=code)], text)


def test_os_only_runtimes_have_no_wrappers(shop: Workshop, tmp_path: Path) -> None:
    """A bootstrap is started itself, as on AWS."""
    files = {"wrapper": "#!/bin/sh\nexit 9\n", "bootstrap": "#!/bin/sh\nexit 4\n"}
    at = write_package(tmp_path / "function", files, ("wrapper", "bootstrap"))
    driven = ended(shop, at, runtime="provided.al2023", AWS_LAMBDA_EXEC_WRAPPER="/var/task/wrapper")
    assert driven.exits == [ProcessExit(code=4)]
