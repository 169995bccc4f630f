"""CloudWatch's metrics on a real server: what real functions did, read by boto3 and the AWS CLI; kept over a kill."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from functional.server import ROLE, Midge, clean_environment, make_zip

pytestmark = pytest.mark.needs("namespaces")
Deploy = Callable[..., str]
WORK = """
import boto3
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    if event.get("put"):
        boto3.client("cloudwatch").put_metric_data(Namespace="Own", MetricData=[{"MetricName": "made", "Value": event["put"]}])
    return "ok"
"""


def cli(midge: Midge, *arguments: str) -> Any:
    """The AWS CLI as a program; its output as JSON."""
    variables = clean_environment(
        AWS_ENDPOINT_URL=midge.endpoint, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1", AWS_DEFAULT_OUTPUT="json", AWS_MAX_ATTEMPTS="1",
    )  # fmt: skip
    argv = [f"{sys.prefix}/bin/aws", "cloudwatch", *arguments]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def total(midge: Midge, name: str, *dimensions: dict[str, str], namespace: str = "AWS/Lambda") -> float:
    """The sum of a metric in the last hours, as GetMetricStatistics has it."""
    now = datetime.now(UTC)
    answer = midge.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=name, Dimensions=list(dimensions), Period=3600, Statistics=["Sum"],
        StartTime=now - timedelta(hours=3), EndTime=now + timedelta(hours=2),
    )  # fmt: skip
    return sum(point["Sum"] for point in answer["Datapoints"])


def test_invocations_are_counted_and_read(midge: Midge, deploy: Deploy) -> None:
    """What was invoked is read at once, through both of AWS's clients, by function, alias and version."""
    name = deploy("counted", {"app.py": WORK})
    client = midge.client()
    version = client.publish_version(FunctionName=name)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    client.get_waiter("function_active_v2").wait(FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1})
    for event, qualifier in (({}, None), ({"fail": 1}, None), ({}, "live")):
        target = {} if qualifier is None else {"Qualifier": qualifier}
        client.invoke(FunctionName=name, Payload=json.dumps(event), **target)
    function = {"Name": "FunctionName", "Value": name}
    assert total(midge, "Invocations", function) == 3
    assert total(midge, "Errors", function) == 1
    assert total(midge, "Duration", function) > 0
    assert total(midge, "Invocations", function, {"Name": "Resource", "Value": name}) == 2
    live = {"Name": "Resource", "Value": f"{name}:live"}
    assert total(midge, "Invocations", function, live, {"Name": "ExecutedVersion", "Value": version}) == 1
    listed = cli(
        midge,
        "list-metrics",
        "--namespace",
        "AWS/Lambda",
        "--metric-name",
        "Invocations",
        "--dimensions",
        f"Name=FunctionName,Value={name}",
    )
    assert len(listed["Metrics"]) == 4
    now = datetime.now(UTC)
    query = [
        {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": [function]},
                                    "Period": 3600, "Stat": "Sum"}},
        {"Id": "e1", "Expression": "m1 * 100"},
    ]  # fmt: skip
    found = cli(
        midge, "get-metric-data", "--metric-data-queries", json.dumps(query),
        "--start-time", (now - timedelta(hours=3)).isoformat(), "--end-time", (now + timedelta(hours=2)).isoformat(),
    )  # fmt: skip
    assert {result["Id"]: sum(result["Values"]) for result in found["MetricDataResults"]} == {"m1": 3.0, "e1": 300.0}


def test_a_function_puts_metrics_of_its_own(midge: Midge, deploy: Deploy) -> None:
    """PutMetricData from inside a function arrives, and so does the AWS CLI's."""
    name = deploy("putting", {"app.py": WORK})
    answer = midge.client().invoke(FunctionName=name, Payload=json.dumps({"put": 4.5}))
    assert answer["Payload"].read() == b'"ok"'
    cli(midge, "put-metric-data", "--namespace", "Own", "--metric-name", "made", "--value", "2")
    assert total(midge, "made", namespace="Own") == 6.5


@pytest.mark.needs("moto_server")
def test_alarms_and_dashboards_are_another_services(midge: Midge) -> None:
    """The operations that midge does not perform are answered as before, by the neighbour, in one session with ours."""
    client = midge.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="a", Namespace="AWS/Lambda", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    assert [alarm["AlarmName"] for alarm in client.describe_alarms()["MetricAlarms"]] == ["a"]
    client.list_metrics()
    assert [alarm["AlarmName"] for alarm in cli(midge, "describe-alarms")["MetricAlarms"]] == ["a"]
    with pytest.raises(ClientError):
        client.get_dashboard(DashboardName="none")


def test_requests_at_function_urls_are_counted(midge: Midge, deploy: Deploy) -> None:
    """Each answer of a function URL counts, by its status; every metric that there is stands in docs/metrics.md."""
    name = deploy(
        "visited", {"app.py": 'def handler(event, context): return {"statusCode": int(event["rawPath"][1:])}'}
    )
    url = midge.client().create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    identifier = url.removeprefix("http://").partition(".")[0]
    for status in (200, 404, 503, 500):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{midge.endpoint}/_midge/function-urls/{identifier}/{status}", timeout=30)
    function = {"Name": "FunctionName", "Value": name}
    names = ("UrlRequestCount", "Url4xxCount", "Url5xxCount")
    assert [total(midge, metric, function) for metric in names] == [4.0, 1.0, 2.0]
    assert total(midge, "UrlRequestLatency", function) > 0
    with urllib.request.urlopen(f"{midge.endpoint}/_midge/metrics", timeout=30) as answer:
        assert f'midge_url_5xx_total{{function="{name}"}} 2\n' in answer.read().decode()
    told = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    listed = midge.client("cloudwatch").list_metrics(Namespace="AWS/Lambda")["Metrics"]
    assert {metric["MetricName"] for metric in listed if f"`{metric['MetricName']}`" not in told} == set()


@pytest.fixture
def killed(start_midge: Callable[..., Midge], tmp_path: Path) -> tuple[Midge, Midge]:
    """A server that was killed after its metrics had been read, and the one after it."""
    first = start_midge(data_dir=tmp_path)
    client = first.client()
    client.create_function(
        FunctionName="f",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": WORK})},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    for _ in range(5):
        client.invoke(FunctionName="f", Payload="{}")
    assert total(first, "Invocations") == 5
    first.process.kill()
    first.process.wait()
    return first, start_midge(data_dir=tmp_path)


def test_a_kill_loses_no_minute_that_was_read(killed: tuple[Midge, Midge]) -> None:
    """What has been answered is on disk: kill -9 does not lose it, and counting goes on."""
    second = killed[1]
    assert total(second, "Invocations") == 5
    second.client().invoke(FunctionName="f", Payload="{}")
    assert total(second, "Invocations") == 6


def test_the_virtual_clock_turns_minutes(start_midge: Callable[..., Midge]) -> None:
    """Under the virtual clock what happens in one minute is told from what happens in the next."""
    midge = start_midge(options=["--clock", "virtual"])
    client = midge.client()
    client.create_function(
        FunctionName="f",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": WORK})},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    for count in (1, 2):
        for _ in range(count):
            client.invoke(FunctionName="f", Payload="{}")
        body = json.dumps({"seconds": 300}).encode()
        with urllib.request.urlopen(f"{midge.endpoint}/_midge/clock/advance", data=body, timeout=60) as answer:
            assert answer.status == 200
    now = datetime.now(UTC)
    found = midge.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Invocations", Period=60, Statistics=["Sum"],
        StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=20),
    )  # fmt: skip
    points = sorted(found["Datapoints"], key=lambda point: point["Timestamp"])
    assert [point["Sum"] for point in points] == [1.0, 2.0]
    assert points[1]["Timestamp"] - points[0]["Timestamp"] >= timedelta(minutes=5)


def test_the_bill_is_what_the_reports_say(midge: Midge, deploy: Deploy) -> None:
    """``midge bill`` beside a running server tells the requests and the billed milliseconds of the REPORT lines."""
    name = deploy("billed", {"app.py": WORK}, MemorySize=1024)
    for event in ({}, {"fail": 1}, {}):
        midge.client().invoke(FunctionName=name, Payload=json.dumps(event))
    total(midge, "Invocations")  # so that what was counted is on disk before the minute is over
    events = midge.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT")[
        "events"
    ]
    billed = [int(re.findall(r"Billed Duration: (\d+) ms", event["message"])[0]) for event in events]
    argv = [
        sys.executable,
        "-m",
        "midge.cli",
        "bill",
        name,
        "--json",
        "--data-dir",
        str(midge.data_dir),
        "--architecture",
        "arm64",
    ]
    done = subprocess.run(argv, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True)
    real, other = json.loads(done.stdout)["bills"]
    (line,) = real["functions"]
    assert (line["function"], line["requests"], len(billed)) == (name, 3, 3)
    assert float(line["gbSeconds"]) == pytest.approx(sum(billed) / 1000)
    assert 0 < float(other["total"]["price"]) < float(real["total"]["price"])
