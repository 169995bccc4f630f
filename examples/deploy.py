"""Builds an example, deploys it and says hello: ``python examples/deploy.py go``.

Takes boto3's usual variables (AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and credentials). What is built goes into a directory
of its own; the examples' stay as they are. ``--runtime`` chooses another version of the language, for those that have
several.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Example:
    """A function: the runtime that it is written for, and how its package is made."""

    runtime: str
    handler: str
    build: Callable[[Path], Path]
    """Given a directory with a copy of the example, returns the directory of what goes into the package."""
    memory_size_mb: int = 256


def _run(*command: str, at: Path, **variables: str) -> None:
    subprocess.run(command, cwd=at, env={**os.environ, **variables}, check=True)


def _as_it_is(at: Path) -> Path:
    return at


def _go(at: Path) -> Path:
    package = at / "package"
    flags = ["-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w"]
    _run("go", "build", *flags, "-o", str(package / "bootstrap"), ".", at=at, CGO_ENABLED="0")
    return package


def _rust(at: Path) -> Path:
    """The C library is linked in, so that it does not matter which one is where the function runs."""
    about = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    machine = next(line.removeprefix("host: ") for line in about.splitlines() if line.startswith("host: "))
    target = Path(os.environ.get("CARGO_TARGET_DIR", at / "target"))
    variables = {"CARGO_TARGET_DIR": str(target), "RUSTFLAGS": "-C target-feature=+crt-static"}
    _run("cargo", "build", "--quiet", "--release", "--target", machine, at=at, **variables)
    package = at / "package"
    package.mkdir()
    shutil.copy2(target / machine / "release" / "bootstrap", package / "bootstrap")
    return package


def _java(at: Path) -> Path:
    _run("mvn", "-q", "-B", "compile", "dependency:copy-dependencies", at=at)
    return at / "target" / "classes"


def _csharp(at: Path) -> Path:
    options = ("-nodeReuse:false", "-p:UseSharedCompilation=false")  # no build server stays behind
    _run("dotnet", "publish", "-c", "Release", "-o", "package", "-v", "quiet", "-nologo", *options, at=at)
    return at / "package"


EXAMPLES: Mapping[str, Example] = {
    "python": Example("python3.13", "app.handler", _as_it_is),
    "nodejs": Example("nodejs22.x", "index.handler", _as_it_is),
    "java": Example("java25", "example.Greeter", _java, memory_size_mb=512),
    "csharp": Example("dotnet10", "Greeter::Greeter.Function::Greet", _csharp, memory_size_mb=512),
    "ruby": Example("ruby3.4", "app.handler", _as_it_is),
    "go": Example("provided.al2023", "bootstrap", _go),
    "rust": Example("provided.al2023", "bootstrap", _rust),
    "shell": Example("provided.al2023", "bootstrap", _as_it_is),
}


def package(language: str) -> bytes:
    """The deployment package of an example, built from scratch."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / language
        shutil.copytree(HERE / language, copy, ignore=shutil.ignore_patterns("README.md"))
        built = EXAMPLES[language].build(copy)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(built.rglob("*")):
                if path.is_file():
                    archive.write(path, str(path.relative_to(built)))
        return buffer.getvalue()


def deploy(functions: Any, language: str, runtime: str | None = None, data: bytes | None = None) -> str:
    """Create the function (of ``data``, else built now), wait until it is active and return its name."""
    example = EXAMPLES[language]
    chosen = runtime or example.runtime
    name = f"greet-{language}-{chosen.replace('.', '-')}"
    functions.create_function(
        FunctionName=name,
        Runtime=chosen,
        Handler=example.handler,
        Role="arn:aws:iam::000000000000:role/greeter",
        Code={"ZipFile": data or package(language)},
        Timeout=30,
        MemorySize=example.memory_size_mb,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


def main() -> None:
    """Deploy what the command line says and print the function's answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=EXAMPLES)
    parser.add_argument("name", nargs="?", default="you", help="whom to greet")
    parser.add_argument("--runtime", help="such as python3.9")
    given = parser.parse_args()
    functions = boto3.client("lambda")
    name = deploy(functions, given.language, given.runtime)
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"name": given.name}))
    print(answer["Payload"].read().decode())


if __name__ == "__main__":
    main()
