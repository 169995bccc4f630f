"""boto3, unmodified, against CloudWatch's metrics in this process, in each of the protocols that SDKs speak."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness.cloudwatch import ACCOUNT, REGION
from harness.metrics import CloudWatchMetrics, Counted

from midge.model.functions import Code, FunctionId, FunctionVersion, Logging
from midge.model.limits import Limits

PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
FUNCTION = FunctionId(account=ACCOUNT, region=REGION, name="work")
VERSION = FunctionVersion(
    function=FUNCTION, version="7", runtime="python3.11", handler="a.b", role="r", code=Code(digest="", sha256="", size_bytes=0),
    logging=Logging(group="/aws/lambda/work"), revision_id="", last_modified="",
)  # fmt: skip


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[CloudWatchMetrics]:
    service = CloudWatchMetrics(tmp_path)
    yield service
    service.close()


def refusal(call: Any, **values: Any) -> tuple[str, str]:
    """The error's code and message; every one here is the caller's."""
    with pytest.raises(ClientError) as refused:
        call(**values)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def at(service: CloudWatchMetrics, minutes: float = 0) -> datetime:
    """So many minutes from the service's present, which is the beginning of one."""
    return datetime.fromtimestamp(service.clock.now() + minutes * 60, UTC)


def put(service: CloudWatchMetrics, *values: float, minutes: float = 0, name: str = "m", **more: Any) -> None:
    datum = {"MetricName": name, "Values": list(values), "Timestamp": at(service, minutes), **more}
    service.client().put_metric_data(Namespace="Own", MetricData=[datum])


def stat(identifier: str, name: str = "m", stat: str = "Sum", period: int = 60, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "Own", "MetricName": name, "Dimensions": more.pop("dimensions", [])}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def data(service: CloudWatchMetrics, *queries: dict[str, Any], start: float = -60, **values: Any) -> dict[str, Any]:
    """The values of each result by its id, oldest first."""
    answer = service.client().get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=at(service, start),
        EndTime=at(service, 1),
        ScanBy="TimestampAscending",
        **values,
    )
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_carries_every_operation(metrics: CloudWatchMetrics, protocol: str) -> None:
    """What is put in any protocol is listed and read in it, with times, numbers, units and errors as they are."""
    client = metrics.client_of(protocol)
    assert client.meta.service_model.resolved_protocol == protocol
    dimensions = [{"Name": "Who", "Value": 'a<&>"b'}]
    answer = client.put_metric_data(
        Namespace="Own/Name",
        MetricData=[
            {"MetricName": "wait", "Dimensions": dimensions, "Value": 2.5, "Unit": "Seconds", "Timestamp": at(metrics, -1)},
            {"MetricName": "wait", "Dimensions": dimensions, "Values": [1.0, 7.0], "Counts": [3.0, 1.0], "Unit": "Seconds"},
        ],
    )  # fmt: skip
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = client.list_metrics(Namespace="Own/Name", Dimensions=[{"Name": "Who"}])
    assert listed["Metrics"] == [{"Namespace": "Own/Name", "MetricName": "wait", "Dimensions": dimensions}]
    values: dict[str, Any] = {"StartTime": at(metrics, -2), "EndTime": at(metrics, 1)}
    found = client.get_metric_statistics(
        Namespace="Own/Name", MetricName="wait", Dimensions=dimensions, Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"], ExtendedStatistics=["p50"], **values,
    )  # fmt: skip
    first, second = sorted(found["Datapoints"], key=lambda point: point["Timestamp"])
    assert first == {
        "Timestamp": at(metrics, -1), "SampleCount": 1.0, "Sum": 2.5, "Average": 2.5, "Minimum": 2.5, "Maximum": 2.5,
        "Unit": "Seconds", "ExtendedStatistics": {"p50": 2.5},
    }  # fmt: skip
    assert (second["SampleCount"], second["Sum"], second["Maximum"]) == (4.0, 10.0, 7.0)
    assert second["ExtendedStatistics"]["p50"] == pytest.approx(1.0, rel=0.01)
    metric = {"Namespace": "Own/Name", "MetricName": "wait", "Dimensions": dimensions}
    queries = [
        {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 * 2", "Label": "twice"},
    ]
    answer = client.get_metric_data(MetricDataQueries=queries, **values)
    assert answer["MetricDataResults"] == [
        {"Id": "e1", "Label": "twice", "Timestamps": [at(metrics), at(metrics, -1)], "Values": [20.0, 5.0],
         "StatusCode": "Complete"}
    ]  # fmt: skip
    code, message = refusal(
        client.put_metric_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "m", "Value": 1}]
    )
    assert code == "InvalidParameterValue"
    assert "AWS/" in message
    assert refusal(client.put_metric_data, Namespace="Own")[0] == "MissingParameter"
    assert refusal(client.get_metric_data, MetricDataQueries=queries, NextToken="x", **values)[0] == "InvalidNextToken"
    assert refusal(client.list_metrics, Namespace=":no")[0] == "ValidationError"


def test_a_large_request_comes_compressed(metrics: CloudWatchMetrics) -> None:
    """boto3 compresses what is large; it is read all the same, and what would grow beyond the limit is refused."""
    dimensions = [{"Name": f"n{number}", "Value": "v" * 500} for number in range(30)]
    given = [{"MetricName": f"m{number}", "Dimensions": dimensions, "Value": number} for number in range(20)]
    metrics.client().put_metric_data(Namespace="Own", MetricData=given)
    assert len(metrics.client().list_metrics(Namespace="Own")["Metrics"]) == 20
    with pytest.raises(ClientError) as refused:
        metrics.client().put_metric_data(Namespace="Own", MetricData=given * 10)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_lambdas_metrics_have_awss_dimensions(metrics: CloudWatchMetrics) -> None:
    """An invocation through an alias counts for all functions, for the function, the alias, and the version behind it."""

    async def work() -> None:
        figures = metrics.metrics.version(VERSION)
        arn = VERSION.function.qualified_arn("blue")
        for seconds, error in ((0.010, False), (0.020, True)):
            invocation = Counted(arn)
            figures.begin(invocation)
            assert not invocation.provisioned
            figures.end(invocation, seconds, error=error, timed_out=False)
        figures.throttled(Counted(arn))

    metrics.run(work())
    listed = metrics.client().list_metrics(Namespace="AWS/Lambda", MetricName="Duration")["Metrics"]
    function, resource = {"Name": "FunctionName", "Value": "work"}, {"Name": "Resource", "Value": "work:blue"}
    executed = {"Name": "ExecutedVersion", "Value": "7"}
    assert sorted((len(one["Dimensions"]), one["Dimensions"]) for one in listed) == [
        (0, []), (1, [function]), (2, [function, resource]), (3, [executed, function, resource]),
    ]  # fmt: skip
    values: dict[str, Any] = {"StartTime": at(metrics, -1), "EndTime": at(metrics, 1), "Period": 60}
    for one in listed:
        metric = {"Namespace": "AWS/Lambda", "Dimensions": one["Dimensions"], **values}
        read = metrics.client().get_metric_statistics
        (point,) = read(MetricName="Duration", Statistics=["SampleCount", "Sum", "Maximum"], **metric)["Datapoints"]
        assert point["Sum"] == pytest.approx(30.0)
        assert (point["SampleCount"], point["Maximum"], point["Unit"]) == (2.0, 20.0, "Milliseconds")
        (point,) = read(MetricName="Errors", Statistics=["Average", "Sum"], **metric)["Datapoints"]
        assert (point["Average"], point["Sum"]) == (0.5, 1.0)
        (point,) = read(MetricName="Throttles", Statistics=["Sum"], **metric)["Datapoints"]
        assert point["Sum"] == 1.0
    running = metrics.client().get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="ConcurrentExecutions", Statistics=["Maximum"], **values
    )
    assert [point["Maximum"] for point in running["Datapoints"]] == [1.0]


def test_provisioned_and_reserved_concurrency_are_measured(metrics: CloudWatchMetrics) -> None:
    """What runs on provisioned places is told from what does not, and what is reserved is claimed."""

    async def work() -> None:
        figures = metrics.metrics.version(VERSION)
        figures.provision(2)
        invocations = [Counted(VERSION.arn) for _ in range(3)]
        for invocation in invocations:
            figures.begin(invocation)
        assert [invocation.provisioned for invocation in invocations] == [True, True, False]
        for invocation in invocations:
            figures.end(invocation, 0.5, error=False, timed_out=False)
        metrics.metrics.reserve(FunctionId(account=ACCOUNT, region=REGION, name="other"), 40)

    metrics.run(work())

    def most(name: str, *dimensions: str) -> float:
        values = {"FunctionName": "work", "Resource": "work:7"}
        (point,) = metrics.client().get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=name, Statistics=["Maximum", "Sum"], Period=60,
            StartTime=at(metrics, -1), EndTime=at(metrics, 1),
            Dimensions=[{"Name": one, "Value": values[one]} for one in dimensions],
        )["Datapoints"]  # fmt: skip
        return point["Sum"] if name.endswith("Invocations") else point["Maximum"]

    both = ("FunctionName", "Resource")
    assert most("ProvisionedConcurrencyInvocations", *both) == 2
    assert most("ProvisionedConcurrencySpilloverInvocations", *both) == 1
    assert most("ProvisionedConcurrentExecutions", *both) == 2
    assert most("ProvisionedConcurrencyUtilization", *both) == 1.0
    assert most("ConcurrentExecutions", "FunctionName") == 3
    assert most("UnreservedConcurrentExecutions") == 3
    assert most("ClaimedAccountConcurrency") == 3 + 2 + 40


def test_minutes_are_kept_when_they_are_over(tmp_path: Path) -> None:
    """A minute that is over is on disk without anybody asking, and is there after the next start."""
    first = CloudWatchMetrics(tmp_path)

    async def work() -> None:
        first.metrics.event(FUNCTION, "blue", "AsyncEventsReceived", 1.0)

    async def look() -> Any:
        return await first.store.series(ACCOUNT, REGION, None, None, 0)

    async def let_time_pass() -> None:
        first.clock.advance(61)

    first.run(work())
    assert first.run(look()) == []
    first.run(let_time_pass())
    deadline = time.monotonic() + 60
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        found = first.run(look())
    assert sorted(len(one.series.dimensions) for one in found) == [0, 1, 2]
    first.close()
    second = CloudWatchMetrics(tmp_path)
    assert len(second.client().list_metrics(Namespace="AWS/Lambda")["Metrics"]) == 3
    second.close()


def test_accounts_and_regions_are_apart(metrics: CloudWatchMetrics) -> None:
    """Nobody sees another account's metrics, nor those of another region."""
    put(metrics, 1.0)
    assert len(metrics.client().list_metrics()["Metrics"]) == 1
    assert metrics.client(account="999999999999").list_metrics()["Metrics"] == []
    assert metrics.client(region="us-west-2").list_metrics()["Metrics"] == []


def test_metrics_are_listed_in_pages_and_while_they_live(tmp_path: Path) -> None:
    """Pages hold every metric once; two weeks after its last value a metric is not listed any more, or after 3 hours."""
    service = CloudWatchMetrics(tmp_path, Limits(metric_list_items=2))
    for number in range(5):
        put(service, 1.0, name=f"m{number}", Dimensions=[{"Name": "a", "Value": str(number)}])
    pages = list(service.client().get_paginator("list_metrics").paginate(Namespace="Own"))
    assert [len(page["Metrics"]) for page in pages] == [2, 2, 1]
    assert [one["MetricName"] for page in pages for one in page["Metrics"]] == [f"m{number}" for number in range(5)]
    client = service.client()
    assert len(client.list_metrics(Dimensions=[{"Name": "a", "Value": "3"}])["Metrics"]) == 1
    service.advance(3 * 3600 + 60)
    put(service, 1.0, name="m4", Dimensions=[{"Name": "a", "Value": "4"}])
    assert [one["MetricName"] for one in client.list_metrics(RecentlyActive="PT3H")["Metrics"]] == ["m4"]
    service.advance(14 * 86_400 - 3600)
    assert [one["MetricName"] for one in client.list_metrics()["Metrics"]] == ["m4"]
    assert refusal(client.list_metrics, NextToken="nothing")[0] == "InvalidParameterValue"
    service.close()


def test_old_minutes_become_coarser_and_stay_whole(tmp_path: Path) -> None:
    """Minutes are joined to five minutes and to hours as they grow old: sums stay, finer periods find nothing."""
    service = CloudWatchMetrics(tmp_path)
    begun = at(service)
    for minute in range(10):
        put(service, 1.0, 3.0, minutes=minute - 10)

    def sums(period: int) -> list[float]:
        answer = service.client().get_metric_statistics(
            Namespace="Own", MetricName="m", Statistics=["Sum"], ExtendedStatistics=["p90"], Period=period,
            StartTime=begun - timedelta(hours=1), EndTime=begun,
        )  # fmt: skip
        assert all(point["ExtendedStatistics"]["p90"] == pytest.approx(3.0, rel=0.01) for point in answer["Datapoints"])
        return [point["Sum"] for point in answer["Datapoints"]]

    assert (len(sums(60)), sum(sums(300)), sum(sums(3600))) == (10, 40.0, 40.0)
    service.advance(15 * 86_400 + 7200)
    service.run(service.store.tidy(service.clock.now()))
    assert (sums(60), sum(sums(300)), sum(sums(3600))) == ([], 40.0, 40.0)
    service.advance(50 * 86_400)
    service.run(service.store.tidy(service.clock.now()))
    assert (sums(300), sum(sums(3600))) == ([], 40.0)
    service.advance(400 * 86_400)
    service.run(service.store.tidy(service.clock.now()))
    assert sums(3600) == []
    service.close()


def test_data_comes_in_pages(metrics: CloudWatchMetrics) -> None:
    """However few data points one answer may have, all pages together have each of them once, in order."""
    for minute in range(7):
        put(metrics, float(minute), minutes=minute - 10)
        put(metrics, float(minute * 10), minutes=minute - 10, name="n")
    queries = [stat("a", "m"), stat("b", "n")]
    for most in (1, 3, 7, 8, 100):
        pages = metrics.client().get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=at(metrics, -60), EndTime=at(metrics), MaxDatapoints=most,
            ScanBy="TimestampAscending",
        )  # fmt: skip
        found: dict[str, list[float]] = {"a": [], "b": []}
        for page in pages:
            assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= most
            for result in page["MetricDataResults"]:
                found[result["Id"]] += result["Values"]
        assert found == {"a": [float(n) for n in range(7)], "b": [float(n * 10) for n in range(7)]}


def test_expressions_use_metrics_and_each_other(metrics: CloudWatchMetrics) -> None:
    """An error rate as everybody writes it, an expression over an expression, and gaps that are filled."""
    put(metrics, 1.0, minutes=-2, name="errors")
    put(metrics, 4.0, minutes=-2, name="calls")
    put(metrics, 2.0, minutes=-1, name="calls")
    queries = [
        stat("errors", "errors", ReturnData=False), stat("calls", "calls", ReturnData=False),
        {"Id": "rate", "Expression": "100 * FILL(errors, 0) / calls"},
        {"Id": "high", "Expression": "IF(rate > 10, 1, 0)"},
        {"Id": "all", "Expression": "SUM(METRICS())"},
    ]  # fmt: skip
    assert data(metrics, *queries, start=-2) == {"rate": [25.0, 0.0], "high": [1.0, 0.0], "all": [5.0, 2.0]}


def test_what_is_not_there_is_refused_by_name(metrics: CloudWatchMetrics) -> None:
    """Functions, statistics, periods and parameters that midge does not have are named in AWS's errors."""
    client = metrics.client()
    values: dict[str, Any] = {"StartTime": at(metrics, -1), "EndTime": at(metrics)}

    def get(*queries: dict[str, Any], **more: Any) -> tuple[str, str]:
        return refusal(client.get_metric_data, MetricDataQueries=list(queries), **{**values, **more})

    for expression, word in (
        ("ANOMALY_DETECTION_BAND(m)", "ANOMALY_DETECTION_BAND"), ("SEARCH('x', 'Sum')", "SEARCH"), ("nobody", "nobody"),
        ("SELECT AVG(x) FROM y", "SELECT"), ("1 + 2", "time series"), ("m +", "end of the expression"),
        ("e + 1", "Circular"), ("(" * 100 + "m" + ")" * 100, "nested"), ("m $ 2", "position 3"),
    ):  # fmt: skip
        code, message = get(stat("m"), {"Id": "e", "Expression": expression})
        assert code == "ValidationError"
        assert message.startswith("Error in expression 'e': ")
        assert word in message
    assert "tm90" in get(stat("m", stat="tm90"))[1]
    assert "less than a minute" in get(stat("m", period=10))[1]
    assert get(stat("m", period=90))[0] == "InvalidParameterValue"
    assert "not unique" in get(stat("m"), stat("m"))[1]
    assert "M" in get(stat("M"))[1]
    assert "AccountId" in get(stat("m", AccountId="999999999999"))[1]
    assert "labels" in get(stat("m", Label="${LAST}"))[1]
    assert get({"Id": "m"})[0] == "ValidationError"
    assert get(stat("m"), EndTime=at(metrics, -5))[0] == "ValidationError"
    code, message = refusal(
        client.get_metric_statistics, Namespace="Own", MetricName="m", Period=60, Statistics=["Sum"],
        StartTime=at(metrics, -1441), EndTime=at(metrics),
    )  # fmt: skip
    assert (code, message.split(",")[0]) == ("InvalidParameterCombination", "You have requested up to 1")
    assert "1,441 datapoints" in message


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": 1, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}, "InvalidParameterCombination"),
        ({"Values": [1, 2], "Counts": [1]}, "InvalidParameterCombination"),
        ({"Values": list(range(151))}, "InvalidParameterValue"),
        ({"Value": 2.0**361}, "InvalidParameterValue"),
        ({"Values": [1], "Counts": [0]}, "InvalidParameterValue"),
        ({"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}}, "InvalidParameterValue"),
        ({"Value": 1, "StorageResolution": 7}, "InvalidParameterValue"),
        ({"Value": 1, "Timestamp": 1_799_999_000 - 14 * 86_400}, "InvalidParameterValue"),
        ({"Value": 1, "Timestamp": 1_800_000_000 + 7_300}, "InvalidParameterValue"),
        ({"Value": 1, "Unit": "Furlongs"}, "ValidationError"),
        ({"Value": 1, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}, "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_kept_are_refused(metrics: CloudWatchMetrics, datum: dict[str, Any], code: str) -> None:
    """One bad value and nothing of the request is kept."""
    good = {"MetricName": "good", "Value": 1}
    bad = {"MetricName": "bad", **datum}
    assert refusal(metrics.client().put_metric_data, Namespace="Own", MetricData=[good, bad])[0] == code
    assert metrics.client().list_metrics()["Metrics"] == []


def test_there_are_only_so_many_metrics(tmp_path: Path) -> None:
    """A metric too many is refused; those that are there go on."""
    service = CloudWatchMetrics(tmp_path, Limits(metric_series=2))
    put(service, 1.0, name="a")
    put(service, 1.0, name="b")
    datum = [{"MetricName": "c", "Value": 1}]
    assert refusal(service.client().put_metric_data, Namespace="Own", MetricData=datum)[0] == "LimitExceededException"
    put(service, 1.0, name="a")
    assert len(service.client().list_metrics()["Metrics"]) == 2
    service.close()


def test_the_oldest_points_make_room(tmp_path: Path) -> None:
    """Of more data points than may be kept the oldest go."""
    service = CloudWatchMetrics(tmp_path, Limits(metric_points=3))
    for minute in range(6):
        put(service, float(minute), minutes=minute - 6)
    service.run(service.store.tidy(service.clock.now()))
    assert data(service, stat("m"))["m"] == [3.0, 4.0, 5.0]
    service.close()
