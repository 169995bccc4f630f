"""Extensions that somebody else wrote: AWS's Lambda Web Adapter, Serverless's for OpenTelemetry, and one on AWS's crate."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.extension_programs import PATIENT
from functional.server import Midge, make_zip
from functional.watched import Watched
from harness.crates import built, installed
from harness.toolchains import build_cache, built_once, run_directory

pytestmark = pytest.mark.needs("namespaces")

WEB_ADAPTER = ("lambda_web_adapter", "1.0.0-rc1", "lambda-adapter")
WEB_APPLICATION = """
import http.server, signal, sys
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(b"you asked for " + self.path.encode())
    def log_message(self, *_):
        pass
def end(*_):
    print("application got SIGTERM", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answers).serve_forever()
"""
REQUEST = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/some/page",
    "rawQueryString": "a=1",
    "headers": {"host": "example.com"},
    "requestContext": {
        "accountId": "anonymous",
        "apiId": "x",
        "domainName": "example.com",
        "domainPrefix": "x",
        "http": {
            "method": "GET",
            "path": "/some/page",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "t",
        },
        "requestId": "id",
        "routeKey": "$default",
        "stage": "$default",
        "time": "25/Nov/2026:19:00:00 +0000",
        "timeEpoch": 1795633200000,
    },
    "isBase64Encoded": False,
}


OPENTELEMETRY = ("@serverless/aws-lambda-otel-extension-dist", "0.1.11")
PACK_SECONDS = 120


def opentelemetry(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The layer that Serverless, Inc. publishes through npm."""
    name, version = OPENTELEMETRY

    def unpack(into: Path) -> None:
        for argv in (["npm", "pack", f"{name}@{version}", "--silent"], ["sh", "-c", "tar -xzf *.tgz"]):
            done = subprocess.run(
                argv,
                cwd=into,
                capture_output=True,
                text=True,
                timeout=PACK_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, done.stderr[-2_000:]

    root = build_cache() or run_directory(tmp_path_factory)
    return (built_once(root, f"otel-extension-{version}", unpack) / "package/extension.zip").read_bytes()


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge]) -> Midge:
    """A server that waits for last words however busy the machine is; AWS's times are proved on virtual time."""
    return start_midge(**PATIENT)


def layer(midge: Midge, name: str, program: bytes) -> str:
    """A published layer with one extension."""
    path = f"extensions/{name}"
    content = {"ZipFile": make_zip({path: program}, (path,))}
    answer: dict[str, Any] = midge.client().publish_layer_version(LayerName=name, Content=content)
    return str(answer["LayerVersionArn"])


@pytest.mark.needs("cargo")
def test_the_lambda_web_adapter_serves_a_web_application(midge: Midge, deploy: Callable[..., str]) -> None:
    """AWS's adapter registers, runs an ordinary web application as a function, and both are ended in time."""
    arn = layer(midge, "lambda-adapter", installed(*WEB_ADAPTER))
    variables = {"AWS_LWA_PORT": "8080"}
    deploy(
        "web",
        {"app.py": WEB_APPLICATION},
        Layers=[arn],
        Timeout=20,
        MemorySize=512,
        Environment={"Variables": variables},
    )
    function = Watched(midge, "web")
    answer = function.invoke(REQUEST)
    assert (answer["statusCode"], answer["body"]) == (200, "you asked for /some/page?a=1")
    assert function.invoke({**REQUEST, "rawQueryString": ""})["body"] == "you asked for /some/page"
    began = time.monotonic()
    function.end()
    log = function.until("application got SIGTERM")
    assert "EXTENSION\tName: lambda-adapter\tState: Ready\tEvents: []\n" in log
    function.until_gone("extensions/lambda-adapter")
    assert time.monotonic() - began < function.PATIENCE_SECONDS


@pytest.mark.needs("cargo")
def test_an_extension_on_awss_crate_understands_all_telemetry(midge: Midge, deploy: Callable[..., str]) -> None:
    """By AWS's own types it reads every event, has the invocation's request id, and ends itself when it is asked to."""
    program = built(Path(__file__).parent / "telemetry_extension", "telemetry-extension")
    arn = layer(midge, "rust", program)
    source = "def handler(event, context):\n    print('working')\n    return context.aws_request_id\n"
    deploy("heard-by-rust", {"app.py": source}, Layers=[arn], Timeout=20, MemorySize=256)
    function = Watched(midge, "heard-by-rust")
    request_id = function.invoke()
    function.invoke()
    function.end()
    log = function.until("@rust SHUTDOWN")
    heard = [line.partition("heard ")[2] for line in log if line.startswith("@rust heard")]
    kinds = [re.split(r"\W", line, maxsplit=1)[0] for line in heard]
    expected = ["PlatformInitStart", "PlatformTelemetrySubscription", "PlatformExtension", "PlatformInitRuntimeDone"]
    expected += ["PlatformInitReport", "PlatformStart", "Function", "PlatformRuntimeDone", "PlatformReport"]
    assert set(expected) <= set(kinds)
    assert kinds.count("PlatformStart") == 2
    assert kinds.index("PlatformStart") < kinds.index("Function") < kinds.index("PlatformReport")
    assert any(line.startswith(f"@rust INVOKE {request_id} Root=1-") for line in log)
    assert any(f'PlatformReport {{ request_id: "{request_id}", status: Success' in line for line in heard)
    assert 'Function("working")\n' in heard
    assert "@rust SHUTDOWN spindown\n" in log
    function.until_gone("extensions/rust")


@pytest.mark.needs("npm", "node")
def test_serverless_opentelemetry_extension_is_told_of_reports(
    midge: Midge, deploy: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A published extension for Node.js makes metrics of the reports that it is sent, and is shut down in time."""
    content = {"ZipFile": opentelemetry(tmp_path_factory)}
    arn = midge.client().publish_layer_version(LayerName="otel-extension", Content=content)["LayerVersionArn"]
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-extension/otel-handler",
        "SLS_OTEL_REPORT_TYPE": "json",
        "DEBUG_SLS_OTEL_LAYER": "1",
    }
    deploy(
        "observed",
        {"index.js": "exports.handler = async () => ({ statusCode: 201, body: 'hello' });\n"},
        Runtime="nodejs20.x",
        Handler="index.handler",
        Layers=[arn],
        Timeout=20,
        MemorySize=512,
        Environment={"Variables": variables},
    )
    function = Watched(midge, "observed")
    assert function.invoke({}) == {"statusCode": 201, "body": "hello"}
    report = next(line for line in function.until("REPORT") if line.startswith("REPORT"))
    measured = float(report.partition("\tDuration: ")[2].partition(" ")[0])
    assert function.invoke({}) == {"statusCode": 201, "body": "hello"}
    function.end()
    log = function.until("Processing event:  SHUTDOWN")
    assert "LOGS\tName: otel-extension\tState: Subscribed\tTypes: [Platform]\n" in log
    assert round(measured, 1) in [round(duration, 1) for duration in durations(log)]
    function.until_gone("otel-extension/index.js")


def durations(log: list[str]) -> list[float]:
    """Milliseconds of the invocations, in the metrics that the extension made of their reports."""
    documents = [json.loads(line) for line in log if line.startswith('[{"resourceMetrics"')]
    metrics = [
        metric
        for document in documents
        for resource in document[0]["resourceMetrics"]
        for library in resource["instrumentationLibraryMetrics"]
        for metric in library["metrics"]
    ]
    points = [metric["histogram"]["dataPoints"] for metric in metrics if metric["name"] == "faas.duration"]
    return [point[0]["sum"] for point in points]
