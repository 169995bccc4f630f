"""CloudWatch's metrics in this process, on a clock that the test turns, and botocore's clients of them without a socket."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config
from harness.cloudwatch import ACCOUNT, REGION, CloudWatch

from midge.http.control import ControlPlane
from midge.invoke.request_ids import RequestIds
from midge.metric_store.files import MetricStore
from midge.metric_store.keeping import MinuteKeeper
from midge.observe.metrics import Metrics
from midge.services.cloudwatch.api import OPERATIONS, CloudWatchApi
from midge.services.cloudwatch.context import CloudWatchServices
from midge.services.cloudwatch.store import Metrics as StoredMetrics
from midge.wire.model import load_service_model


class Counted:
    """An invocation, as far as it is counted."""

    def __init__(
        self, invoked_arn: str, *, init_seconds: float | None = None, streamed_bytes: int | None = None
    ) -> None:
        self.target: Any = SimpleNamespace(invoked_arn=invoked_arn)
        self.streamed: Any = None if streamed_bytes is None else SimpleNamespace(passed_bytes=streamed_bytes)
        self.init_seconds = init_seconds
        self.provisioned = False


class CloudWatchMetrics(CloudWatch):
    """The service on an event loop in a thread of its own. ``close`` it."""

    service = "cloudwatch"

    async def _open(self) -> None:
        self.store = await MetricStore.open(self.root / "metrics.db", self.limits)
        self.metrics = Metrics(self.clock)
        self.keeper = MinuteKeeper(self.metrics.minutes, self.store, self.clock, self.limits)
        self.keeper.start()
        services = CloudWatchServices(
            metrics=StoredMetrics(self.store, self.keeper), clock=self.clock, limits=self.limits, strict=self._strict
        )
        self.control = ControlPlane(
            load_service_model("cloudwatch"),
            CloudWatchApi(services).handle,
            RequestIds(),
            account=ACCOUNT,
            region=REGION,
            address="127.0.0.1:9",
            invalid="ValidationError",
            owned=frozenset(OPERATIONS),
            unpacked_bytes=self.limits.metric_body_bytes,
        )

    def settle(self) -> None:
        """Let everything be written that can be now."""
        self.run(self.keeper.flush())

    def close(self) -> None:
        """End it; what it was told stays on disk."""

        async def work() -> None:
            await self.keeper.close()
            await self.store.close()

        self.run(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def client_of(self, protocol: str) -> Any:
        """boto3's client in one of the protocols that the service model names."""
        session = boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="s", region_name=REGION)
        loader = session._session.get_component("data_loader")
        load = loader.load_service_model

        def load_with(service: str, kind: str, api_version: str | None = None) -> Any:
            loaded = load(service, kind, api_version)
            if service == self.service and kind == "service-2":
                loaded = deepcopy(loaded)
                loaded["metadata"] |= {"protocol": protocol, "protocols": [protocol]}
            return loaded

        loader.load_service_model = load_with
        settings = Config(retries={"max_attempts": 0}, parameter_validation=False)
        client = session.client(self.service, endpoint_url="http://127.0.0.1:9", config=settings)
        client.meta.events.register(f"before-send.{self.service}", self._send)
        return client
