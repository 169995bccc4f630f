"""Environments whose root is a container image, in the real sandbox, as root and rootless."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import rootless
from harness.environments import Workshop, namespace_sandbox, process_sandbox, workshop
from harness.image_runtime import image_runtime

from midge.images.layers import prepare_places
from midge.sandbox.port import LaunchError, ProcessExit, RootImage, SandboxError
from midge.sandbox.program import IMAGE

pytestmark = pytest.mark.needs("namespaces", "gcc")
ROOTLESS = rootless.INNER


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with one program, a link to it, a text, and a few things that are no program."""
    place = tmp_path_factory.mktemp("image") / "root"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "runtime").write_bytes(image_runtime())
    (place / "bin" / "runtime").chmod(0o755)
    (place / "entry").symlink_to("/bin/runtime")
    (place / "work").mkdir()
    (place / "text").write_text("no program")
    programs = {"plain": b"\x7fELF", "nonsense": b"nonsense", "torn": b"\x7fELF" + bytes(60), "script": b"#!/nowhere\n"}
    for name, content in programs.items():
        (place / "bin" / name).write_bytes(content)
        (place / "bin" / name).chmod(0o644 if name == "plain" else 0o755)
    prepare_places(place)
    place.chmod(0o755)
    return place


def starting(root: Path, *command: str, directory: str = "", environment: Mapping[str, str] | None = None) -> RootImage:
    return RootImage(root=root, command=command, working_directory=directory, environment=environment or {})


def ask(shop: Workshop, image: RootImage, *events: str, **settings: Any) -> list[str]:
    """The answers of one environment of ``image`` to ``events``."""

    async def work() -> list[str]:
        async with shop.open_environment(image.root, runtime=IMAGE, handler="", image=image, **settings) as driven:
            await driven.until_ready()
            return [await driven.invoke(event) for event in events]

    return shop.run(work())


def test_the_image_is_the_root(shop: Workshop, root: Path) -> None:
    """Inside there is the image, and the environment's own places; nothing of the machine."""
    names, text, hosts, null, of_proc, parents = ask(
        shop,
        starting(root, "/bin/runtime"),
        "list /",
        "read /text",
        "read /etc/hosts",
        "read /dev/null",
        "list /proc/1",
        "list /..",
    )
    assert set(names.split()) == {"bin", "entry", "work", "text", "proc", "dev", "tmp", "etc"}
    assert text == "no program"
    assert hosts.startswith("127.0.0.1 localhost\n")
    assert null == ""
    assert "status" in of_proc.split()
    assert parents == names


def test_nothing_of_the_former_root_is_left(shop: Workshop, root: Path) -> None:
    """Of what an environment is prepared with, only its own places are still mounted, and init cannot be looked into."""
    mounts, of_init = ask(shop, starting(root, "/bin/runtime"), "read /proc/self/mountinfo", "list /proc/1/root")
    places = [line.split()[4] for line in mounts.splitlines()]
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
    assert set(places) == {"/", "/proc", "/dev", "/tmp", "/etc/hosts", "/etc/resolv.conf"} | devices
    assert places.count("/") == 1
    assert of_init == "Permission denied"


def test_only_tmp_can_be_written(shop: Workshop, root: Path) -> None:
    """The image is read-only, /tmp is the environment's own, and devices cannot be made."""
    written = ask(
        shop,
        starting(root, "/bin/runtime"),
        "write /x",
        "write /etc/x",
        "write /dev/x",
        "write /tmp/x",
        "read /tmp/x",
        "device /tmp/d",
    )
    assert written[:3] == ["Read-only file system"] * 3
    assert written[3:5] == ["written", "x"]
    assert written[5] == "Operation not permitted"
    assert not (root / "tmp" / "x").exists()


def test_it_starts_as_the_image_says(shop: Workshop, root: Path) -> None:
    """Command, directory and variables are the image's; the user is the one that function code always is."""
    image = starting(root, "/entry", "one", "two words", directory="/work", environment={"OWN": "image", "TZ": "x"})
    answers = ask(
        shop, image, "argv", "cwd", "id", "env OWN", "env TZ", "env AWS_REGION", "env LD_LIBRARY_PATH", "env PATH"
    )
    assert answers[:3] == ["/entry one two words", "/work", "993:993"]
    assert answers[3:6] == ["image", ":UTC", "us-east-1"]  # the function's own variables come last
    assert answers[6:] == ["(unset)", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def test_a_command_is_looked_for_in_the_path(shop: Workshop, root: Path) -> None:
    """A name without a slash is found in the image's PATH, one with a slash from the working directory."""
    assert ask(shop, starting(root, "runtime"), "argv") == ["runtime"]
    assert ask(shop, starting(root, "runtime", environment={"PATH": "/x:/bin"}), "argv") == ["runtime"]
    assert ask(shop, starting(root, "../bin/runtime", directory="/work"), "cwd") == ["/work"]


@pytest.mark.parametrize(
    ("command", "directory", "error_type", "text"),
    [
        (("/nothing",), "", "Runtime.InvalidEntrypoint", "fork/exec /nothing: no such file or directory"),
        (("nothing",), "", "Runtime.InvalidEntrypoint", 'exec: "nothing": executable file not found in $PATH'),
        (("/text",), "", "Runtime.InvalidEntrypoint", "fork/exec /text: permission denied"),
        (("/bin",), "", "Runtime.InvalidEntrypoint", "fork/exec /bin: permission denied"),
        (("/bin/plain",), "", "Runtime.InvalidEntrypoint", "fork/exec /bin/plain: permission denied"),
        (("/bin/nonsense",), "", "Runtime.InvalidEntrypoint", "fork/exec /bin/nonsense: exec format error"),
        ((), "", "Runtime.InvalidEntrypoint", "the image has no entry point and no command"),
        (("/bin/runtime", "x" * 200_000), "", "Runtime.InvalidEntrypoint", "fork/exec /bin/runtime: argument list too long"),
        (("/bin/runtime",), "/nothing", "Runtime.InvalidWorkingDir", "chdir /nothing: no such file or directory"),
        (("/bin/runtime",), "/text", "Runtime.InvalidWorkingDir", "chdir /text: not a directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_started_is_told(
    shop: Workshop, root: Path, command: tuple[str, ...], directory: str, error_type: str, text: str
) -> None:
    """An entry point or directory that cannot be is reported by AWS's type and words before anything runs."""
    with pytest.raises(LaunchError) as caught:
        ask(shop, starting(root, *command, directory=directory), "argv")
    assert (caught.value.error_type, str(caught.value)) == (error_type, text)


@pytest.mark.parametrize(
    ("program", "reason"), [("torn", "exec format error"), ("script", "no such file or directory")]
)
def test_what_only_the_kernel_finds_out_is_told(shop: Workshop, root: Path, program: str, reason: str) -> None:
    """What looks like a program and is none that can be executed ends the environment, which says why."""

    async def work() -> ProcessExit:
        image = starting(root, f"/bin/{program}")
        async with shop.open_environment(root, runtime=IMAGE, handler="", image=image) as driven:
            return await driven.end()

    assert shop.run(work()) == ProcessExit(code=127, launch_error=f"fork/exec /bin/{program}: {reason}")


def test_environments_share_the_image_and_nothing_else(shop: Workshop, root: Path) -> None:
    """Two environments of one image have each their own /tmp."""

    async def work() -> list[str]:
        image = starting(root, "/bin/runtime")
        opened = [shop.open_environment(root, runtime=IMAGE, handler="", image=image) for _ in range(2)]
        async with opened[0] as first, opened[1] as second:
            return [await first.invoke("write /tmp/x"), await second.invoke("read /tmp/x")]

    assert shop.run(work()) == ["written", "No such file or directory"]


def test_an_image_that_ends_is_reported(shop: Workshop, root: Path) -> None:
    """The end of the image's program is the environment's, with its code; what it wrote has been heard."""

    async def work() -> None:
        async with shop.open_environment(
            root, runtime=IMAGE, handler="", image=starting(root, "/bin/runtime")
        ) as driven:
            await driven.until_ready()
            await driven.give("exit 7")
            end = await driven.end()
            assert (end.code, end.signal) == (7, None)
            assert "the image's runtime has begun" in driven.text

    shop.run(work())


def test_extensions_of_an_image_are_started(shop: Workshop, root: Path) -> None:
    """A program in the image's /opt/extensions runs beside the image's own, with the same root, and is watched."""
    extension = root / "opt" / "extensions" / "companion"
    extension.parent.mkdir(parents=True, exist_ok=True)
    extension.write_bytes(image_runtime())
    extension.chmod(0o755)

    async def work() -> None:
        image = starting(root, "/bin/runtime")
        async with shop.open_environment(
            root, runtime=IMAGE, handler="", image=image, extensions=("companion", "nothing")
        ) as driven:
            assert await driven.told.get() == ("nothing", errno.ENOENT)
            await driven.until_ready()  # the companion asks for events as a runtime does: it is the same program
            driven.environment.start_runtime()
            assert await driven.invoke("list /opt/extensions") == "companion "

    shop.run(work())


def test_plain_processes_refuse_images(root: Path) -> None:
    """The sandbox that does not isolate says that it cannot run images."""
    with workshop(process_sandbox) as shop, pytest.raises(SandboxError, match="image"):
        ask(shop, starting(root, "/bin/runtime"), "argv")


@pytest.mark.needs("root")
@pytest.mark.skipif(bool(os.environ.get(ROOTLESS)), reason="this is the rootless run")
def test_all_of_it_works_rootless() -> None:
    """An ordinary user of the machine runs images too."""
    rootless.run_tests(__file__)
