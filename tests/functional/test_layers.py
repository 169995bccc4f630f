"""Functions with layers in the real sandbox: what they find at /opt, and by which paths; and a server that makes them."""

import errno
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from functional.server import Midge, make_zip
from harness.environments import Workshop, catalogue, namespace_sandbox, workshop, write_package

pytestmark = pytest.mark.needs("namespaces")

PYTHONS = [name for name in catalogue() if name.startswith("python")]
NODES = [name for name in catalogue() if name.startswith("nodejs")]
EXECUTABLE = ("bootstrap", "bin/tool")
IMPORT = """
import sys
import shared
def handler(event, context):
    return [shared.__file__, shared.VALUE, [path for path in sys.path if path.startswith(("/opt", "/var"))][:3]]
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    """A sandbox with boto3 preloaded, as midge has it."""
    with workshop(lambda: namespace_sandbox(preload=("boto3",))) as made:
        yield made


@pytest.fixture
def layers(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Makes the directory of a function's layers."""
    return lambda files: write_package(tmp_path / "layers", files, EXECUTABLE)


@pytest.fixture
def function(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    return lambda files: write_package(tmp_path / "function", files, EXECUTABLE)


Make = Callable[[Mapping[str, str | bytes]], Path]


@pytest.mark.parametrize("start", ["forked", "direct"])
@pytest.mark.parametrize("runtime", PYTHONS)
def test_python_finds_modules_of_layers(shop: Workshop, function: Make, layers: Make, runtime: str, start: str) -> None:
    """Both directories that AWS names are searched, after the function's own and before the runtime's."""
    more = {} if start == "forked" else {"PYTHONHASHSEED": "1"}
    site = f"python/lib/{runtime}/site-packages"
    at = function({"app.py": IMPORT})
    opt = layers({"python/shared.py": "VALUE = 1", f"{site}/shared.py": "VALUE = 2"})
    where, value, paths = shop.invoke(at, runtime=runtime, layers=opt, **more)
    assert (where, value) == (f"/opt/{site}/shared.py", 2)
    assert paths == ["/var/task", f"/opt/{site}", "/opt/python"]
    (opt / site / "shared.py").unlink()
    assert shop.invoke(at, runtime=runtime, layers=opt, **more)[0] == "/opt/python/shared.py"


def test_the_functions_own_modules_come_first(shop: Workshop, function: Make, layers: Make) -> None:
    """A module that function and layer both bring is the function's."""
    at = function({"app.py": IMPORT, "shared.py": "VALUE = 3"})
    assert shop.invoke(at, layers=layers({"python/shared.py": "VALUE = 1"}))[1] == 3


@pytest.mark.parametrize("start", ["forked", "direct"])
def test_a_layers_library_wins_over_the_runtimes(shop: Workshop, function: Make, layers: Make, start: str) -> None:
    """A boto3 in a layer is used instead of the runtime's, also where that had been loaded ahead."""
    more = {} if start == "forked" else {"PYTHONHASHSEED": "1"}
    at = function({"app.py": "import boto3\ndef handler(event, context):\n    return boto3.__file__\n"})
    opt = layers({"python/boto3/__init__.py": "VALUE = 1"})
    assert shop.invoke(at, layers=opt, **more) == "/opt/python/boto3/__init__.py"
    assert shop.invoke(at, **more) == "/var/runtime/boto3/__init__.py"


@pytest.mark.parametrize("start", ["forked", "direct"])
@pytest.mark.parametrize("has_lib", [True, False])
def test_shared_libraries_of_layers_are_found(
    shop: Workshop, function: Make, layers: Make, start: str, has_lib: bool
) -> None:
    """A library in /opt/lib is loaded by its name alone, though a forked interpreter started before it was there."""
    more = {} if start == "forked" else {"PYTHONHASHSEED": "1"}
    name = find_library("z")
    assert name is not None
    machine = next(
        path for path in (Path("/lib/x86_64-linux-gnu"), Path("/lib64"), Path("/usr/lib")) if (path / name).exists()
    )
    library = (machine / name).read_bytes()
    source = """
import ctypes
def handler(event, context):
    try:
        library = ctypes.CDLL("libofalayer.so")
    except OSError:
        return None
    return library.crc32(0, b"midge", 5) & 0xFFFFFFFF
"""
    opt = layers({"lib/libofalayer.so": library} if has_lib else {"other": ""})
    wanted = zlib.crc32(b"midge") if has_lib else None
    assert shop.invoke(function({"app.py": source}), layers=opt, **more) == wanted


LOOK = """
import os
def handler(event, context):
    try:
        os.mkdir("/opt/new")
    except OSError as error:
        refusal = error.errno
    try:
        open("/opt/data/file", "a")
    except OSError as error:
        refusals = [refusal, error.errno]
    return [sorted(os.listdir("/opt")), refusals]
"""


def test_opt_is_read_only(shop: Workshop, function: Make, layers: Make) -> None:
    """Nothing can be made or changed in /opt."""
    names, (making, changing) = shop.invoke(function({"app.py": LOOK}), layers=layers({"data/file": "x"}))
    assert names == ["data"]
    assert making == errno.EROFS
    assert changing in {errno.EROFS, errno.EACCES}  # as another user, or as the same when rootless


def test_layers_are_seen_only_by_functions_that_have_them(shop: Workshop, function: Make, layers: Make) -> None:
    """A function without layers, also one that runs at the same time on the same runtime, has nothing in /opt."""
    source = "import os\ndef handler(event, context):\n    return [name for _, _, files in os.walk('/opt') for name in files]\n"
    at, opt = function({"app.py": source}), layers({"python/secret.py": ""})

    async def work() -> list[Any]:
        async with shop.open_environment(at, layers=opt) as one, shop.open_environment(at) as other:
            return [await one.invoke(), await other.invoke()]

    assert shop.run(work()) == [["secret.py"], []]


@pytest.mark.skipif(not NODES, reason="no Node.js that a runtime could be made of")
@pytest.mark.parametrize("start", ["waiting", "direct"])
def test_nodejs_finds_modules_of_layers(shop: Workshop, function: Make, layers: Make, start: str) -> None:
    """Both directories that AWS names are searched, that of the major version first."""
    more = {} if start == "waiting" else {"NODE_OPTIONS": "--no-warnings"}
    runtime, major = NODES[0], NODES[0].removesuffix(".x")
    source = "exports.handler = async () => [require('shared'), require('own'), process.env.NODE_PATH.split(':').slice(0, 2)];"
    opt = layers(
        {
            "nodejs/node_modules/shared/index.js": "module.exports = 'any';",
            "nodejs/node_modules/own/index.js": "module.exports = 'any';",
            f"nodejs/{major.replace('nodejs', 'node')}/node_modules/shared/index.js": "module.exports = 'major';",
        }
    )
    found = shop.invoke(function({"index.js": source}), runtime=runtime, handler="index.handler", layers=opt, **more)
    paths = [f"/opt/nodejs/{major.replace('nodejs', 'node')}/node_modules", "/opt/nodejs/node_modules"]
    assert found == ["major", "any", paths]


BOOTSTRAP = """#!/bin/sh
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
exec python3 -c '
import json, os, subprocess, urllib.request
api = os.environ["API"]
with urllib.request.urlopen(api + "/invocation/next") as event:
    name = event.headers["Lambda-Runtime-Aws-Request-Id"]
said = subprocess.run(["tool"], capture_output=True, text=True).stdout.strip()
answer = [said, os.environ["PATH"].split(":")[-1], os.environ["LD_LIBRARY_PATH"].split(":")[-1], os.environ["FROM"]]
urllib.request.urlopen(api + "/invocation/" + name + "/response", json.dumps(answer).encode()).close()
urllib.request.urlopen(api + "/invocation/next")
'
"""


@pytest.mark.parametrize("where", ["package", "layer", "both"])
def test_a_bootstrap_uses_programs_of_layers(shop: Workshop, function: Make, layers: Make, where: str) -> None:
    """/opt/bin is on the path; the bootstrap itself may come from a layer, unless the function has one."""
    if shutil.which("python3", path="/usr/bin") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("this machine's userland has no Python")
    script = "export API FROM={}\nAPI=".format
    own = BOOTSTRAP.replace("API=", script("package"), 1)
    theirs = BOOTSTRAP.replace("API=", script("layer"), 1)
    opt = {"bin/tool": "#!/bin/sh\necho from a layer\n"}
    at = function({"bootstrap": own} if where != "layer" else {"readme": ""})
    found = shop.invoke(
        at,
        runtime="provided.al2023",
        handler="any",
        layers=layers({**opt, "bootstrap": theirs} if where != "package" else opt),
    )
    assert found == ["from a layer", "/opt/bin", "/opt/lib", "layer" if where == "layer" else "package"]


# the whole way: a server, boto3, zips


def publish(client: Any, name: str, files: Mapping[str, str], **values: Any) -> str:
    """A new version of a layer; its ARN."""
    published = client.publish_layer_version(LayerName=name, Content={"ZipFile": make_zip(files)}, **values)
    return str(published["LayerVersionArn"])


def invoke(client: Any, name: str, **values: Any) -> Any:
    return client.invoke(FunctionName=name, **values)["Payload"].read().decode()


VALUES = """
import os
def handler(event, context):
    found = {}
    for name in ("one", "two", "both"):
        try:
            found[name] = __import__(name).VALUE
        except ImportError:
            found[name] = None
    return found
"""


def test_layers_are_laid_over_each_other_in_order(midge: Midge, deploy: Callable[..., str]) -> None:
    """Of two layers with the same file the later one's counts; a change of order makes new environments."""
    client = midge.client()
    one = publish(client, "one", {"python/one.py": "VALUE = 1", "python/both.py": "VALUE = 1"})
    two = publish(client, "two", {"python/two.py": "VALUE = 2", "python/both.py": "VALUE = 2"})
    deploy("ordered", {"app.py": VALUES}, Layers=[one, two])
    assert invoke(client, "ordered") == '{"one": 1, "two": 2, "both": 2}'
    client.update_function_configuration(FunctionName="ordered", Layers=[two, one])
    client.get_waiter("function_updated_v2").wait(FunctionName="ordered", WaiterConfig={"Delay": 1})
    assert invoke(client, "ordered") == '{"one": 1, "two": 2, "both": 1}'
    deploy("bare", {"app.py": VALUES})
    assert invoke(client, "bare") == '{"one": null, "two": null, "both": null}'
    client.update_function_configuration(FunctionName="ordered", Layers=[])
    client.get_waiter("function_updated_v2").wait(FunctionName="ordered", WaiterConfig={"Delay": 1})
    assert invoke(client, "ordered") == '{"one": null, "two": null, "both": null}'


def test_a_function_outlives_its_layer(start_midge: Callable[..., Midge]) -> None:
    """Deleted layer versions go on in functions and published versions that have them, also over a restart."""
    server = start_midge()
    client = server.client()
    one = publish(client, "one", {"python/one.py": "VALUE = 1"})
    two = publish(client, "two", {"python/two.py": "VALUE = 2"})
    client.create_function(
        FunctionName="f", Runtime="python3.11", Handler="app.handler", Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": make_zip({"app.py": VALUES})}, Layers=[one, two], Publish=True,
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    client.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="1", WaiterConfig={"Delay": 1})
    for name in ("one", "two"):
        client.delete_layer_version(LayerName=name, VersionNumber=1)
    with pytest.raises(ClientError, match="does not exist"):
        client.update_function_configuration(FunctionName="f", Layers=[one])
    server.stop()
    client = start_midge(server.data_dir).client()
    for qualifier in ("$LATEST", "1"):
        assert invoke(client, "f", Qualifier=qualifier) == '{"one": 1, "two": 2, "both": null}'
    assert [layer["Arn"] for layer in client.get_function_configuration(FunctionName="f")["Layers"]] == [one, two]
