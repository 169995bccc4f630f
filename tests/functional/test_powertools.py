"""Powertools for AWS Lambda (Python), unmodified, in examples/powertools: each of its utilities does what it is for."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge
from harness.toolchains import build_cache, built_once, digest_of, run_directory

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "powertools"
RUNTIME = "python3.13"

pytestmark = pytest.mark.needs("namespaces", f"runtime:{RUNTIME}")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What requirements.txt pins, installed for the function's Python by pip; kept from one run to the next."""
    pins = EXAMPLE / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    wheels = ["--only-binary=:all:", "--python-version", RUNTIME.removeprefix("python")]

    def install(target: Path) -> None:
        command = [*pip, *wheels, "--target", str(target), "-r", str(pins)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"pip could not install Powertools: {done.stderr}")

    root = build_cache() or run_directory(tmp_path_factory)
    return built_once(root, f"powertools-{digest_of(pins.read_text(), RUNTIME)}", install)


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge], libraries: Path) -> Midge:
    """A server with the table, and the function deployed as "orders"."""
    server = start_midge()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(EXAMPLE / "app.py", "app.py")
        for path in sorted(libraries.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, str(path.relative_to(libraries)))
    server.client("dynamodb").create_table(
        TableName="charges",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client = server.client()
    client.create_function(
        FunctionName="orders",
        Runtime=RUNTIME,
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": buffer.getvalue()},
        Timeout=60,
        MemorySize=512,
        Environment={"Variables": {"CHARGES_TABLE": "charges"}},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="orders", WaiterConfig={"Delay": 1})
    return server


def message(identifier: str, body: str) -> dict[str, Any]:
    """One message as SQS hands it over."""
    return {
        "messageId": identifier,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
        "awsRegion": "us-east-1",
    }


def invoke(midge: Midge, *messages: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The function's answer to a batch, and the request's id."""
    answer = midge.client().invoke(FunctionName="orders", Payload=json.dumps({"Records": messages}))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload, answer["ResponseMetadata"]["RequestId"]


def records(midge: Midge) -> list[dict[str, Any]]:
    """What the function wrote, of it the JSON objects."""
    command = [
        sys.executable,
        "-m",
        "midge.cli",
        "logs",
        "orders",
        "--lines",
        "1000",
        "--data-dir",
        str(midge.data_dir),
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_every_utility_in_one_function(midge: Midge) -> None:
    """A batch with a repeated order and one that is no order: checked, charged once, logged, counted, and one comes back."""
    order = json.dumps({"id": "o-1", "price": 10})
    answer, request = invoke(
        midge,
        message("m-1", order),
        message("m-2", json.dumps({"id": "o-2", "price": 32})),
        message("m-3", order),
        message("m-4", json.dumps({"id": "o-4", "price": -1})),
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-4"}]}  # batch and parser

    invoked_again, second_request = invoke(midge, message("m-5", order))
    assert invoked_again == {"batchItemFailures": []}

    written = records(midge)
    charged = [record for record in written if record.get("message") == "charged"]
    assert [(record["order"], record["price"]) for record in charged] == [("o-1", 10), ("o-2", 32)]  # idempotency
    for record in charged:  # logger
        assert (record["level"], record["service"], record["function_name"]) == ("INFO", "orders", "orders")
        assert record["function_request_id"] == request != second_request
        assert record["cold_start"] is True
        assert record["function_memory_size"] == "512"
        assert record["xray_trace_id"].startswith("1-")  # tracer

    measured = [record for record in written if "_aws" in record]  # metrics
    cold = next(record for record in measured if "ColdStart" in record)
    assert (cold["function_name"], cold["ColdStart"]) == ("orders", [1.0])
    counted = next(record for record in measured if "Charged" in record)
    assert counted["Charged"] == [10.0, 32.0]
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"

    items = midge.client("dynamodb").scan(TableName="charges")["Items"]
    assert {item["status"]["S"] for item in items} == {"COMPLETED"}
    assert {json.loads(item["data"]["S"])["order"] for item in items} == {"o-1", "o-2"}
