"""One suite for every Sandbox: namespaces (as root and rootless), plain processes, and the fake that other tests use.

The real ones run Python functions. Rootless means: the same, in a process that is an ordinary user of the machine.
"""

import asyncio
import errno
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import rootless
from harness.environments import Driven, Workshop, namespace_sandbox, process_sandbox, workshop, write_package
from harness.sources import STOPWATCH

from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox
from midge.sandbox.fake_extension import FakeExtension
from midge.sandbox.namespaces import NamespaceSandbox
from midge.sandbox.port import ProcessExit, Sandbox, SandboxError

ROOTLESS = rootless.INNER
HANDLER = """
import os, sys
def handler(event, context):
    if event == "speak":
        print("one"); print("two", file=sys.stderr); os.write(1, b"three\\n"); return None
    if event == "exit 0":
        os._exit(0)
    if event == "exit 3":
        os._exit(3)
    if event == "signal 9":
        os.kill(os.getpid(), 9)
    if event == "hang":
        while True: pass
    return event
"""


def play(runtime: FakeRuntime, event: Event) -> None:
    """The same function as ``HANDLER``, played by the fake."""
    match event.payload:
        case b'"speak"':
            runtime.write_output(b"one\n")
            runtime.hold_output(b"two\nthree\n")
            runtime.respond(b"null", then_next=True)
        case b'"exit 0"':
            runtime.exit(0)
        case b'"exit 3"':
            runtime.exit(3)
        case b'"signal 9"':
            runtime.exit(0, 9)
        case b'"hang"':
            return
        case payload:
            runtime.respond(payload, then_next=True)


PROGRAMS = {
    "brief": "#!/bin/sh\necho brief: $MINE $HANDLER$_HANDLER\nexit 3\n",
    "long": "#!/bin/sh\nexec sleep 1000\n",
    "none": "no program",
}


def play_extension(extension: FakeExtension) -> None:
    """The same programs as ``PROGRAMS``, played by the fake."""
    if extension.name == "brief":
        extension.write_output(b"brief: 1\n")
        extension.exit(3)
    elif extension.name == "none":
        extension.fail_launch(errno.ENOEXEC)


def fake_sandbox() -> FakeSandbox:
    """A fake whose function and extensions are those of the others."""
    made = FakeSandbox(on_event=play)
    made.on_extension_start = play_extension
    return made


KINDS: dict[str, Callable[[], Sandbox]] = {
    "namespaces": namespace_sandbox,
    "process": process_sandbox,
    "fake": fake_sandbox,
}


@pytest.fixture(
    scope="module",
    params=[pytest.param("namespaces", marks=pytest.mark.needs("namespaces")), "process", "fake"],
)
def shop(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """A sandbox of each kind."""
    kind: str = request.param
    if os.environ.get(ROOTLESS) and kind != "namespaces":
        pytest.skip("only the sandbox of namespaces has a rootless form")
    with workshop(KINDS[kind]) as made:
        yield made


def kind_of(shop: Workshop) -> str:
    """The key of ``KINDS`` that ``shop`` was made with."""
    return {"NamespaceSandbox": "namespaces", "ProcessSandbox": "process"}.get(type(shop.sandbox).__name__, "fake")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "function", {"app.py": HANDLER})


Scenario = Callable[[Driven], Coroutine[Any, Any, None]]


@pytest.fixture
def in_environment(shop: Workshop, package: Path) -> Callable[[Scenario], Driven]:
    """Runs a scenario in an environment that has asked for its first event."""

    def run(scenario: Scenario) -> Driven:
        async def main() -> Driven:
            async with shop.open_environment(package) as driven:
                await driven.until_ready()
                await scenario(driven)
            return driven

        return shop.run(main())

    return run


Run = Callable[[Scenario], Driven]


def test_it_runs_a_function(in_environment: Run) -> None:
    """A started environment asks for events by itself and answers each."""

    async def scenario(driven: Driven) -> None:
        assert await driven.invoke({"a": 1}) == {"a": 1}
        assert await driven.invoke("again") == "again"

    in_environment(scenario)


def test_a_function_has_its_layers(shop: Workshop, tmp_path: Path) -> None:
    """Python modules, programs and shared libraries of layers are where the runtime looks for them."""
    if kind_of(shop) == "fake":
        pytest.skip("the fake has no files")
    source = """
import os, shutil, shared
def handler(event, context):
    libraries = [path for path in os.environ["LD_LIBRARY_PATH"].split(":") if os.path.exists(path + "/liba.so")]
    return [shared.VALUE, bool(shutil.which("tool")), len(libraries), "_MIDGE_LAYERS_ROOT" in os.environ]
"""
    at = write_package(tmp_path / "function", {"app.py": source})
    files = {"python/shared.py": "VALUE = 1", "bin/tool": "", "lib/liba.so": ""}
    layers = write_package(tmp_path / "layers", files, ("bin/tool",))
    assert shop.invoke(at, layers=layers) == [1, True, 1, False]


def test_output_that_was_written_is_there_after_draining(in_environment: Run) -> None:
    """What an invocation wrote to both streams, through buffers or around them, is delivered when drained, in order."""

    async def scenario(driven: Driven) -> None:
        await driven.invoke("speak")
        driven.environment.drain_output()

    driven = in_environment(scenario)
    assert driven.output == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("event", "end", "words"),
    [
        ("exit 0", ProcessExit(code=0), "exit status 0"),
        ("exit 3", ProcessExit(code=3), "exit status 3"),
        ("signal 9", ProcessExit(code=0, signal=9), "signal: killed"),
    ],
)
def test_the_end_tells_how(in_environment: Run, event: str, end: ProcessExit, words: str) -> None:
    """An exit code or a signal is reported as such, once, and described in AWS's words."""

    async def scenario(driven: Driven) -> None:
        with pytest.raises(AssertionError, match="it ended"):
            await driven.answer(event)

    driven = in_environment(scenario)
    assert driven.exits == [end]
    assert driven.exits[0].describe() == words


def test_killing_ends_it_at_once(in_environment: Run) -> None:
    """kill() ends a function that never would; on_exit follows once, however often it is killed."""

    async def scenario(driven: Driven) -> None:
        await driven.invoke("ready")
        hanging = driven.answer("hang")
        driven.environment.kill()
        driven.environment.kill()
        with pytest.raises(AssertionError, match="it ended"):
            await hanging
        driven.environment.kill()
        driven.environment.drain_output()

    driven = in_environment(scenario)
    assert driven.exits == [ProcessExit(code=0, signal=9)]


def test_killing_before_it_has_begun_ends_it(shop: Workshop, package: Path) -> None:
    """An environment can be killed in the moment that it was started."""

    async def main() -> Driven:
        async with shop.open_environment(package) as driven:
            driven.environment.kill()
            await driven.end()
        return driven

    assert len(shop.run(main()).exits) == 1


def can_freeze(shop: Workshop) -> bool:
    """Whether environments of this sandbox can be made to stand still on this machine."""
    return shop.sandbox.freezes if isinstance(shop.sandbox, NamespaceSandbox) else True


def test_what_is_frozen_stands_still(shop: Workshop, package: Path, tmp_path: Path) -> None:
    """To a thread in the background no time passes between freezing and thawing, while a neighbour goes on."""
    if kind_of(shop) == "fake":
        pytest.skip("the fake has no threads")
    if not can_freeze(shop):
        pytest.skip("this machine gives us nothing to freeze with")
    at = write_package(tmp_path / "background", {"app.py": STOPWATCH})

    async def main() -> tuple[float, float]:
        async with shop.open_environment(at) as driven, shop.open_environment(package) as neighbour:
            await driven.invoke(None)
            await neighbour.invoke(None)
            driven.environment.freeze()
            began = time.monotonic()
            for number in range(300):
                assert await neighbour.invoke(number) == number
            seconds = time.monotonic() - began
            driven.environment.thaw()
            return seconds, await driven.invoke(None)

    seconds, longest = shop.run(main())
    assert longest > seconds * 0.8


def test_what_is_frozen_can_be_killed(in_environment: Run) -> None:
    """kill() ends an environment that stands still."""

    async def scenario(driven: Driven) -> None:
        await driven.invoke("ready")
        driven.environment.freeze()
        driven.environment.freeze()
        driven.environment.kill()
        await driven.end()
        for late in (driven.environment.freeze, driven.environment.thaw, driven.environment.hold_cpu):
            late()
        driven.environment.release_cpu()

    driven = in_environment(scenario)
    assert driven.exits == [ProcessExit(code=0, signal=9)]


def test_the_peak_of_memory_is_plausible(in_environment: Run) -> None:
    """Where somebody counts, the peak lies between a megabyte and the limit."""

    async def scenario(driven: Driven) -> None:
        await driven.invoke(1)
        peak = driven.environment.memory_peak_bytes()
        assert peak is None or 1 << 20 <= peak <= 128 << 20

    in_environment(scenario)


def test_many_live_side_by_side(shop: Workshop, package: Path) -> None:
    """Environments started together each answer their own events."""

    async def one(number: int) -> int:
        async with shop.open_environment(package) as driven:
            return await driven.invoke(number)

    async def main() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(12)))

    assert shop.run(main()) == list(range(12))


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """Layers with external extensions."""
    files = {f"extensions/{name}": text for name, text in PROGRAMS.items()}
    return write_package(tmp_path / "layers", files, tuple(files))


def test_extensions_run_beside_the_runtime(shop: Workshop, package: Path, layers: Path) -> None:
    """They start first, with their own variables and output; their ends are told, and the environment goes on."""
    if kind_of(shop) == "process":
        pytest.skip("external extensions are only started in namespaces")

    async def main() -> Driven:
        names = ("brief", "long", "none")
        async with shop.open_environment(package, layers=layers, extensions=names) as driven:
            told = [await driven.told.get(), await driven.told.get()]
            assert sorted(told) == [("brief", ProcessExit(code=3)), ("none", errno.ENOEXEC)]
            assert not driven.ready.is_set()
            driven.environment.start_runtime()
            await driven.until_ready()
            assert await driven.invoke({"a": 1}) == {"a": 1}
            return driven

    driven = shop.run(main())
    assert driven.extensions_output == b"brief: 1\n"
    assert len(driven.exits) == 1


def test_the_runtime_can_be_ended_beside_extensions(shop: Workshop, package: Path, layers: Path) -> None:
    """A signal reaches the runtime alone; its end is told, and the environment goes on until it is killed."""
    if kind_of(shop) == "process":
        pytest.skip("external extensions are only started in namespaces")

    async def main() -> None:
        async with shop.open_environment(package, layers=layers, extensions=("long",)) as driven:
            driven.environment.start_runtime()
            await driven.until_ready()
            driven.environment.signal_runtime(signal.SIGKILL)
            assert await driven.told.get() == ("runtime", ProcessExit(code=0, signal=signal.SIGKILL))
            driven.environment.signal_runtime(signal.SIGKILL)
            assert not driven.exits

    shop.run(main())


def test_a_signal_reaches_the_runtime(in_environment: Run) -> None:
    """Without extensions as well: SIGKILL to the runtime ends its environment."""

    async def scenario(driven: Driven) -> None:
        if isinstance(driven.environment, FakeRuntime):
            pytest.skip("the fake's runtime ends beside extensions only")
        driven.environment.signal_runtime(signal.SIGKILL)
        assert await driven.end() == ProcessExit(code=0, signal=signal.SIGKILL)

    in_environment(scenario)


LISTENING = """
import socket
server = socket.create_server(("sandbox.localdomain", 8080))
def handler(event, context):
    return server.accept()[0].recv(100).decode()
"""


def test_a_socket_reaches_what_listens_inside(shop: Workshop, tmp_path: Path) -> None:
    """A socket made for an environment connects to its own loopback, under AWS's name for it, and to nobody else's."""
    if kind_of(shop) != "namespaces":
        pytest.skip("only namespaces have a network of their own")
    function = write_package(tmp_path / "listening", {"app.py": LISTENING})

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with shop.open_environment(function) as driven, shop.open_environment(function) as other:
            await driven.until_ready()
            await other.until_ready()
            with await driven.environment.open_socket() as made:
                await loop.sock_connect(made, ("127.0.0.1", 8080))
                await loop.sock_sendall(made, b"hello")
                assert await driven.invoke() == "hello"
            assert not other.text

    shop.run(main())


@pytest.mark.needs("namespaces")
def test_beside_extensions_as_well_it_is_told_why_nothing_began(shop: Workshop, tmp_path: Path) -> None:
    """A bootstrap that cannot be executed is told of as the runtime's end while an extension goes on."""
    if kind_of(shop) != "namespaces":
        pytest.skip("external extensions are only started in namespaces")
    at = write_package(tmp_path / "function", {"bootstrap": "#!/nowhere/sh"}, ("bootstrap",))
    files = {f"extensions/{name}": text for name, text in PROGRAMS.items()}
    layers = write_package(tmp_path / "layers", files, tuple(files))

    async def main() -> None:
        settings: dict[str, Any] = {"runtime": "provided.al2023", "layers": layers, "extensions": ("long",)}
        async with shop.open_environment(at, **settings) as driven:
            driven.environment.start_runtime()
            error = "fork/exec /var/task/bootstrap: no such file or directory"
            assert await driven.told.get() == ("runtime", ProcessExit(code=127, launch_error=error))
            assert not driven.exits

    shop.run(main())


def test_a_runtime_that_is_not_there_cannot_start(shop: Workshop, package: Path) -> None:
    """Starting an unknown runtime raises SandboxError and calls nobody back."""
    if isinstance(shop.sandbox, FakeSandbox):
        shop.sandbox.refuses = True

    async def main() -> None:
        async with shop.open_environment(package, runtime="cobol60"):
            raise AssertionError("it started")

    try:
        with pytest.raises(SandboxError):
            shop.run(main())
    finally:
        if isinstance(shop.sandbox, FakeSandbox):
            shop.sandbox.refuses = False


def test_a_program_that_cannot_be_executed_is_named(shop: Workshop, tmp_path: Path) -> None:
    """The end of a runtime that never began says why, by the path inside; its own or a layer's bootstrap, or none."""
    if isinstance(shop.sandbox, FakeSandbox):
        pytest.skip("the fake looks at no package")
    words = {
        "own": ({"bootstrap": "#!/bin/sh"}, {}, "fork/exec /var/task/bootstrap: permission denied"),
        "layer's": ({"x": ""}, {"bootstrap": "#!/bin/sh"}, "fork/exec /opt/bootstrap: permission denied"),
        "none": ({"x": ""}, {"y": ""}, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    }

    async def end(name: str) -> ProcessExit:
        at = write_package(tmp_path / name / "function", words[name][0])
        layers = write_package(tmp_path / name / "layers", words[name][1])
        async with shop.open_environment(at, runtime="provided.al2023", handler="x", layers=layers) as driven:
            return await driven.end()

    for name in words:
        assert shop.run(end(name)) == ProcessExit(code=127, launch_error=words[name][2])


def test_a_start_that_fails_leaves_nothing(shop: Workshop, package: Path) -> None:
    """After starts of a function whose code is not there, no process, descriptor or callback is left, and others run."""
    if isinstance(shop.sandbox, FakeSandbox):
        pytest.skip("the fake looks at no package")

    async def fail() -> None:
        with pytest.raises(SandboxError):
            async with shop.open_environment(package / "missing"):
                raise AssertionError("it started")

    async def succeed() -> None:
        async with shop.open_environment(package) as driven:
            assert await driven.invoke(1) == 1

    async def main() -> None:
        await succeed()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            await fail()
        await succeed()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 12

    shop.run(main())


def test_closing_ends_what_still_runs(package: Path, shop: Workshop) -> None:
    """close() ends every environment, and each owner hears of it."""
    second = Workshop(KINDS[kind_of(shop)])

    async def begin() -> Driven:
        context = second.open_environment(package)
        driven = await context.__aenter__()
        await driven.until_ready()
        return driven

    driven = second.run(begin())
    second.close()
    assert len(driven.exits) == 1


@pytest.mark.needs("namespaces", "root")
def test_rootless_as_well() -> None:
    """The whole suite holds for the sandbox of namespaces when an ordinary user of the machine runs it."""
    if os.environ.get(ROOTLESS):
        pytest.skip("this is the inner run")
    rootless.run_tests(__file__, "-k", "namespaces")
