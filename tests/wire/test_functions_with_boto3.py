"""boto3, unmodified, against the control plane in this process: real requests, SQLite, blobs on disk, no socket."""

import asyncio
import datetime as dt
import io
import json
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from midge.api.code_links import CodeLinks
from midge.api.dispatch import Api
from midge.api.services import ApiServices, CallContext
from midge.blobs.directory import DirectoryBlobs
from midge.blobs.packages import Packages
from midge.clock import SystemClock
from midge.http.control import ControlPlane
from midge.images.egress import Egress
from midge.images.images import Images
from midge.invoke.provisioned import ProvisionedEnvironments
from midge.invoke.request_ids import RequestIds
from midge.model.functions import Alias, FunctionId, FunctionVersion
from midge.model.limits import Limits
from midge.store.secret import read_or_create_secret
from midge.store.sqlite import SqliteStore
from midge.wire.messages import Request
from midge.wire.model import load_service_model

ROLE = "arn:aws:iam::000000000000:role/r"
ADDRESS = "http://127.0.0.1:9"


def make_zip(content: str = "def handler(event, context): ...") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), content)  # without the time of day: equal content, equal digest
    return buffer.getvalue()


async def accept_no_event(event: Any) -> None:
    raise AssertionError(f"nothing is invoked here: {event}")


async def make_no_snapshot(version: FunctionVersion, task_root: Path, layers_root: Path | None) -> None:
    raise AssertionError(f"nobody asked for a snapshot of {version.arn} in {task_root}, {layers_root}")


class NoRouter:
    """Nobody invokes here."""

    def put_version(self, version: FunctionVersion, task_root: Path, layers_root: Path | None = None) -> None: ...
    def remove_version(self, function: FunctionId, version: str) -> None: ...
    def put_alias(self, alias: Alias) -> None: ...
    def remove_alias(self, function: FunctionId, name: str) -> None: ...
    def reserve(self, function: FunctionId, count: int | None) -> None: ...
    def knows(self, function: FunctionId, version: str) -> bool:
        return True

    def provision(self, function: FunctionId, counts: Mapping[str, int]) -> None: ...
    def provisioned(self, function: FunctionId, version: str) -> ProvisionedEnvironments:
        return ProvisionedEnvironments(available=2, failed=False)


class AnyRuntime:
    """Everything can run."""

    def check(self, runtime: str, architecture: str) -> None: ...


async def no_s3(bucket: str, key: str, version: str | None) -> bytes:
    raise AssertionError("no test here reads from S3")


class Midge:
    """A control plane on an event loop in a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.run(self._open(directory))

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    async def _open(self, directory: Path) -> None:
        limits, clock = Limits(), SystemClock()
        self.store = await SqliteStore.open(directory / "midge.db", limits)
        self.blobs = await DirectoryBlobs.open(directory / "blobs")
        self.packages = Packages(directory / "packages", self.blobs, limits)
        self.images = Images(directory / "images", Egress(directories=[directory]), limits)
        self.links = CodeLinks(read_or_create_secret(directory / "secret"), clock, limits)
        self.api = Api(
            ApiServices(
                store=self.store, blobs=self.blobs, packages=self.packages, images=self.images, router=NoRouter(), clock=clock,
                limits=limits, fetch_s3=no_s3, runtimes=AnyRuntime(), code_links=self.links,
                accept_event=accept_no_event, make_snapshot=make_no_snapshot,
            )
        )  # fmt: skip
        await self.api.start()
        self.control = ControlPlane(
            load_service_model("lambda"),
            self._perform,
            RequestIds(),
            account="000000000000",
            region="us-east-1",
            address="127.0.0.1:9",
        )

    async def _perform(
        self, operation: str, values: Mapping[str, Any], *, account: str, region: str, request_id: str, base_url: str
    ) -> Mapping[str, Any]:
        context = CallContext(account=account, region=region, request_id=request_id, base_url=base_url)
        return await self.api.handle(operation, values, context)

    async def _close(self) -> None:
        await self.api.close()
        await self.packages.close()
        await self.images.close()
        await self.blobs.close()
        await self.store.close()

    def close(self) -> None:
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Instead of a socket: botocore's own hook before it sends."""
        url = urllib.parse.urlsplit(request.url)
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        received = Request(method=request.method, path=url.path, query=url.query, headers=headers, body=body)
        answer = self.run(self.control(received, None))
        raw = type("Raw", (io.BytesIO,), {"stream": lambda self, **_: iter([self.read()])})(answer.body)
        return AWSResponse(request.url, answer.status, answer.headers, raw)

    def client(self) -> Any:
        client = boto3.client(
            "lambda", region_name="us-east-1", endpoint_url=ADDRESS, aws_access_key_id="a", aws_secret_access_key="s",
            config=Config(retries={"max_attempts": 0}),
        )  # fmt: skip
        client.meta.events.register("before-send.lambda", self.send)
        return client


@pytest.fixture
def midge(tmp_path: Path) -> Iterator[Midge]:
    midge = Midge(tmp_path)
    yield midge
    midge.close()


def create(client: Any, name: str = "f", **values: Any) -> Any:
    given = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": make_zip()}}
    return client.create_function(FunctionName=name, **given | values)


def wait(client: Any, waiter: str, **values: Any) -> None:
    client.get_waiter(waiter).wait(**values, WaiterConfig={"Delay": 0, "MaxAttempts": 10_000})


def test_the_life_of_a_function(midge: Midge) -> None:
    """Create, wait, look, update, publish, alias and delete, with every waiter that boto3 has for functions."""
    client = midge.client()
    created = create(client, Environment={"Variables": {"AB": "c"}}, Timeout=7, Tags={"t": "v"})
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["State"] == "Pending"
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated_v2"):
        wait(client, waiter, FunctionName="f")
    found = client.get_function(FunctionName="f")
    assert found["Configuration"]["State"] == "Active"
    assert found["Tags"] == {"t": "v"}
    assert client.update_function_code(FunctionName="f", ZipFile=make_zip("new"))["LastUpdateStatus"] == "InProgress"
    wait(client, "function_updated_v2", FunctionName="f")
    client.update_function_configuration(FunctionName="f", MemorySize=256)
    wait(client, "function_updated", FunctionName="f")
    published = client.publish_version(FunctionName="f")
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    wait(client, "published_version_active", FunctionName="f", Qualifier=published["Version"])
    alias = client.create_alias(
        FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert client.get_function(FunctionName=alias["AliasArn"])["Configuration"]["MemorySize"] == 256
    assert client.delete_alias(FunctionName="f", Name="live")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="f")


def test_paginators_see_everything(midge: Midge) -> None:
    """boto3's paginators for functions, versions and aliases follow the markers to the end."""
    client = midge.client()
    for name in "abcde":
        create(client, name)
        wait(client, "function_active_v2", FunctionName=name)
    for number in range(3):
        client.update_function_configuration(FunctionName="a", Timeout=10 + number)
        wait(client, "function_updated_v2", FunctionName="a")
        client.publish_version(FunctionName="a")
        client.create_alias(FunctionName="a", Name=f"alias{number}", FunctionVersion=str(number + 1))
    config = {"PageSize": 2}
    functions = client.get_paginator("list_functions").paginate(PaginationConfig=config)
    versions = client.get_paginator("list_versions_by_function").paginate(FunctionName="a", PaginationConfig=config)
    aliases = client.get_paginator("list_aliases").paginate(FunctionName="a", PaginationConfig=config)
    assert [f["FunctionName"] for page in functions for f in page["Functions"]] == list("abcde")
    assert [v["Version"] for page in versions for v in page["Versions"]] == ["$LATEST", "1", "2", "3"]
    assert [a["Name"] for page in aliases for a in page["Aliases"]] == ["alias0", "alias1", "alias2"]


def test_the_life_of_a_layer(midge: Midge) -> None:
    """Publish, look, share, use and delete, with the statuses that AWS answers; the function keeps what it has."""
    client = midge.client()
    data = make_zip("shared")
    values = {"Content": {"ZipFile": data}, "CompatibleRuntimes": ["python3.12"], "LicenseInfo": "MIT"}
    published = client.publish_layer_version(LayerName="l", Description="d", **values)
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (published["Version"], published["Content"]["CodeSize"]) == (1, len(data))
    arn = published["LayerVersionArn"]
    for found in (
        client.get_layer_version(LayerName=published["LayerArn"], VersionNumber=1),
        client.get_layer_version_by_arn(Arn=arn),
    ):
        assert (found["Description"], found["LicenseInfo"]) == ("d", "MIT")
    version = {"LayerName": "l", "VersionNumber": 1}
    added = client.add_layer_version_permission(
        StatementId="s", Action="lambda:GetLayerVersion", Principal="*", **version
    )
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    policy = client.get_layer_version_policy(**version)
    assert policy["RevisionId"] == added["RevisionId"]
    assert json.loads(policy["Policy"])["Statement"] == [json.loads(added["Statement"])]
    removed = client.remove_layer_version_permission(StatementId="s", RevisionId=policy["RevisionId"], **version)
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert create(client, Layers=[arn])["Layers"] == [{"Arn": arn, "CodeSize": len(data)}]
    wait(client, "function_active_v2", FunctionName="f")
    for _ in range(2):
        assert client.delete_layer_version(**version)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_function_configuration(FunctionName="f")["Layers"][0]["Arn"] == arn
    with pytest.raises(
        client.exceptions.ResourceNotFoundException, match=r"The resource you requested does not exist\."
    ):
        client.get_layer_version(**version)


def test_paginators_see_every_layer(midge: Midge) -> None:
    """boto3's paginators for layers and their versions follow the markers to the end, narrowed or not."""
    client = midge.client()
    for number, name in enumerate("abcdeaaa"):
        runtimes = ["python3.12", "nodejs22.x"] if number % 2 else ["nodejs22.x"]
        client.publish_layer_version(LayerName=name, Content={"ZipFile": make_zip()}, CompatibleRuntimes=runtimes)
    config = {"PageSize": 2}
    layers, versions = client.get_paginator("list_layers"), client.get_paginator("list_layer_versions")

    def newest(**values: str) -> list[tuple[str, int]]:
        pages = layers.paginate(PaginationConfig=config, **values)
        return [(i["LayerName"], i["LatestMatchingVersion"]["Version"]) for page in pages for i in page["Layers"]]

    def numbers(**values: str) -> list[int]:
        pages = versions.paginate(LayerName="a", PaginationConfig=config, **values)
        return [version["Version"] for page in pages for version in page["LayerVersions"]]

    assert newest() == [("a", 4), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]
    assert newest(CompatibleRuntime="python3.12") == [("a", 4), ("b", 1), ("d", 1)]
    assert newest(CompatibleArchitecture="arm64") == []
    assert numbers() == [4, 3, 2, 1]
    assert numbers(CompatibleRuntime="python3.12") == [4, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"CompatibleRuntimes": ["python3.12"] * 16}, "length less than or equal to 15"),
        ({"CompatibleArchitectures": ["x86_64", "arm64", "x86_64"]}, "length less than or equal to 2"),
        ({"CompatibleArchitectures": ["vax"]}, "Member must satisfy enum value set"),
        ({"LicenseInfo": "x" * 513}, "length less than or equal to 512"),
        ({"LayerName": "no layer"}, "regular expression pattern"),
    ],
)
def test_limits_of_layers_are_those_of_the_service_model(midge: Midge, values: dict[str, Any], message: str) -> None:
    """Lists that are too long, names and values that are none: refused as validation errors in AWS's words."""
    with pytest.raises(ClientError, match=message) as refused:
        midge.client().publish_layer_version(**{"LayerName": "l", "Content": {"ZipFile": make_zip()}, **values})
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_tags_through_boto3(midge: Midge) -> None:
    """Tags are given, listed and taken away by ARN, and the service model's limits hold for keys and values."""
    client = midge.client()
    arn = create(client, Tags={"a": "1"})["FunctionArn"]
    assert client.tag_resource(Resource=arn, Tags={"b c": "ü"})["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "1", "b c": "ü"}
    assert client.untag_resource(Resource=arn, TagKeys=["a", "x"])["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_function(FunctionName="f")["Tags"] == {"b c": "ü"}
    for tags in ({"k" * 129: "v"}, {"k": "v" * 257}):
        with pytest.raises(ClientError) as refused:
            client.tag_resource(Resource=arn, Tags=tags)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    client.tag_resource(Resource=arn, Tags={"k" * 128: "v" * 256})


def test_account_settings_through_boto3(midge: Midge) -> None:
    """AWS's limits, and a usage that grows with functions and versions and shrinks again."""
    client = midge.client()
    settings = client.get_account_settings()
    assert settings["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 1_000,
    }
    assert settings["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    create(client, Publish=True)
    used = client.get_account_settings()["AccountUsage"]
    assert used == {"TotalCodeSize": 2 * len(make_zip()), "FunctionCount": 1}
    client.delete_function(FunctionName="f")
    assert client.get_account_settings()["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}


def test_reserved_concurrency_through_boto3(midge: Midge) -> None:
    """A reservation is put, shown and deleted with AWS's statuses; a negative one is no number of places."""
    client = midge.client()
    create(client)
    put = client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
    assert (put["ReservedConcurrentExecutions"], put["ResponseMetadata"]["HTTPStatusCode"]) == (5, 200)
    assert client.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 5
    assert client.get_function(FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"below its minimum value of \[100\]"):
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=901)
    deleted = client.delete_function_concurrency(FunctionName="f")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="f")


def test_permissions_through_boto3(midge: Midge) -> None:
    """Permissions are added, shown and removed with AWS's statuses, and survive in SQLite."""
    client = midge.client()
    create(client)
    given = {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "123456789012"}
    added = client.add_permission(**given)
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    found = client.get_policy(FunctionName="f")
    assert json.loads(found["Policy"])["Statement"] == [json.loads(added["Statement"])]
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.add_permission(**given)
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.remove_permission(FunctionName="f", StatementId="s", RevisionId="other")
    removed = client.remove_permission(FunctionName="f", StatementId="s", RevisionId=found["RevisionId"])
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_policy(FunctionName="f")


def test_recursion_and_code_signing_through_boto3(midge: Midge) -> None:
    """boto3 reads the recursion setting it has put, and no code signing configuration where there is none."""
    client = midge.client()
    create(client)
    assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate"
    assert client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"
    with pytest.raises(ClientError) as refused:
        client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Sometimes")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    found = client.get_function_code_signing_config(FunctionName="f")
    assert (found["CodeSigningConfigArn"], found["FunctionName"]) == ("", "f")


QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"


def settled_mapping(client: Any, mapping: str) -> dict[str, Any]:
    """The mapping, when it has come to rest."""
    while True:
        found = client.get_event_source_mapping(UUID=mapping)
        if found["State"] in {"Enabled", "Disabled"}:
            return found


def test_event_source_mappings_through_boto3(midge: Midge) -> None:
    """The life of a mapping with AWS's statuses, its timestamp as a time, and the errors that boto3's users match on."""
    client = midge.client()
    create(client)
    source = {"EventSourceArn": QUEUE, "FunctionName": "f"}
    criteria = {"Filters": [{"Pattern": '{"body": {"a": [{"prefix": "b"}]}}'}]}
    created = client.create_event_source_mapping(**source, FilterCriteria=criteria, Tags={"a": "b"})
    assert (created["ResponseMetadata"]["HTTPStatusCode"], created["State"]) == (202, "Creating")
    mapping = created["UUID"]
    found = settled_mapping(client, mapping)
    assert (found["State"], found["BatchSize"], found["FilterCriteria"]) == ("Enabled", 10, criteria)
    assert found["LastModified"].tzinfo is not None
    with pytest.raises(client.exceptions.ResourceConflictException, match=mapping):
        client.create_event_source_mapping(**source)
    updated = client.update_event_source_mapping(UUID=mapping, Enabled=False, FilterCriteria={})
    assert (updated["ResponseMetadata"]["HTTPStatusCode"], updated["State"]) == (202, "Disabling")
    assert "FilterCriteria" not in settled_mapping(client, mapping)
    deleted = client.delete_event_source_mapping(UUID=mapping)
    assert (deleted["ResponseMetadata"]["HTTPStatusCode"], deleted["State"]) == (202, "Deleting")
    while client.list_event_source_mappings()["EventSourceMappings"]:
        pass
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_event_source_mapping(UUID=mapping)
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Function does not exist"):
        client.create_event_source_mapping(**{**source, "FunctionName": "g"})


def test_mappings_of_streams_and_kafka_through_boto3(midge: Midge) -> None:
    """Every structure of a mapping survives the wire: positions in time, destinations, brokers, schema registries."""
    client = midge.client()
    create(client)
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    stream = client.create_event_source_mapping(
        EventSourceArn="arn:aws:kinesis:us-east-1:000000000000:stream/s", FunctionName="f",
        StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=moment,
    )  # fmt: skip
    assert (stream["StartingPositionTimestamp"], stream["DestinationConfig"]) == (moment, {"OnFailure": {}})
    kafka: dict[str, Any] = {
        "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:9092", "b:9092"]}},
        "Topics": ["topic"], "StartingPosition": "LATEST",
        "ProvisionedPollerConfig": {"MinimumPollers": 1, "MaximumPollers": 2},
        "DestinationConfig": {"OnFailure": {"Destination": "kafka://failed"}},
        "SourceAccessConfigurations": [{"Type": "VPC_SUBNET", "URI": "subnet:subnet-1"}],
        "SelfManagedKafkaEventSourceConfig": {
            "ConsumerGroupId": "g",
            "SchemaRegistryConfig": {
                "SchemaRegistryURI": "https://registry.example.com", "EventRecordFormat": "JSON",
                "SchemaValidationConfigs": [{"Attribute": "VALUE"}],
            },
        },
    }  # fmt: skip
    mapping = client.create_event_source_mapping(FunctionName="f", **kafka)["UUID"]
    assert settled_mapping(client, mapping).items() >= kafka.items()


def test_event_invoke_configs_through_boto3(midge: Midge) -> None:
    """Put, update, get, list and delete with AWS's statuses and errors."""
    client = midge.client()
    create(client, Publish=True)
    put = client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    assert (put["ResponseMetadata"]["HTTPStatusCode"], put["FunctionArn"][-9:]) == (200, "f:$LATEST")
    destination = {"OnFailure": {"Destination": QUEUE}}
    updated = client.update_function_event_invoke_config(FunctionName="f", DestinationConfig=destination)
    assert updated["DestinationConfig"] == {"OnSuccess": {}, **destination}
    assert client.get_function_event_invoke_config(FunctionName="f")["LastModified"] == updated["LastModified"]
    deleted = client.delete_function_event_invoke_config(FunctionName="f")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="doesn't have an EventInvokeConfig"):
        client.get_function_event_invoke_config(FunctionName="f")
    for values in ({"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 21_601}):
        with pytest.raises(ClientError, match="failed to satisfy constraint"):
            client.put_function_event_invoke_config(FunctionName="f", **values)


def test_function_urls_through_boto3(midge: Midge) -> None:
    """Create, get, update, list and delete with AWS's statuses; a version is no qualifier of a URL."""
    client = midge.client()
    create(client, Publish=True)
    created = client.create_function_url_config(FunctionName="f", AuthType="NONE", Cors={"AllowOrigins": ["*"]})
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    found = client.get_function_url_config(FunctionName="f")
    assert (found["FunctionUrl"], found["Cors"]) == (created["FunctionUrl"], {"AllowOrigins": ["*"]})
    assert urllib.parse.urlsplit(found["FunctionUrl"]).port == urllib.parse.urlsplit(ADDRESS).port
    updated = client.update_function_url_config(FunctionName="f", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
    assert (updated["AuthType"], updated["FunctionUrl"]) == ("AWS_IAM", created["FunctionUrl"])
    with pytest.raises(client.exceptions.ResourceConflictException, match="FunctionUrlConfig exists"):
        client.create_function_url_config(FunctionName="f", AuthType="NONE")
    assert client.delete_function_url_config(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    for qualifier in ("1", "$LATEST"):
        with pytest.raises(ClientError, match="failed to satisfy constraint"):
            client.create_function_url_config(FunctionName="f", Qualifier=qualifier, AuthType="NONE")
    with pytest.raises(ClientError, match="failed to satisfy constraint"):
        client.create_function_url_config(FunctionName="f", AuthType="NONE", Cors={"MaxAge": 86_401})


def test_paginators_of_what_belongs_to_functions(midge: Midge) -> None:
    """boto3's paginators of mappings, invoke configurations and URLs lead through everything once."""
    client = midge.client()
    create(client, Publish=True)
    names = [f"a{number}" for number in range(4)]
    for name in names:
        client.create_alias(FunctionName="f", Name=name, FunctionVersion="1")
        client.create_event_source_mapping(FunctionName=f"f:{name}", EventSourceArn=QUEUE)
        client.put_function_event_invoke_config(FunctionName="f", Qualifier=name, MaximumRetryAttempts=0)
        client.create_function_url_config(FunctionName="f", Qualifier=name, AuthType="NONE")
    for paginator, items, values in (
        ("list_event_source_mappings", "EventSourceMappings", {"EventSourceArn": QUEUE}),
        ("list_function_event_invoke_configs", "FunctionEventInvokeConfigs", {"FunctionName": "f"}),
        ("list_function_url_configs", "FunctionUrlConfigs", {"FunctionName": "f"}),
    ):
        pages = list(client.get_paginator(paginator).paginate(**values, PaginationConfig={"PageSize": 3}))
        arns = [each["FunctionArn"] for page in pages for each in page[items]]
        assert [len(page[items]) for page in pages] == [3, 1]
        assert sorted(arn.rpartition(":")[2] for arn in arns) == names


def test_errors_arrive_as_boto3_knows_them(midge: Midge) -> None:
    """Each error has the class, status and message that boto3's users match on."""
    client = midge.client()
    create(client)
    wait(client, "function_active_v2", FunctionName="f")
    with pytest.raises(client.exceptions.ResourceConflictException, match="Function already exist: f") as conflict:
        create(client)
    assert conflict.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="Could not unzip uploaded file"):
        create(client, "g", Code={"ZipFile": b"no"})
    with pytest.raises(client.exceptions.PreconditionFailedException):
        client.publish_version(FunctionName="f", RevisionId="other")
    with pytest.raises(
        client.exceptions.InvalidParameterValueException, match="support the operation ListDurableExecutionsByFunction"
    ):
        client.list_durable_executions_by_function(FunctionName="f")
    with pytest.raises(ClientError, match="not reachable in this region") as region:
        client.get_function(FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:f")
    assert region.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as account:
        client.get_function(FunctionName="111111111111:function:f")
    assert account.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_zip_that_is_too_large_for_a_request_is_a_413(midge: Midge) -> None:
    """An inline zip above 50 MB is refused with AWS's code and status."""
    client = midge.client()
    with pytest.raises(ClientError) as refused:
        create(client, Code={"ZipFile": bytes(50 * 1024 * 1024 + 1)})
    assert refused.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_the_link_to_the_code_is_at_the_callers_address(midge: Midge) -> None:
    """Code.Location begins with the host that the request was sent to and opens to the zip's digest."""
    client = midge.client()
    create(client)
    location = urllib.parse.urlsplit(client.get_function(FunctionName="f")["Code"]["Location"])
    assert f"{location.scheme}://{location.netloc}" == ADDRESS
    digest = midge.links.open_code_link(location.path, location.query)
    assert midge.run(midge.blobs.get(digest)) == make_zip()


def test_what_was_answered_survives_a_restart(tmp_path: Path) -> None:
    """After the process is gone another one on the same directory has the function, its version and its alias."""
    first = Midge(tmp_path)
    create(first.client(), Publish=True)
    first.client().create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    first.close()
    second = Midge(tmp_path)
    client = second.client()
    wait(client, "function_active_v2", FunctionName="f")
    wait(client, "published_version_active", FunctionName="f", Qualifier="1")
    assert client.get_alias(FunctionName="f", Name="live")["FunctionVersion"] == "1"
    second.close()
