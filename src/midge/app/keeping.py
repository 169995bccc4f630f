"""What is on disk: records, packages, images, logs."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from midge.blobs.directory import DirectoryBlobs
from midge.blobs.packages import Packages
from midge.clock import Clock
from midge.config import Config
from midge.images.egress import Egress
from midge.images.images import Images
from midge.log_store.files import LogFiles
from midge.metric_store.files import MetricStore
from midge.observe.logs import LogWriter
from midge.store.secret import read_or_create_secret
from midge.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is on disk."""

    store: SqliteStore
    blobs: DirectoryBlobs
    packages: Packages
    images: Images
    logs: LogWriter
    metrics: MetricStore
    secret: bytes


async def open_kept(config: Config, stack: AsyncExitStack, clock: Clock) -> Kept:
    limits, data = config.limits, config.data_dir
    store = await SqliteStore.open(data / "midge.db", limits)
    stack.push_async_callback(store.close)
    blobs = await DirectoryBlobs.open(data / "blobs")
    stack.push_async_callback(blobs.close)
    packages = Packages(data / "packages", blobs, limits)
    stack.push_async_callback(packages.close)
    images = Images(
        data / "images",
        Egress.of_settings(config.images.registries, config.images.directories, config.images.auth_file),
        limits,
        apart=True,
    )
    stack.push_async_callback(images.close)
    logs = LogWriter(LogFiles(data / "logs", limits), clock, limits)
    stack.push_async_callback(logs.close)
    metrics = await MetricStore.open(data / "metrics.db", limits)
    stack.push_async_callback(metrics.close)
    secret = read_or_create_secret(data / "secret")
    return Kept(store=store, blobs=blobs, packages=packages, images=images, logs=logs, metrics=metrics, secret=secret)
