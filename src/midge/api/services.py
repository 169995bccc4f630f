"""What the operations need of the rest of midge, as one record of ports; and what they are told about a call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from midge.api.acceptance import AcceptEvent
from midge.api.code_links import CodeLinks
from midge.blobs.packages import Packages
from midge.blobs.port import Blobs
from midge.clock import Clock
from midge.images.images import Images
from midge.model.functions import Alias, FunctionId, FunctionVersion
from midge.model.limits import Limits
from midge.store.port import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls, and where: a caller sees the functions of ``account`` and ``region`` alone."""

    account: str
    region: str
    request_id: str
    base_url: str
    """Where the caller reaches midge, without a slash at the end; links in answers begin with it."""


class S3Error(Exception):
    """S3 refused to hand out an object; ``code`` and ``message`` are S3's (``NoSuchKey``)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


FetchS3 = Callable[[str, str, str | None], Awaitable[bytes]]
"""Bucket, key and version (None for the current one) to the object's bytes. Raises S3Error."""


class Provisioned(Protocol):
    """Environments that are kept initialised."""

    @property
    def available(self) -> int: ...
    @property
    def failed(self) -> bool:
        """The last initialisation did."""
        ...


class RouterPort(Protocol):
    """Where invocations look functions up. In memory; the store holds the truth."""

    def put_version(self, version: FunctionVersion, task_root: Path, layers_root: Path | None = None) -> None:
        """Make a version known or replace what is known of it.

        ``task_root`` is its unpacked package, ``layers_root`` its layers laid over each other, if it has any.
        """
        ...

    def remove_version(self, function: FunctionId, version: str) -> None: ...

    def put_alias(self, alias: Alias) -> None: ...

    def remove_alias(self, function: FunctionId, name: str) -> None: ...

    def knows(self, function: FunctionId, version: str) -> bool:
        """Whether a version has been put."""
        ...

    def provision(self, function: FunctionId, counts: Mapping[str, int]) -> None:
        """Keep environments of the versions named initialised, so many of each; of all others none."""
        ...

    def provisioned(self, function: FunctionId, version: str) -> Provisioned:
        """How far that has come."""
        ...

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """Reserve concurrency for all versions of a function together; None ends the reservation."""
        ...


MakeSnapshot = Callable[[FunctionVersion, Path, Path | None], Awaitable[None]]
"""Initialises a version, whose package and layers lie there, and keeps a snapshot of it. Raises SnapshotFailure."""


class RuntimeCatalogue(Protocol):
    """Which runtimes this machine can run."""

    def check(self, runtime: str, architecture: str) -> None:
        """Raise InvalidParameterValueException, saying what is missing, if it cannot run functions of ``runtime``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """Everything that operations reach, passed in once by the composition root."""

    store: Store
    blobs: Blobs
    packages: Packages
    images: Images
    router: RouterPort
    clock: Clock
    limits: Limits
    fetch_s3: FetchS3
    runtimes: RuntimeCatalogue
    code_links: CodeLinks
    make_snapshot: MakeSnapshot
    runs_images: bool = True
    """Whether environments can have an image as their root here."""
    accept_event: AcceptEvent
    url_domain: str = "localhost"
    """The domain below which function URLs are handed out."""
    strict: bool = False
    """Refuse, by name, what midge would otherwise keep without acting on it."""

    async def unpacked(self, version: FunctionVersion) -> None:
        """Have everything on disk that runs ``version``: its image, or its code and its layers.

        Raises PackageError, ImageError or OSError.
        """
        if version.image is not None:
            await self.images.unpacked(version.image)
            return
        await self.packages.unpacked(version.code)
        await self.packages.layers_unpacked(version.layer_digests)

    async def snapshot(self, version: FunctionVersion) -> None:
        """Have a snapshot of a version whose code is unpacked, if its environments are restored from one.

        Raises SnapshotFailure.
        """
        if version.restored:
            packages = self.packages
            layers = packages.layers_path(version.layer_digests)
            await self.make_snapshot(version, packages.path(version.code), layers)

    def put_in_router(self, version: FunctionVersion) -> None:
        """Let invocations find ``version`` as it now is."""
        if version.image is not None:
            self.router.put_version(version, self.images.path(version.image.root))
            return
        packages = self.packages
        self.router.put_version(version, packages.path(version.code), packages.layers_path(version.layer_digests))
