"""AWS's own runtime client for Node.js, unmodified, as npm brings it and builds it: a runtime that a function brings along."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import Workshop, namespace_sandbox, workshop, write_package
from harness.toolchains import build_cache, built_once, run_directory

CLIENT = "aws-lambda-ric@3.3.0"
BUILD_SECONDS = 400
INSIDE = ("/usr/bin/node", "/usr/local/bin/node")
"""Where a Node.js is, that a function sees which brings its own bootstrap."""
HANDLER = """
exports.handler = async (event, context) => {
    if (event.fail) throw new TypeError("no");
    console.log("speaks");
    return { event, name: context.functionName, id: context.awsRequestId.length };
};
exports.streamed = awslambda.streamifyResponse(async (event, stream) => { stream.write("one "); stream.end("two"); });
"""

pytestmark = pytest.mark.needs("namespaces", "npm", "cmake", "autoreconf", "g++", "make")


def build(into: Path) -> None:
    """Its build brings curl along, which takes a minute."""
    npm = ["npm", "install", CLIENT, "--no-audit", "--no-fund", "--prefix", str(into)]
    done = subprocess.run(
        npm, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]


def installed(root: Path) -> Path:
    """The client, built unless it is there."""
    return built_once(root / "nodejs-client", CLIENT.replace("@", "-"), build) / "node_modules/aws-lambda-ric"


def prepare() -> None:
    """Build it ahead, for ``tools/setup toolchains``."""
    cache = build_cache()
    assert cache is not None
    installed(cache)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(build_cache() or run_directory(tmp_path_factory))


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


@pytest.fixture
def package(client: Path, tmp_path: Path) -> Path:
    node = next((path for path in INSIDE if Path(path).exists()), None)
    if node is None:
        pytest.skip(f"no Node.js in {' or '.join(INSIDE)}, where functions could see it")
    bootstrap = f'#!/bin/sh\nexec {node} /var/task/node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n'
    at = write_package(tmp_path / "function", {"index.js": HANDLER, "bootstrap": bootstrap}, ("bootstrap",))
    for part in ("bin", "dist"):
        for file in (path for path in (client / part).rglob("*") if path.is_file()):
            place = at / "node_modules/aws-lambda-ric" / part / file.relative_to(client / part)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    (at / "node_modules/aws-lambda-ric/package.json").write_bytes((client / "package.json").read_bytes())
    return at


def test_aws_s_client_runs_functions(shop: Workshop, package: Path) -> None:
    """It serves event after event, reports errors with their types, and its output is the function's."""

    async def main() -> tuple[list[Any], str]:
        async with shop.open_environment(package, runtime="provided.al2023", handler="index.handler") as driven:
            calls = [await driven.answer(event) for event in ({"a": 1}, {"fail": True}, {"b": 2})]
            await driven.until_ready()
            driven.environment.drain_output()
            return calls, driven.text

    (first, failed, last), text = shop.run(main())
    assert (first.kind, first.json()["event"], first.json()["id"]) == ("response", {"a": 1}, 36)
    assert failed.kind == "error"
    assert json.loads(failed.body)["errorType"] == "TypeError"
    assert last.json()["event"] == {"b": 2}
    assert "speaks" in text


def test_aws_s_client_streams(shop: Workshop, package: Path) -> None:
    """A streamed response of AWS's client is taken as a whole where the caller does not stream."""

    async def main() -> Any:
        async with shop.open_environment(package, runtime="provided.al2023", handler="index.streamed") as driven:
            return await driven.answer({})

    call = shop.run(main())
    assert (call.kind, call.body) == ("response", b"one two")
