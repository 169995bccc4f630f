"""CloudWatch Logs in this process, on a clock that the test turns, and botocore's clients of it without a socket."""

import asyncio
import base64
import gzip
import io
import json
import threading
import urllib.parse
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from midge.auth.scope import Scopes
from midge.clock import VirtualClock
from midge.http.control import ControlPlane
from midge.invoke.request_ids import RequestIds
from midge.log_store.files import LogFiles
from midge.log_store.reading import LogReader
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.observe.logs import LogWriter
from midge.services.logs.api import LogsApi
from midge.services.logs.archive import LogArchive
from midge.services.logs.context import LogsServices
from midge.services.logs.delivery import Subscriptions
from midge.wire.messages import Request
from midge.wire.model import load_service_model

ACCOUNT = "123456789012"
REGION = "eu-west-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:subscriber"
Result = TypeVar("Result")


class FakeSubscribers:
    """Keeps what it is sent; refuses as told, and says of every function but ``missing`` that there is one."""

    def __init__(self) -> None:
        self.refusals = 0
        """How many times it will not take what it is sent."""
        self.attempts = 0
        self.received: list[tuple[str, dict[str, Any]]] = []

    async def exists(self, arn: str) -> bool:
        return not arn.endswith(":missing")

    async def deliver(self, arn: str, payload: bytes) -> None:
        self.attempts += 1
        if self.refusals:
            self.refusals -= 1
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.")
        data = json.loads(payload)["awslogs"]["data"]
        self.received.append((arn, json.loads(gzip.decompress(base64.b64decode(data)))))

    def messages(self) -> list[str]:
        """Of all events that it was sent."""
        return [event["message"] for _, document in self.received for event in document["logEvents"]]


class CloudWatch:
    """The service on an event loop in a thread of its own. ``close`` it."""

    service = "logs"

    def __init__(self, root: Path, limits: Limits | None = None, *, strict: bool = False) -> None:
        self.root = root
        self.limits = limits or Limits()
        self.clock = VirtualClock()
        self.subscribers = FakeSubscribers()
        self._strict = strict
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.run(self._open())

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run something on the service's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def advance(self, seconds: float) -> None:
        """Let time pass, and what then happens happen."""

        async def work() -> None:
            self.clock.advance(seconds)

        self.run(work())
        self.settle()

    def settle(self) -> None:
        """Let everything be written, deleted and sent that can be now."""

        async def work() -> None:
            for _ in range(20):
                await self.archive.change(lambda _: None)
                await self.archive.read(lambda _: None)

        self.run(work())

    def now_ms(self) -> int:
        """The service's present."""
        return int(self.clock.now() * 1000)

    async def _open(self) -> None:
        self.writer = LogWriter(LogFiles(self.root, self.limits), self.clock, self.limits)
        self.archive = LogArchive(self.writer, LogReader(self.root, self.limits))
        self.subscriptions = Subscriptions(self.subscribers, self.archive, self.clock, self.limits)
        self.writer.on_appended = self.subscriptions.appended
        services = LogsServices(
            archive=self.archive,
            subscriptions=self.subscriptions,
            clock=self.clock,
            limits=self.limits,
            strict=self._strict,
        )
        self.api = LogsApi(services)
        self.api.start()
        self.control = ControlPlane(
            load_service_model("logs"),
            self.api.handle,
            RequestIds(),
            account=ACCOUNT,
            region=REGION,
            address="127.0.0.1:9",
            invalid="InvalidParameterException",
        )

    def close(self) -> None:
        """End it; what it was told stays on disk."""

        async def work() -> None:
            await self.api.close()
            await self.subscriptions.close()
            self.archive.close()
            await self.writer.close()

        self.run(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Instead of a socket: botocore's own hook before it sends."""
        url = urllib.parse.urlsplit(request.url)
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        body: Any = request.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        received = Request(method=request.method, path=url.path, query=url.query, headers=headers, body=body)
        scope = Scopes().of_header(headers["authorization"].encode())
        answer = self.run(self.control(received, scope))
        raw = type("Raw", (io.BytesIO,), {"stream": lambda self, **_: iter([self.read()])})(answer.body)
        return AWSResponse(request.url, answer.status, answer.headers, raw)

    def client(self, account: str = ACCOUNT, region: str = REGION) -> Any:
        """boto3's client, unmodified but for its socket and its own checks of parameters."""
        client = boto3.client(
            self.service, region_name=region, endpoint_url="http://127.0.0.1:9", aws_access_key_id=account,
            aws_secret_access_key="s", config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )  # fmt: skip
        client.meta.events.register(f"before-send.{self.service}", self._send)
        return client
