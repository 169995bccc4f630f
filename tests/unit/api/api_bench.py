"""A control plane in a test: memory store and blobs, real unpacking, a turned clock, fakes for router and S3."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from midge.api.code_links import CodeLinks
from midge.api.dispatch import Api
from midge.api.services import ApiServices, CallContext, S3Error
from midge.blobs.memory import MemoryBlobs
from midge.blobs.packages import Packages
from midge.clock import VirtualClock
from midge.images.egress import Egress
from midge.images.images import Images
from midge.invoke.provisioned import ProvisionedEnvironments
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.functions import Alias, Code, FunctionId, FunctionVersion
from midge.model.limits import Limits
from midge.queue.port import AsyncEvent
from midge.store.memory import MemoryStore

ROLE = "arn:aws:iam::000000000000:role/r"
CONTEXT = CallContext(account="000000000000", region="us-east-1", request_id="r", base_url="http://localhost:9000")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


def make_zip(content: bytes = b"def handler(event, context): ...") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), content)  # without the time of day: equal content, equal digest
    return buffer.getvalue()


class HeldPackages(Packages):
    """Real packages whose unpacking a test can hold up or let fail."""

    gate: asyncio.Event | None = None
    failure: OSError | None = None

    async def unpacked(self, code: Code) -> Path:
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await super().unpacked(code)


class FakeRouter:
    """Remembers what it was told, and every version it was ever given."""

    def __init__(self) -> None:
        self.versions: dict[str, FunctionVersion] = {}
        self.roots: dict[str, Path] = {}
        self.layers_roots: dict[str, Path | None] = {}
        self.aliases: dict[str, Alias] = {}
        self.history: list[FunctionVersion] = []
        self.reserved: dict[str, int] = {}
        self.wanted: dict[str, dict[str, int]] = {}
        self.available = 0
        self.init_fails = False

    def put_version(self, version: FunctionVersion, task_root: Path, layers_root: Path | None = None) -> None:
        self.versions[version.arn] = version
        self.roots[version.arn] = task_root
        self.layers_roots[version.arn] = layers_root
        self.history.append(version)

    def remove_version(self, function: FunctionId, version: str) -> None:
        self.versions.pop(function.qualified_arn(version), None)

    def put_alias(self, alias: Alias) -> None:
        self.aliases[alias.arn] = alias

    def remove_alias(self, function: FunctionId, name: str) -> None:
        self.aliases.pop(function.qualified_arn(name), None)

    def knows(self, function: FunctionId, version: str) -> bool:
        return function.qualified_arn(version) in self.versions

    def provision(self, function: FunctionId, counts: Mapping[str, int]) -> None:
        self.wanted[function.name] = dict(counts)

    def provisioned(self, function: FunctionId, version: str) -> ProvisionedEnvironments:
        return ProvisionedEnvironments(available=self.available, failed=self.init_fails)

    def reserve(self, function: FunctionId, count: int | None) -> None:
        self.reserved.pop(function.arn, None)
        if count is not None:
            self.reserved[function.arn] = count


class FakeRuntimes:
    """This machine has Python and Node.js."""

    def check(self, runtime: str, architecture: str) -> None:
        if not runtime.startswith(("python", "nodejs")):
            raise invalid_parameter(f"midge cannot run the runtime {runtime} here: it is missing.")


class Bench:
    """Everything an Api needs; ``run`` gives a scenario one life of it, ``call`` performs one operation."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.clock = VirtualClock()
        self.router = FakeRouter()
        self.objects: dict[tuple[str, str, str | None], bytes] = {}
        self.limits = Limits()
        self.strict = False
        self.runs_images = True
        self.accepted: list[AsyncEvent] = []
        self.snapshots: list[str] = []
        self.snapshot_failure: Exception | None = None
        self.context = CONTEXT
        """Who calls, and where."""
        self.api: Api
        self.packages: HeldPackages

    async def fetch_s3(self, bucket: str, key: str, version: str | None) -> bytes:
        if (bucket, key, version) not in self.objects:
            raise S3Error("NoSuchKey", "The specified key does not exist.")
        return self.objects[bucket, key, version]

    async def accept_event(self, event: AsyncEvent) -> None:
        self.accepted.append(event)

    async def make_snapshot(self, version: FunctionVersion, task_root: Path, layers_root: Path | None) -> None:
        del task_root, layers_root
        self.snapshots.append(version.arn)
        if self.snapshot_failure is not None:
            raise self.snapshot_failure

    def services(self) -> ApiServices:
        self.packages = HeldPackages(self.directory / "packages", self.blobs, self.limits)
        return ApiServices(
            store=self.store,
            blobs=self.blobs,
            packages=self.packages,
            images=Images(self.directory / "images", Egress(directories=[self.directory]), self.limits),
            runs_images=self.runs_images,
            router=self.router,
            clock=self.clock,
            limits=self.limits,
            fetch_s3=self.fetch_s3,
            runtimes=FakeRuntimes(),
            code_links=CodeLinks(b"k" * 32, self.clock, self.limits),
            accept_event=self.accept_event,
            make_snapshot=self.make_snapshot,
            strict=self.strict,
        )

    @asynccontextmanager
    async def living(self) -> AsyncGenerator[None]:
        """One life of the process, from start to stop."""
        services = self.services()
        self.router.versions.clear()
        self.router.aliases.clear()
        self.router.reserved.clear()
        self.router.wanted.clear()
        self.api = Api(services)
        await self.api.start()
        try:
            yield
        finally:
            await self.api.close()
            await services.packages.close()
            await services.images.close()

    def run(self, *scenarios: Callable[["Bench"], Awaitable[None]]) -> None:
        """Each scenario in a process life of its own over the same store, blobs and directory."""

        async def life(scenario: Callable[["Bench"], Awaitable[None]]) -> None:
            async with self.living():
                await scenario(self)

        for scenario in scenarios:
            asyncio.run(life(scenario))

    async def call(self, operation: str, **values: Any) -> dict[str, Any]:
        return await self.api.handle(operation, values, self.context)

    async def refused(self, operation: str, code: str, **values: Any) -> str:
        """The message of the error ``code`` that the call must end in."""
        with pytest.raises(ServiceError) as refusal:
            await self.call(operation, **values)
        assert refusal.value.code == code, refusal.value
        return refusal.value.message

    async def create(self, name: str = "f", **values: Any) -> dict[str, Any]:
        """A new function, still Pending."""
        return await self.call("CreateFunction", FunctionName=name, **self.settings(**values))

    @staticmethod
    def settings(**values: Any) -> dict[str, Any]:
        """What CreateFunction needs, or what ``values`` says."""
        given: dict[str, Any] = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE}
        return {**given, "Code": {"ZipFile": make_zip()}, **values}

    async def publish_layer(self, name: str = "l", data: bytes | None = None, **values: Any) -> dict[str, Any]:
        """A new version of a layer, of the caller's own."""
        content = {"ZipFile": make_zip(b"layer") if data is None else data}
        return await self.call("PublishLayerVersion", LayerName=name, Content=content, **values)

    async def quiet(self) -> None:
        """Wait until nothing goes on in the background."""
        while tasks := list(self.api._tasks._tasks):
            await asyncio.wait(tasks)

    async def settle(self, name: str = "f", version: str | None = None) -> dict[str, Any]:
        """Wait as a waiter would, without sleeping: until the function is at rest."""
        while True:
            found = await self.call("GetFunctionConfiguration", FunctionName=name, Qualifier=version)
            if found["State"] != "Pending" and found["LastUpdateStatus"] != "InProgress":
                return found
            await asyncio.sleep(0)

    async def created(self, name: str = "f", **values: Any) -> dict[str, Any]:
        """A new function, at rest."""
        await self.create(name, **values)
        return await self.settle(name)
