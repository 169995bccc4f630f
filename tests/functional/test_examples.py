"""The examples, one in every language: built as their users would, deployed and invoked through boto3."""

import base64
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from functional.server import ROLE, Midge
from harness.environments import catalogue
from harness.toolchains import build_cache, built_once, digest_of, run_directory

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.needs("namespaces")
RUBIES = [name for name in catalogue() if name.startswith("ruby")]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples_deploy", EXAMPLES / "deploy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


deploy = _load()


def built(root: Path, language: str) -> bytes:
    """The package of an example, built by its own tools unless these sources have been built before."""

    def build(directory: Path) -> None:
        (directory / "package.zip").write_bytes(deploy.package(language))

    name = f"example-{language}-{digest_of(EXAMPLES / language, (EXAMPLES / 'deploy.py').read_text())}"
    return (built_once(root, name, build) / "package.zip").read_bytes()


@pytest.fixture
def deployed(
    midge: Midge, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Builds and creates functions that are gone after the test; returns their names."""
    client = midge.client()
    names: list[str] = []
    root = build_cache() or run_directory(tmp_path_factory)
    monkeypatch.setenv("CARGO_TARGET_DIR", str(root / "rust"))
    monkeypatch.setenv("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")  # built in half the time

    def create(language: str, runtime: str | None = None) -> str:
        name = deploy.deploy(client, language, runtime, built(root, language))
        names.append(name)
        return name

    yield create
    for name in names:
        client.delete_function(FunctionName=name)


def greets(midge: Midge, function: str) -> str:
    """What the function answers and logs for Ada, in a new environment and in a warm one; nobody is an error."""
    client = midge.client()
    payload: dict[str, str] = {}
    for _ in range(2):
        answer = client.invoke(FunctionName=function, Payload=b'{"name": "Ada"}', LogType="Tail")
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        assert b"greeting Ada" in base64.b64decode(answer["LogResult"])
        assert payload["request"] == answer["ResponseMetadata"]["RequestId"]
    failed = client.invoke(FunctionName=function, Payload=b"{}")
    error = json.loads(failed["Payload"].read())
    assert failed["FunctionError"] == "Unhandled"
    assert error["errorMessage"] == "nobody to greet"
    return payload["message"]


@pytest.mark.parametrize(
    ("language", "message"),
    [
        pytest.param("go", "Hello, Ada, from Go!", marks=pytest.mark.needs("go")),
        pytest.param("rust", "Hello, Ada, from Rust!", marks=pytest.mark.needs("cargo", "gcc")),
        pytest.param("shell", "Hello, Ada, from a shell!", marks=pytest.mark.needs("curl")),
    ],
)
def test_a_function_that_brings_its_runtime(
    midge: Midge, deployed: Callable[..., str], language: str, message: str
) -> None:
    """What is built with AWS's client for Go, with its client for Rust, and a shell script run unmodified."""
    assert greets(midge, deployed(language)) == message


MISSING = [found for found in catalogue().all() if found.program is None]


@pytest.mark.skipif(not MISSING, reason="this machine has every runtime")
def test_a_runtime_that_this_machine_lacks(midge: Midge) -> None:
    """Creating a function for it is refused by name, with what is missing; nothing is created."""
    client, lacking = midge.client(), MISSING[-1]
    with pytest.raises(client.exceptions.InvalidParameterValueException) as refusal:
        client.create_function(
            FunctionName="lacking", Runtime=lacking.name, Handler="a.b", Role=ROLE, Code={"ZipFile": b"PK"}
        )
    assert f"midge cannot run the runtime {lacking.name} here: {lacking.missing}." in str(refusal.value)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="lacking")


def runtime(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.needs(f"runtime:{name}"))


@pytest.mark.parametrize("name", [runtime(f"python3.{minor}") for minor in range(9, 14)])
def test_python(midge: Midge, deployed: Callable[..., str], name: str) -> None:
    """The same function runs on every version of Python."""
    assert greets(midge, deployed("python", name)) == "Hello, Ada, from Python!"


@pytest.mark.parametrize("name", [runtime(f"nodejs{major}.x") for major in (20, 22, 24)])
def test_nodejs(midge: Midge, deployed: Callable[..., str], name: str) -> None:
    """The same function runs on every version of Node.js."""
    assert greets(midge, deployed("nodejs", name)) == "Hello, Ada, from Node.js!"


@pytest.mark.needs("mvn", "javac")
@pytest.mark.parametrize("name", [runtime("java17"), runtime("java25")])
def test_java(midge: Midge, deployed: Callable[..., str], name: str) -> None:
    """The same function, packaged by Maven, runs on several versions of Java."""
    assert greets(midge, deployed("java", name)) == "Hello, Ada, from Java!"


@pytest.mark.skipif(not RUBIES, reason="no Ruby of 3.2 or later with the gem aws_lambda_ric was found")
def test_ruby(midge: Midge, deployed: Callable[..., str]) -> None:
    """The function runs on the newest Ruby that has AWS's client; CI's machines cannot have one."""
    assert greets(midge, deployed("ruby", RUBIES[-1])) == "Hello, Ada, from Ruby!"
