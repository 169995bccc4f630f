"""The .NET runtimes in the real sandbox: handlers of class libraries, executables, wrappers, and what goes wrong.

AWS's packages come from the user's own NuGet sources; here that is one of stand-ins (``tests/harness/dotnet``), which
``midge runtimes add`` and ``dotnet publish`` restore as they would restore AWS's.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from functional import test_examples
from functional.server import Midge
from harness.dotnet_sdk import Sdk, find_sdk
from harness.environments import Driven, Workshop, catalogue, namespace_sandbox, workshop, write_package
from harness.toolchains import build_cache, built_once, digest_of, run_directory

from midge.runtimes.places import Places
from midge.sandbox.port import ProcessExit

pytestmark = pytest.mark.needs("namespaces")
RUNTIME = "dotnet10"
SETTINGS: dict[str, Any] = {"runtime": RUNTIME, "memory_size_mb": 256}

LIBRARY = """
using Amazon.Lambda.Core;
using Amazon.Lambda.Serialization.SystemTextJson;
[assembly: LambdaSerializer(typeof(DefaultLambdaJsonSerializer))]
namespace Shop;
public record Order(string Id, int[] Prices);
public class Functions
{
    public Dictionary<string, object> Total(Order order, ILambdaContext context) =>
        new() { ["id"] = order.Id, ["total"] = order.Prices.Sum(), ["memory"] = context.MemoryLimitInMB };
    public static async Task<string> Later(string text) { await Task.Yield(); return text.ToUpperInvariant(); }
    public Stream Same(Stream stream) { var copy = new MemoryStream(); stream.CopyTo(copy); copy.Position = 0; return copy; }
    public string About(object ignored) => string.Join("|", Environment.Version.Major, Environment.CurrentDirectory,
        Environment.GetEnvironmentVariable("WRAPPED"), Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT"));
    public string Fail(object ignored) => throw new InvalidOperationException("not like this");
    public string Leave(object ignored) { Console.WriteLine("leaving"); Environment.Exit(3); return ""; }
}
"""
LIBRARY_PROJECT = """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework>
<ImplicitUsings>enable</ImplicitUsings><GenerateRuntimeConfigurationFiles>true</GenerateRuntimeConfigurationFiles>
</PropertyGroup><ItemGroup><PackageReference Include="Amazon.Lambda.Core" Version="3.2.0" />
<PackageReference Include="Amazon.Lambda.Serialization.SystemTextJson" Version="2.4.4" /></ItemGroup></Project>"""
EXECUTABLE = """
using Amazon.Lambda.RuntimeSupport;
await new LambdaBootstrap((stream, context) => Task.FromResult(stream)).RunAsync();
"""
EXECUTABLE_PROJECT = """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework>
<ImplicitUsings>enable</ImplicitUsings><OutputType>Exe</OutputType><UseAppHost>false</UseAppHost></PropertyGroup>
<ItemGroup><PackageReference Include="Amazon.Lambda.RuntimeSupport" Version="2.1.2" /></ItemGroup></Project>"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is built is kept."""
    return build_cache() or run_directory(tmp_path_factory)


@pytest.fixture(scope="module")
def sdk(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    found = find_sdk(root, tmp_path_factory.mktemp("dotnet"))
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no .NET SDK was found")
    return found


@pytest.fixture(scope="module")
def places(sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Where ``midge runtimes add dotnet10`` has installed the client from the user's package source."""

    def add(directory: Path) -> None:
        variables = {
            **os.environ,
            **sdk.variables,
            "MIDGE_TOOLCHAINS_DIRECTORY": str(directory),
            "MIDGE_TOOLCHAINS_SEARCH": str(sdk.program.parent),
        }
        command = [sys.executable, "-m", "midge.cli", "runtimes", "add", RUNTIME]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        listed = subprocess.run(command[:-2], env=variables, capture_output=True, text=True, check=True).stdout
        assert any(line.split()[:2] == [RUNTIME, "yes"] for line in listed.splitlines())

    directory = built_once(run_directory(tmp_path_factory), "toolchains-with-dotnet", add)
    return Places(added=directory, search=(sdk.program.parent,))


@pytest.fixture(scope="module")
def shop(places: Places) -> Iterator[Workshop]:
    with workshop(lambda: namespace_sandbox(programs=catalogue(places=places))) as made:
        yield made


def publish(sdk: Sdk, root: Path, scratch: Path, project: str, source: str) -> Path:
    """The package of a project with one source file, as ``dotnet publish`` makes it."""

    def make(directory: Path) -> None:
        write_package(scratch, {"Shop.csproj": project, "Source.cs": source})
        sdk.run("publish", "-c", "Release", "-o", str(directory), at=scratch)
        for path in (directory, *directory.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    return built_once(root, f"dotnet-function-{digest_of(project, source)}", make)


@pytest.fixture(scope="module")
def library(sdk: Sdk, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(sdk, root, tmp_path_factory.mktemp("library"), LIBRARY_PROJECT, LIBRARY)


@pytest.fixture
def package(library: Path, tmp_path: Path) -> Path:
    """A package of its own, to be changed."""
    shutil.copytree(library, tmp_path / "function")
    return tmp_path / "function"


def test_handlers_of_a_class_library(shop: Workshop, library: Path) -> None:
    """Methods with types of their own, asynchronous and static ones, and streams are called through AWS's client."""
    order = {"Id": "x1", "Prices": [3, 4]}
    total = shop.invoke(library, order, handler="Shop::Shop.Functions::Total", **SETTINGS)
    assert total == {"id": "x1", "total": 7, "memory": 256}
    assert shop.invoke(library, "later", handler="Shop::Shop.Functions::Later", **SETTINGS) == "LATER"
    assert shop.invoke(library, {"a": ["ä"]}, handler="Shop::Shop.Functions::Same", **SETTINGS) == {"a": ["ä"]}


def test_what_a_function_sees_behind_its_wrapper(shop: Workshop, package: Path) -> None:
    """The version of the runtime and AWS's directories; a wrapper script stands before the whole command line."""
    wrapper = '#!/bin/sh\nexport WRAPPED="$(basename "$1") $2"\nexec "$@"\n'
    write_package(package, {"wrapper": wrapper}, ("wrapper",))
    handler = "Shop::Shop.Functions::About"
    more: dict[str, Any] = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}
    assert shop.invoke(package, {}, handler=handler, **SETTINGS) == "10|/var/task||/var/task"
    assert shop.invoke(package, {}, handler=handler, **SETTINGS, **more) == "10|/var/task|dotnet exec|/var/task"


def ended(shop: Workshop, package: Path, handler: str, **more: Any) -> Driven:
    """An environment that was given an event and has ended."""

    async def work() -> Driven:
        async with shop.open_environment(package, handler=handler, **SETTINGS, **more) as driven:
            await driven.give({})
            await driven.end()
        return driven

    return shop.run(work())


def test_the_files_of_an_assembly(shop: Workshop, package: Path) -> None:
    """The only .deps.json and .runtimeconfig.json are taken whatever they are called; none, or several, end the runtime."""
    handler = "Shop::Shop.Functions::Later"
    for kind in ("deps", "runtimeconfig"):
        (package / f"Shop.{kind}.json").rename(package / f"Other.{kind}.json")
    assert shop.invoke(package, "x", handler=handler, **SETTINGS) == "X"
    named: dict[str, Any] = {"LAMBDA_DOTNET_MAIN_ASSEMBLY": "Other"}
    assert shop.invoke(package, "x", handler=handler, **SETTINGS, **named) == "X"
    shutil.copy(package / "Other.runtimeconfig.json", package / "More.runtimeconfig.json")
    without = ended(shop, package, handler)
    assert without.exits == [ProcessExit(code=106)]
    assert "Shop.runtimeconfig.json" in without.text
    (package / "Other.deps.json").unlink()
    assert ended(shop, package, handler).exits == [ProcessExit(code=105)]


def test_errors(shop: Workshop, library: Path) -> None:
    """An exception of the handler's is its error; a type that is not there fails the initialisation; an exit ends it."""

    async def answer(handler: str, *, asked: bool) -> Any:
        async with shop.open_environment(library, handler=handler, **SETTINGS) as driven:
            return (await (driven.answer({}) if asked else driven.post())).json()

    failed = shop.run(answer("Shop::Shop.Functions::Fail", asked=True))
    assert failed == {"errorType": "InvalidOperationException", "errorMessage": "not like this"}
    missing = shop.run(answer("Shop::Shop.Nothing::Fail", asked=False))
    assert missing["errorType"] == "TypeLoadException"
    left = ended(shop, library, "Shop::Shop.Functions::Leave")
    assert (left.exits, left.text) == ([ProcessExit(code=3)], "leaving\n")


def test_an_executable_assembly(shop: Workshop, sdk: Sdk, root: Path, tmp_path: Path) -> None:
    """A handler without a colon names an assembly with a client of its own, with its suffix or without."""
    at = publish(sdk, root, tmp_path / "executable", EXECUTABLE_PROJECT, EXECUTABLE)
    for handler in ("Shop", "Shop.dll"):
        assert shop.invoke(at, {"a": 1}, handler=handler, **SETTINGS) == {"a": 1}


def test_a_native_executable(shop: Workshop, tmp_path: Path) -> None:
    """Where only a program of that name is there, as ahead-of-time compilation makes one, it is started itself."""
    at = write_package(tmp_path / "native", {"Shop": '#!/bin/sh\necho "native in $PWD"\nexit 5\n'}, ("Shop",))
    driven = ended(shop, at, "Shop")
    assert (driven.exits, driven.text) == ([ProcessExit(code=5)], "native in /var/task\n")


def test_the_example(
    sdk: Sdk, root: Path, places: Places, start_midge: Callable[..., Midge], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C# example is published by dotnet, deployed, and greets."""
    for name, value in sdk.variables.items():
        monkeypatch.setenv(name, value)
    midge = start_midge(MIDGE_TOOLCHAINS_DIRECTORY=str(places.added), MIDGE_TOOLCHAINS_SEARCH=str(sdk.program.parent))
    package = test_examples.built(root, "csharp")
    function = test_examples.deploy.deploy(midge.client(), "csharp", data=package)
    assert test_examples.greets(midge, function) == "Hello, Ada, from C#!"


def test_what_is_missing_is_said(sdk: Sdk, tmp_path: Path) -> None:
    """.NET without AWS's client cannot run functions, and the refusal says how to get it; another version is no help."""
    bare = catalogue(places=Places(added=tmp_path, search=(sdk.program.parent,)))
    assert "midge runtimes add dotnet10" in bare.find("dotnet10").missing
    other = bare.find("dotnet8").missing
    assert "no .NET 8 was found" in other
    assert "DOTNET_ROLL_FORWARD" in other
