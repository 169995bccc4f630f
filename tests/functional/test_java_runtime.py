"""The Java runtimes in the real sandbox: AWS's unmodified client, every way to write a handler, on every version here."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import (
    FOUND,
    Driven,
    Workshop,
    catalogue,
    namespace_sandbox,
    process_sandbox,
    workshop,
    write_package,
)

from midge.observe.log_frames import Frame, FrameSplitter
from midge.sandbox.port import ProcessExit

REQUIRED = ["java17", "java25"]
OPTIONAL = ["java8.al2", "java11", "java21"]
NEWEST = "java25"

pytestmark = [pytest.mark.needs("namespaces", "javac")]

SOURCES = {
    "example/Streams.java": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
public class Streams implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        out.write("{\\"got\\": ".getBytes());
        byte[] part = new byte[3];
        for (int count; (count = in.read(part)) > 0;) out.write(part, 0, count);
        out.write("}".getBytes());
    }
}
""",
    "example/Pojos.java": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;
public class Pojos implements RequestHandler<Pojos.Order, Pojos.Receipt> {
    public static class Order {
        private String id; private List<Integer> prices; private Map<String, Boolean> flags;
        public String getId() { return id; }
        public void setId(String id) { this.id = id; }
        public List<Integer> getPrices() { return prices; }
        public void setPrices(List<Integer> prices) { this.prices = prices; }
        public Map<String, Boolean> getFlags() { return flags; }
        public void setFlags(Map<String, Boolean> flags) { this.flags = flags; }
    }
    public static class Receipt {
        private final String id; private final int total; private final boolean paid;
        Receipt(String id, int total, boolean paid) { this.id = id; this.total = total; this.paid = paid; }
        public String getId() { return id; }
        public int getTotal() { return total; }
        public boolean isPaid() { return paid; }
    }
    public Receipt handleRequest(Order order, Context context) {
        int total = 0;
        for (int price : order.getPrices()) total += price;
        return new Receipt(order.getId(), total, order.getFlags().get("paid"));
    }
}
""",
    "example/Plain.java": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;
public class Plain {
    public String upper(String text) { return text.toUpperCase(); }
    public Map<String, Object> about(Map<String, Object> event, Context context) {
        Map<String, Object> found = new TreeMap<>();
        found.put("version", System.getProperty("java.specification.version"));
        found.put("directory", System.getProperty("user.dir"));
        found.put("home", System.getProperty("java.home"));
        found.put("heap", Runtime.getRuntime().maxMemory());
        found.put("name", context.getFunctionName());
        found.put("request", context.getAwsRequestId());
        found.put("memory", context.getMemoryLimitInMB());
        found.put("arn", context.getInvokedFunctionArn());
        found.put("remaining", context.getRemainingTimeInMillis() > 0);
        found.put("variable", System.getenv("AWS_EXECUTION_ENV"));
        found.put("property", System.getProperty("added"));
        return found;
    }
    public String speak(String text, Context context) {
        System.out.println("printed");
        System.err.println("erred");
        context.getLogger().log("logged\\nin two lines\\n");
        return text;
    }
    public void fail(Object event) { throw new IllegalStateException("not like this", new RuntimeException("because")); }
    public void exhaust(Object event) { List<long[]> all = new ArrayList<>(); while (true) all.add(new long[1 << 20]); }
    public void leave(Object event) { System.exit(3); }
    public String borrow(Object event) throws Exception {
        return (String) Class.forName("layer.Lent").getMethod("word").invoke(null);
    }
}
""",
    "example/Broken.java": """
package example;
public class Broken {
    public Broken() { throw new IllegalStateException("not made"); }
    public String handle(String text) { return text; }
}
""",
    "layer/Lent.java": """
package layer;
public class Lent { public static String word() { return "from a layer"; } }
""",
}


def runtimes() -> list[Any]:
    """Every version of Java, those that CI has to have marked so."""
    here = set(catalogue())
    return [
        *(pytest.param(name, marks=pytest.mark.needs(f"runtime:{name}")) for name in REQUIRED),
        *(name for name in OPTIONAL if name in here),
    ]


RUNTIMES = runtimes()
newest = pytest.mark.needs(f"runtime:{NEWEST}")


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions, compiled for every version that is here."""
    directory = tmp_path_factory.mktemp("java")
    core = next(FOUND.client(NEWEST).glob("aws-lambda-java-core-*.jar"), None)
    if core is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("AWS's client for Java was not added")
    write_package(directory / "source", SOURCES)
    files = [str(directory / "source" / name) for name in SOURCES]
    release = "8" if "java8.al2" in catalogue() else "11"
    compiler = ["javac", "--release", release, "-Xlint:-options", "-nowarn", "-cp", str(core)]
    subprocess.run([*compiler, "-d", str(directory / "classes"), *files], check=True)
    return directory / "classes"


@pytest.fixture
def package(classes: Path, tmp_path: Path) -> Path:
    """A package with the compiled functions at its root, without what the layer brings."""
    directory = tmp_path / "function"
    shutil.copytree(classes, directory, ignore=shutil.ignore_patterns("layer"))
    return directory


SETTINGS: dict[str, Any] = {"memory_size_mb": 256}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_kind_of_handler(shop: Workshop, package: Path, runtime: str) -> None:
    """Streams, POJOs, RequestHandler and plain methods are called as AWS's client calls them, on every version."""
    settings: dict[str, Any] = {**SETTINGS, "runtime": runtime}
    assert shop.invoke(package, {"a": [1, "ä"]}, handler="example.Streams", **settings) == {"got": {"a": [1, "ä"]}}
    order = {"id": "x1", "prices": [3, 4], "flags": {"paid": True}}
    for handler in ("example.Pojos", "example.Pojos::handleRequest"):
        receipt = shop.invoke(package, order, handler=handler, **settings)
        assert receipt == {"id": "x1", "total": 7, "paid": True}
    assert shop.invoke(package, "straße", handler="example.Plain::upper", **settings) == "STRASSE"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_a_function_sees(shop: Workshop, package: Path, runtime: str) -> None:
    """The version of the runtime, AWS's directories, 85 % of the memory as heap, and the context."""
    more: dict[str, Any] = {"AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}", "JAVA_TOOL_OPTIONS": "-Dadded=yes"}
    found = shop.invoke(package, {}, handler="example.Plain::about", runtime=runtime, **SETTINGS, **more)
    version = runtime.removeprefix("java").partition(".")[0]
    assert found["version"] == ("1.8" if version == "8" else version)
    assert (found["directory"], found["home"].partition("/jre")[0]) == ("/var/task", "/var/lang")
    assert 0.75 <= found["heap"] / (256 * 1024 * 1024) <= 0.86  # less what the collector never fills
    assert found["name"] == "example"
    assert found["request"].startswith("8476a536")
    assert (found["memory"], found["remaining"]) == (256, True)
    assert found["arn"].endswith(":function:example")
    assert found["variable"] == f"AWS_Lambda_{runtime}"
    assert found["property"] == "yes"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_output(shop: Workshop, package: Path, runtime: str) -> None:
    """What a function prints and logs comes in order, a message of several lines as one, and nothing of the runtime's own."""

    async def work() -> list[bytes | Frame]:
        async with shop.open_environment(
            package, runtime=runtime, handler="example.Plain::speak", **SETTINGS
        ) as driven:
            assert await driven.invoke("x") == "x"
            driven.environment.drain_output()
            return FrameSplitter(1_024).feed(driven.output)

    *printed, message = shop.run(work())
    assert b"".join(part for part in printed if isinstance(part, bytes)) == b"printed\nerred\n"
    assert isinstance(message, Frame)
    assert message.message == b"logged\nin two lines\n"


@newest
def test_json_logging(shop: Workshop, package: Path) -> None:
    """AWS_LAMBDA_LOG_FORMAT=JSON makes the logger's records JSON objects with level and request id."""

    async def work() -> str:
        more: dict[str, Any] = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
        handler = "example.Plain::speak"
        async with shop.open_environment(package, runtime=NEWEST, handler=handler, **SETTINGS, **more) as driven:
            await driven.invoke("x")
            return driven.text

    record = json.loads(shop.run(work()).splitlines()[-1])
    assert record["message"] == "logged\nin two lines\n"
    assert record["AWSRequestId"].startswith("8476a536")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_layer_and_libraries(shop: Workshop, classes: Path, package: Path, tmp_path: Path, runtime: str) -> None:
    """Classes are found in the archives of lib and of a layer's java/lib."""
    archive = tmp_path / "lent"
    shutil.make_archive(str(archive), "zip", classes, "layer")
    layer = write_package(tmp_path / "layer", {"java/lib/lent.jar": archive.with_suffix(".zip").read_bytes()})
    settings: dict[str, Any] = {**SETTINGS, "runtime": runtime, "handler": "example.Plain::borrow"}
    assert shop.invoke(package, {}, layers=layer, **settings) == "from a layer"
    with pytest.raises(AssertionError, match="ClassNotFoundException"):
        shop.invoke(package, {}, **settings)
    (package / "lib").mkdir(mode=0o755)
    shutil.copy(archive.with_suffix(".zip"), package / "lib" / "lent.jar")
    assert shop.invoke(package, {}, **settings) == "from a layer"


@newest
@pytest.mark.parametrize(
    ("handler", "kind", "text"),
    [
        ("example.Plain::fail", "java.lang.IllegalStateException", "not like this"),
        ("example.Nothing::handle", "java.lang.ClassNotFoundException", "Class not found: example.Nothing"),
        ("example.Plain::nothing", None, "No public method named nothing"),
    ],
)
def test_errors_have_their_types(shop: Workshop, package: Path, handler: str, kind: str | None, text: str) -> None:
    """An exception of the handler's, and a handler that is not there, are reported as AWS's client words them."""

    async def work() -> dict[str, Any]:
        async with shop.open_environment(package, runtime=NEWEST, handler=handler, **SETTINGS) as driven:
            call = await driven.answer({})
            assert call.kind == "error"
            return call.json()

    error = shop.run(work())
    assert error.get("errorType") == kind
    assert text in error["errorMessage"]


@newest
def test_a_class_that_cannot_be_made_fails_the_initialisation(shop: Workshop, package: Path) -> None:
    """An exception of the constructor's is an init error, and the runtime ends."""

    async def work() -> tuple[str, dict[str, Any], list[ProcessExit]]:
        async with shop.open_environment(
            package, runtime=NEWEST, handler="example.Broken::handle", **SETTINGS
        ) as driven:
            call = await driven.post()
            await driven.end()
        return call.path, call.json(), driven.exits

    path, error, exits = shop.run(work())
    assert path.endswith("/init/error")
    assert "not made" in json.dumps(error)
    assert exits == [ProcessExit(code=1)]


@newest
def test_how_it_ends(shop: Workshop, package: Path) -> None:
    """System.exit ends the environment with its code; a full heap is the function's error, and then the runtime's end."""

    async def end(handler: str) -> Driven:
        async with shop.open_environment(package, runtime=NEWEST, handler=handler, **SETTINGS) as driven:
            await driven.give({})
            await driven.end()
        return driven

    assert shop.run(end("example.Plain::leave")).exits == [ProcessExit(code=3)]

    async def exhaust() -> dict[str, Any]:
        async with shop.open_environment(
            package, runtime=NEWEST, handler="example.Plain::exhaust", **SETTINGS
        ) as driven:
            return (await driven.answer({})).json()

    assert shop.run(exhaust())["errorType"] == "java.lang.OutOfMemoryError"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_isolation(package: Path, runtime: str) -> None:
    """Where there are no namespaces, plain processes run the same functions."""
    with workshop(process_sandbox) as shop:
        about = shop.invoke(package, {}, runtime=runtime, handler="example.Plain::about", **SETTINGS)
    assert about["directory"] == str(package)
    assert about["name"] == "example"
