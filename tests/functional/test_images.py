"""Functions that are container images, on a real server: from registries and archives, run by boto3.

The images are made here, of a static program and nothing else, or of busybox.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, free_port, make_zip
from harness import oci
from harness.image_runtime import image_runtime
from harness.oci import Image, Registry, directory, file, layer, link

pytestmark = pytest.mark.needs("namespaces", "gcc")


def base() -> bytes:
    """The layer with the program."""
    return layer(
        directory("bin"), file("bin/runtime", image_runtime(), 0o755), file("etc/secret", b"old"), file("keep", b"kept")
    )


def made(text: str, **config: Any) -> Image:
    """An image of two layers, the upper of which hides a file, replaces one and adds one."""
    upper = layer(
        file("etc/.wh.secret"), file("keep", text.encode()), directory("here", 0o777), link("entry", "bin/runtime")
    )
    settings = {"Entrypoint": ["/entry"], "Cmd": ["one", "two"], "WorkingDir": "/here", "Env": ["OWN=image"]}
    return oci.image(base(), upper, config={**settings, **config})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge], place: Path) -> Midge:
    return start_midge(MIDGE_IMAGES_DIRECTORIES=str(place))


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with oci.serving() as serving:
        yield serving


class Function:
    """One function that is an image."""

    def __init__(self, midge: Midge, name: str, uri: str, **settings: Any) -> None:
        self.client = midge.client()
        self.name = name
        self.client.create_function(
            FunctionName=name, PackageType="Image", Role=ROLE, Code={"ImageUri": uri}, **settings
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def ask(self, event: str) -> Any:
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())

    def fail(self, event: str = "argv", **values: Any) -> dict[str, Any]:
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event), **values)
        assert answer["FunctionError"] == "Unhandled"
        return {**json.loads(answer["Payload"].read()), "log": answer.get("LogResult", "")}

    def update(self, **values: Any) -> None:
        operation = (
            self.client.update_function_code if "ImageUri" in values else self.client.update_function_configuration
        )
        operation(FunctionName=self.name, **values)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name, WaiterConfig={"Delay": 1})


@contextlib.contextmanager
def deployed(midge: Midge, name: str, uri: str, **settings: Any) -> Generator[Function]:
    function = Function(midge, name, uri, **settings)
    try:
        yield function
    finally:
        function.client.delete_function(FunctionName=name)


def check_runs(function: Function, text: str) -> None:
    """It is the image, started as the image says, as AWS's user, with what Lambda sets."""
    assert function.ask("argv") == "/entry one two"
    assert function.ask("cwd") == "/here"
    assert function.ask("id") == "993:993"
    assert function.ask("read /keep") == text
    assert function.ask("read /etc/secret") == "No such file or directory"
    assert function.ask("env OWN") == "image"
    assert function.ask("env AWS_LAMBDA_FUNCTION_NAME") == function.name
    assert function.ask("env AWS_EXECUTION_ENV") == "AWS_Lambda_Image"
    assert function.ask("env _HANDLER") == "(unset)"
    assert function.ask("write /here/x") == "Read-only file system"
    assert function.ask("write /tmp/x") == "written"


def test_an_image_from_a_registry_runs(midge: Midge, registry: Registry) -> None:
    """A function is created from a registry on loopback and invoked; its description is AWS's."""
    registry.push(made("registry"), "v1")
    uri = f"{registry.address}/app:v1"
    with deployed(midge, "from-registry", uri, Environment={"Variables": {"MORE": "yes"}}) as function:
        check_runs(function, "registry")
        assert function.ask("env MORE") == "yes"
        code = function.client.get_function(FunctionName=function.name)["Code"]
        assert code == {
            "RepositoryType": "ECR",
            "ImageUri": uri,
            "ResolvedImageUri": f"{registry.address}/app@{made('registry').digest}",
        }


@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
def test_an_image_from_local_files_runs(midge: Midge, place: Path, form: str) -> None:
    """A layout, an OCI archive and a docker archive each give a running function."""
    images = {"app": made(form)}
    writing = {"oci": oci.write_layout, "oci-archive": oci.write_archive, "docker-archive": oci.write_docker_archive}
    target = writing[form](place / form, images)
    with deployed(midge, form, f"{form}:{target}") as function:
        check_runs(function, form)


def test_an_update_of_the_image(midge: Midge, registry: Registry) -> None:
    """After the tag has moved and the code was updated the new image runs; a published version runs the old one."""
    registry.push(made("before"), "moving")
    uri = f"{registry.address}/app:moving"
    with deployed(midge, "moving", uri) as function:
        assert function.ask("read /keep") == "before"
        version = function.client.publish_version(FunctionName=function.name)["Version"]
        registry.push(made("after"), "moving")
        assert function.ask("read /keep") == "before"
        function.update(ImageUri=uri)
        assert function.ask("read /keep") == "after"
        answer = function.client.invoke(FunctionName=function.name, Qualifier=version, Payload=json.dumps("read /keep"))
        assert json.loads(answer["Payload"].read()) == "before"


def test_image_config_overrides(midge: Midge, registry: Registry) -> None:
    """Entry point, command and directory of the function take the place of the image's, each alone, and can be cleared."""
    registry.push(made("config"), "config")
    config = {"EntryPoint": ["/bin/runtime", "own"], "WorkingDirectory": "/bin"}
    with deployed(midge, "config", f"{registry.address}/app:config", ImageConfig=config) as function:
        assert [function.ask("argv"), function.ask("cwd")] == ["/bin/runtime own one two", "/bin"]
        function.update(ImageConfig={"Command": ["three"]})
        assert [function.ask("argv"), function.ask("cwd")] == ["/entry three", "/here"]
        function.update(ImageConfig={})
        assert function.ask("argv") == "/entry one two"


@pytest.mark.parametrize(
    ("config", "error_type", "text"),
    [
        ({"EntryPoint": ["/nothing"]}, "Runtime.InvalidEntrypoint", "fork/exec /nothing: no such file or directory"),
        ({"WorkingDirectory": "/nothing"}, "Runtime.InvalidWorkingDir", "chdir /nothing: no such file or directory"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_start_is_the_function_s_error(
    midge: Midge, registry: Registry, config: dict[str, Any], error_type: str, text: str
) -> None:
    """The caller gets AWS's error type and words, and the log the line about the image."""
    registry.push(made("broken"), "broken")
    with deployed(midge, "broken", f"{registry.address}/app:broken", ImageConfig=config) as function:
        for error in (function.fail(LogType="Tail"), function.fail(LogType="Tail")):
            assert error["errorType"] == error_type
            assert error["errorMessage"].endswith(f" Error: {text}")
            assert error["errorMessage"].startswith("RequestId: ")
            assert f"IMAGE\tLaunch error: {text}\t" in base64.b64decode(error["log"]).decode()


def test_an_image_whose_program_ends(midge: Midge, registry: Registry) -> None:
    """A crash in the middle is Runtime.ExitError, and the next invocation has a new environment."""
    registry.push(made("crash"), "crash")
    with deployed(midge, "crash", f"{registry.address}/app:crash") as function:
        assert function.fail("exit 3")["errorType"] == "Runtime.ExitError"
        assert function.ask("read /keep") == "crash"


def test_a_shell_script_of_busybox_runs(midge: Midge, place: Path) -> None:
    """A bootstrap in shell, with busybox for everything, is an image too; the interpreter is the image's own."""
    busybox = shutil.which("busybox")
    if busybox is None or subprocess.run(["ldd", busybox], capture_output=True, check=False).returncode == 0:
        if os.environ.get("CI"):
            pytest.fail("CI must offer a static busybox (busybox-static)")
        pytest.skip("this machine has no static busybox")
    script = b"""#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  wget -q -S -O /tmp/event "$api/next" 2>/tmp/headers
  id=$(sed -n 's/^ *Lambda-Runtime-Aws-Request-Id: *//pi' /tmp/headers | tr -d '\\r')
  wget -q -O /dev/null --post-data="{\\"shell\\": $(cat /tmp/event), \\"user\\": \\"$(id -u)\\"}" "$api/$id/response"
done
"""
    programs = [link(f"bin/{name}", "busybox") for name in ("sh", "wget", "sed", "tr", "cat", "id")]
    data = Path(busybox).read_bytes()
    image = oci.image(
        layer(file("bin/busybox", data, 0o755), *programs), layer(file("run", script, 0o755)), config={"Cmd": ["/run"]}
    )
    with deployed(
        midge, "shell", f"oci-archive:{oci.write_archive(place / 'shell.tar', {'shell': image})}"
    ) as function:
        assert function.ask("x") == {"shell": "x", "user": "993"}


def test_images_survive_a_restart_without_their_registry(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """What was Active is invoked after a stop and a start, with the registry gone."""
    data = tmp_path / "data"
    with oci.serving([("v", made("durable"))]) as registry:
        first = start_midge(data_dir=data)
        function = Function(first, "durable", f"{registry.address}/app:v")
        assert function.ask("read /keep") == "durable"
        first.stop()
    second = start_midge(data_dir=data)
    answer = second.client().invoke(FunctionName="durable", Payload=json.dumps("read /keep"))
    assert json.loads(answer["Payload"].read()) == "durable"


def test_function_code_cannot_use_images_to_look_around(midge: Midge, tmp_path: Path) -> None:
    """An image's name leads neither to a file that is not allowed nor to an address that is not, and says nothing of it."""
    oci.write_layout(tmp_path / "secret", {"v": made("secret")})
    client = midge.client()
    for uri in (f"oci:{tmp_path}/secret", "oci-archive:/etc/shadow", "169.254.169.254/latest:v", "10.0.0.1:80/app:v"):
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="midge may not"):
            client.create_function(FunctionName="spy", PackageType="Image", Role=ROLE, Code={"ImageUri": uri})


def test_a_managed_runtime_may_be_an_image(start_midge: Callable[..., Midge], place: Path, tmp_path: Path) -> None:
    """By configuration a zip and its layers run in an image, whose entry point gets the handler; also after a restart."""
    names = {"python": made("python"), "provided": made("provided")}
    layout = oci.write_layout(place / "runtimes", names)
    config = tmp_path / "midge.toml"
    config.write_text(
        f'[images]\ndirectories = ["{place}"]\n'
        f'[runtimes."python3.13"]\nimage = "oci:{layout}:python"\n[runtimes."provided.al2023"]\nimage = "oci:{layout}:provided"\n'
    )
    bootstrap = make_zip({"bootstrap": image_runtime(), "own": b"own"}, executable=("bootstrap",))
    for life in range(2):
        midge = start_midge(data_dir=tmp_path / "data", options=["--config", str(config)])
        client = midge.client()
        if life == 0:
            layer_arn = client.publish_layer_version(
                LayerName="l", Content={"ZipFile": make_zip({"shared": b"layer"})}
            )["LayerVersionArn"]
            zipped = {"ZipFile": make_zip({"app.py": "x = 1"})}
            client.create_function(
                FunctionName="managed",
                Runtime="python3.13",
                Handler="app.handler",
                Role=ROLE,
                Code=zipped,
                Layers=[layer_arn],
            )
            client.create_function(
                FunctionName="own", Runtime="provided.al2023", Handler="h", Role=ROLE, Code={"ZipFile": bootstrap}
            )
        for name in ("managed", "own"):
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

        def ask(name: str, event: str, client: Any = client) -> Any:
            answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
            return json.loads(answer["Payload"].read())

        assert ask("managed", "argv") == "/entry app.handler"
        assert ask("managed", "read /var/task/app.py") == "x = 1"
        assert ask("managed", "read /opt/shared") == "layer"
        assert ask("managed", "read /keep") == "python"
        assert [ask("managed", f"env {name}") for name in ("_HANDLER", "OWN", "AWS_EXECUTION_ENV")] == [
            "app.handler",
            "image",
            "AWS_Lambda_python3.13",
        ]
        assert ask("managed", "write /var/task/x") == "Read-only file system"
        assert ask("own", "argv") == "/var/task/bootstrap"
        assert [ask("own", f"read {path}") for path in ("/var/task/own", "/keep")] == ["own", "provided"]
        midge.stop()


def test_a_runtime_s_image_that_cannot_be_had_keeps_midge_from_starting(
    start_midge: Callable[..., Midge], tmp_path: Path
) -> None:
    """A wrong image in the configuration is told at start, by the runtime's name."""
    config = tmp_path / "midge.toml"
    config.write_text('[runtimes."python3.13"]\nimage = "oci:/nowhere"\n')
    with pytest.raises(RuntimeError, match=r"the image of the runtime python3\.13 cannot be had"):
        start_midge(options=["--config", str(config)])


@contextlib.contextmanager
def real_registry(place: Path) -> Generator[str]:
    """The registry of the distribution project, with an empty storage; its address."""
    port = free_port()
    config = place / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {place}/storage}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (place / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["registry", "serve", str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def push(address: str, image: Image, tag: str) -> None:
    """As any client of a registry does."""

    def send(method: str, url: str, data: bytes = b"", kind: str = "application/octet-stream") -> Any:
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
        return urllib.request.urlopen(request, timeout=20)

    for digest, data in image.blobs.items():
        with send("POST", f"http://{address}/v2/team/app/blobs/uploads/") as answer:
            location = answer.headers["Location"]
        with send("PUT", f"{location}&digest={digest}", data):
            pass
    with send("PUT", f"http://{address}/v2/team/app/manifests/{tag}", image.manifest, image.media_type):
        pass


@pytest.mark.skipif(shutil.which("registry") is None, reason="the distribution project's registry is not installed")
def test_an_image_from_the_distribution_registry_runs(midge: Midge, tmp_path: Path) -> None:
    """The registry that others run serves midge as well as the one made for the tests."""
    with real_registry(tmp_path) as address:
        push(address, made("distribution"), "v1")
        with deployed(midge, "distribution", f"{address}/team/app:v1") as function:
            check_runs(function, "distribution")
