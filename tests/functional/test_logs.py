"""CloudWatch Logs on a real server: what real functions write, read by boto3 and the AWS CLI, sent on, and kept."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from functional.server import ROLE, Midge, clean_environment, make_zip

ACCOUNT_ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SPEAKER = """
import logging, sys
def handler(event, context):
    print("printed")
    logging.getLogger().warning("first line\\nsecond line")
    print("erred", file=sys.stderr)
    if event.get("fail"):
        raise ValueError("no\\nway")
    return "answer"
"""
LISTENER = """
import base64, gzip, json
def handler(event, context):
    document = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for entry in document["logEvents"]:
        print(json.dumps(["heard", document["logGroup"], document["subscriptionFilters"], entry["message"]]))
"""
WAIT_SECONDS = 60.0

pytestmark = pytest.mark.needs("namespaces")
Deploy = Callable[..., str]


def invoke(midge: Midge, name: str, event: Any = None) -> Any:
    answer = midge.client().invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return json.loads(answer["Payload"].read())


def messages(midge: Midge, name: str, **values: Any) -> list[str]:
    """Everything in a function's log group that matches."""
    pages = (
        midge.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", **values)
    )
    return [event["message"] for page in pages for event in page["events"]]


def until(found: Callable[[], Any]) -> Any:
    """What ``found`` returns once that is something; fails when that takes too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError("it did not come")


def cli(midge: Midge, *arguments: str) -> Any:
    """The AWS CLI as a program; its output as JSON."""
    variables = clean_environment(
        AWS_ENDPOINT_URL=midge.endpoint, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1", AWS_DEFAULT_OUTPUT="json", AWS_MAX_ATTEMPTS="1",
    )  # fmt: skip
    done = subprocess.run(
        [f"{sys.prefix}/bin/aws", "logs", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_what_a_function_writes_is_read_at_once(midge: Midge, deploy: Deploy) -> None:
    """After the answer the log is whole: a line printed is an event, a message logged is one, however many lines."""
    name = deploy("speaker", {"app.py": SPEAKER})
    assert invoke(midge, name) == "answer"
    found = messages(midge, name)
    assert [message.split(" ")[0] for message in (found[0], found[-2], found[-1])] == ["START", "END", "REPORT"]
    printed, logged, erred = found[1:-2]
    assert (printed, erred) == ("printed\n", "erred\n")
    assert logged.startswith("[WARNING]\t")
    assert logged.endswith("\tfirst line\nsecond line\n")
    (stream,) = midge.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert "[$LATEST]" in stream["logStreamName"]
    assert stream["firstEventTimestamp"] <= stream["lastEventTimestamp"] <= stream["lastIngestionTime"]


def test_an_exception_is_one_event(midge: Midge, deploy: Deploy) -> None:
    """The client's account of an unhandled exception, with its traceback, stays together."""
    name = deploy("raiser", {"app.py": SPEAKER})
    assert invoke(midge, name, {"fail": True})["errorType"] == "ValueError"
    (error,) = messages(midge, name, filterPattern='"[ERROR]"')
    assert error.startswith("[ERROR] ValueError: no\nway\nTraceback")


@pytest.mark.needs("node")
def test_a_node_function_writes_whole_messages(midge: Midge, deploy: Deploy) -> None:
    """What console is given is one event with its line breaks; what is written past it is one a line."""
    source = "exports.handler = async () => { console.log('one\\ntwo'); process.stdout.write('three\\nfour\\n'); };"
    version = subprocess.run(
        ["node", "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=True
    )
    name = deploy("noder", {"index.js": source}, Runtime=f"nodejs{version.stdout.strip()}.x", Handler="index.handler")
    invoke(midge, name)
    found = messages(midge, name)[1:-2]
    assert found[0].endswith("\tINFO\tone\ntwo\n")
    assert found[1:] == ["three\n", "four\n"]


STEPS = ["initStart", "initRuntimeDone", "initReport"]


@pytest.mark.parametrize(
    ("application", "system", "levels", "platform"),
    [
        ("DEBUG", "DEBUG", ["INFO", "WARNING", "ERROR"], [*STEPS, "start", "runtimeDone", "report"]),
        ("WARN", "INFO", ["WARNING", "ERROR"], ["initStart", "start", "report"]),
        ("FATAL", "WARN", [], []),
    ],
)
def test_levels_in_the_json_format(
    midge: Midge, deploy: Deploy, application: str, system: str, levels: list[str], platform: list[str]
) -> None:
    """LoggingConfig's levels leave out what is below them: of the application, of the platform, and of printed lines."""
    source = """
import logging
def handler(event, context):
    log = logging.getLogger()
    log.info("i"), log.warning("w\\nw"), log.error("e")
    print("plain")
"""
    config = {"LogFormat": "JSON", "ApplicationLogLevel": application, "SystemLogLevel": system}
    name = deploy(f"levels-{application}", {"app.py": source}, LoggingConfig=config)
    invoke(midge, name)
    found: list[str] = []
    with contextlib.suppress(ClientError):  # where nothing is ever written there is no group
        found = messages(midge, name)
    plain = [message for message in found if not message.startswith("{")]
    records = [json.loads(message) for message in found if message.startswith("{")]
    assert [record["level"] for record in records if "level" in record] == levels
    assert [record["type"].removeprefix("platform.") for record in records if "type" in record] == platform
    assert plain == (["plain\n"] if application == "DEBUG" else [])


@pytest.mark.needs("aws")
def test_the_aws_cli_reads_logs(midge: Midge, deploy: Deploy) -> None:
    """filter-log-events, get-log-events, describe and put of the AWS CLI, as one types them."""
    name = deploy("typed", {"app.py": SPEAKER})
    invoke(midge, name)
    group = f"/aws/lambda/{name}"
    since = str(int(time.time() * 1000) - 60_000)
    found = cli(
        midge, "filter-log-events", "--log-group-name", group, "--start-time", since, "--filter-pattern", "printed"
    )
    (event,) = found["events"]
    assert event["message"] == "printed\n"
    stream = cli(midge, "describe-log-streams", "--log-group-name", group)["logStreams"][0]["logStreamName"]
    page = cli(midge, "get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--limit", "4")
    # What ended within one millisecond may stand in any order, as on AWS.
    assert {"END", "REPORT"} <= {each["message"].split()[0] for each in page["events"]}
    assert len(page["events"]) == 4
    cli(midge, "create-log-group", "--log-group-name", "/typed")
    cli(midge, "put-retention-policy", "--log-group-name", "/typed", "--retention-in-days", "7")
    cli(midge, "create-log-stream", "--log-group-name", "/typed", "--log-stream-name", "s")
    cli(
        midge, "put-log-events", "--log-group-name", "/typed", "--log-stream-name", "s",
        "--log-events", f"timestamp={int(time.time() * 1000)},message=hello",
    )  # fmt: skip
    assert [each["message"] for each in cli(midge, "filter-log-events", "--log-group-name", "/typed")["events"]] == [
        "hello"
    ]
    (described,) = cli(midge, "describe-log-groups", "--log-group-name-prefix", "/typed")["logGroups"]
    assert described["retentionInDays"] == 7
    cli(midge, "delete-log-group", "--log-group-name", "/typed")


def test_following_a_log_as_the_cli_tails_it(midge: Midge, deploy: Deploy) -> None:
    """Asking again from the time of the last event, and leaving out the ids seen, shows each event once."""
    name = deploy("tailed", {"app.py": SPEAKER})
    client = midge.client("logs")
    seen: dict[str, str] = {}
    start = 0
    for _ in range(4):
        invoke(midge, name)
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{name}", interleaved=True, startTime=start
        )
        for page in pages:
            for event in page["events"]:
                seen[event["eventId"]] = event["message"]
                start = max(start, event["timestamp"])
    assert list(seen.values()).count("printed\n") == 4
    assert len(seen) == 4 * 6


def test_a_subscriber_hears_what_another_function_writes(midge: Midge, deploy: Deploy) -> None:
    """A subscription filter invokes a real function with what matches, and with nothing else."""
    speaker, listener = deploy("source", {"app.py": SPEAKER}), deploy("listener", {"app.py": LISTENER})
    client = midge.client("logs")
    invoke(midge, speaker)
    client.put_subscription_filter(
        logGroupName=f"/aws/lambda/{speaker}",
        filterName="lines",
        filterPattern="?printed ?second",
        destinationArn=ACCOUNT_ARN + listener,
    )
    invoke(midge, speaker)

    def heard() -> list[Any]:
        try:
            found = [json.loads(message) for message in messages(midge, listener, filterPattern="heard")]
        except ClientError:
            return []
        return found if len(found) >= 2 else []

    found = until(heard)
    assert {tuple(entry[2]) for entry in found} == {("lines",)}
    assert [entry[1] for entry in found] == [f"/aws/lambda/{speaker}"] * 2
    assert found[0][3] == "printed\n"
    assert found[1][3].endswith("first line\nsecond line\n")


def test_a_function_logs_for_itself(midge: Midge, deploy: Deploy) -> None:
    """Code inside a function reaches the same service, in its own account and region."""
    source = """
import boto3, time
def handler(event, context):
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/made/inside")
    logs.create_log_stream(logGroupName="/made/inside", logStreamName="s")
    events = [{"timestamp": int(time.time() * 1000), "message": "from inside"}]
    logs.put_log_events(logGroupName="/made/inside", logStreamName="s", logEvents=events)
    return context.log_group_name, context.log_stream_name
"""
    name = deploy("inside", {"app.py": source}, Timeout=30)
    group, stream = invoke(midge, name)
    client = midge.client("logs")
    assert client.filter_log_events(logGroupName="/made/inside")["events"][0]["message"] == "from inside"
    assert client.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    client.delete_log_group(logGroupName="/made/inside")


def test_nothing_of_it_is_moto(midge: Midge) -> None:
    """Requests for this service never start the neighbour that answers for others."""
    assert not (midge.data_dir / "moto.log").exists()


def test_a_log_group_of_a_function_comes_back_after_it_was_deleted(midge: Midge, deploy: Deploy) -> None:
    """Deleting the group of a live function deletes what was written; what it writes next is in a new group."""
    name = deploy("again", {"app.py": SPEAKER})
    client = midge.client("logs")
    invoke(midge, name)
    client.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=1)
    client.delete_log_group(logGroupName=f"/aws/lambda/{name}")
    invoke(midge, name)
    assert messages(midge, name).count("printed\n") == 1
    (group,) = client.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    assert "retentionInDays" not in group


class Writers:
    """Threads that put log events until the server is gone; ``accepted`` is what was answered with success."""

    def __init__(self, midge: Midge, count: int = 3) -> None:
        self.accepted: list[set[str]] = [set() for _ in range(count)]
        self._midge = midge
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _work(self, number: int) -> None:
        client = self._midge.client("logs")
        for count in range(100_000):
            message = f"{number}-{count}-" + "x" * (count % 500)
            event = {"timestamp": int(time.time() * 1000), "message": message}
            try:
                client.put_log_events(logGroupName="/killed", logStreamName=f"s{number}", logEvents=[event])
            except (BotoCoreError, ClientError):
                return
            self.accepted[number].add(message)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)


@pytest.fixture
def kept(start_midge: Callable[..., Midge], tmp_path: Path) -> Callable[[], Midge]:
    """Starts servers, one after the other, on one data directory."""
    return lambda: start_midge(tmp_path / "data")


def test_kill_9_loses_no_event_that_was_accepted(kept: Callable[[], Midge]) -> None:
    """Whenever midge is killed, every event that PutLogEvents was answered for is there after the next start, once."""
    midge = kept()
    client = midge.client("logs")
    client.create_log_group(logGroupName="/killed")
    for number in range(3):
        client.create_log_stream(logGroupName="/killed", logStreamName=f"s{number}")
    accepted: set[str] = set()
    for _ in range(3):
        writers = Writers(midge)
        until(lambda writers=writers: sum(map(len, writers.accepted)) > 50)
        midge.process.kill()
        midge.process.wait()
        writers.join()
        accepted |= set().union(*writers.accepted)
        midge = kept()
        pages = midge.client("logs").get_paginator("filter_log_events").paginate(logGroupName="/killed")
        found = [event["message"] for page in pages for event in page["events"]]
        assert accepted <= set(found)


def test_kill_9_loses_nothing_of_a_function_s_log_that_was_read(kept: Callable[[], Midge]) -> None:
    """What a reader has seen of a function's log, and the subscriptions of its group, are there after a kill."""
    midge = kept()
    client = midge.client()
    for name, source in (("speaker", SPEAKER), ("listener", LISTENER)):
        client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": make_zip({"app.py": source})},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    invoke(midge, "speaker")
    seen = messages(midge, "speaker")
    midge.client("logs").put_subscription_filter(
        logGroupName="/aws/lambda/speaker",
        filterName="f",
        filterPattern="printed",
        destinationArn=ACCOUNT_ARN + "listener",
    )
    midge.process.kill()
    midge.process.wait()
    midge = kept()
    assert messages(midge, "speaker") == seen
    invoke(midge, "speaker")
    assert len(messages(midge, "speaker")) == 2 * len(seen)

    def heard() -> list[str]:
        try:
            return messages(midge, "listener", filterPattern="heard")
        except ClientError:
            return []

    assert len(until(heard)) == 1
