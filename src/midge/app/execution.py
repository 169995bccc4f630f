"""What runs functions: the sandbox, the pools, the router."""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from midge.app.errors import StartError, failed
from midge.app.keeping import Kept
from midge.app.memory import memory_for_functions_mb
from midge.auth.credentials import Credentials
from midge.clock import Clock, SystemClock
from midge.config import Config
from midge.events.settings import StoredSettings
from midge.http.listener import Listener
from midge.images.images import Images
from midge.invoke.concurrency import ConcurrencyBook
from midge.invoke.environment import Platform
from midge.invoke.keep_alive import keep_alive_rule
from midge.invoke.pools import EnvironmentPools
from midge.invoke.recursion import RecursiveLoops
from midge.invoke.request_ids import RequestIds
from midge.invoke.room import MemoryRoom
from midge.invoke.router import Router
from midge.invoke.snapshots import Snapshots
from midge.invoke.watch import Watch
from midge.model.functions import FunctionVersion
from midge.observe.metrics import Metrics
from midge.observe.telemetry_buffer import TelemetryBudget
from midge.runtimes.catalogue import discover, node_modules_directory
from midge.runtimes.imaged import ImagedCatalogue, RuntimeImageError, pull_roots
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.port import unique_name
from midge.sandbox.namespaces import NamespaceSandbox
from midge.sandbox.port import RootImage, Sandbox
from midge.sandbox.process import ProcessSandbox
from midge.tasks import TaskOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What runs functions."""

    router: Router
    pools: EnvironmentPools
    make_snapshot: Callable[[FunctionVersion, Path, Path | None], Awaitable[None]]
    catalogue: ImagedCatalogue
    metrics: Metrics
    ids: RequestIds
    clock: Clock
    credentials: Credentials
    concurrency: ConcurrencyBook
    loops: RecursiveLoops


async def runtime_images(config: Config, images: Images, *, isolated: bool) -> dict[str, RootImage]:
    """The images that runtimes have as their roots, pulled. Raises StartError."""
    wanted = {name: runtime.image for name, runtime in config.runtimes.items() if runtime.image}
    if wanted and not isolated:
        raise StartError("runtimes that are images need the namespaces sandbox")
    try:
        return await pull_roots(wanted, images)
    except RuntimeImageError as error:
        raise StartError(str(error)) from error


def open_execution(
    config: Config,
    stack: AsyncExitStack,
    clock: Clock,
    kept: Kept,
    listeners: list[Listener],
    imaged: Mapping[str, RootImage],
    *,
    isolated: bool,
) -> Execution:
    """``listeners`` will hold the one that serves the AWS endpoint inside environments as well."""
    found = discover(
        python_preload=config.python.preload,
        python_stock_transport=config.python.transport == "stock",
        node_modules=node_modules_directory(),
        places=config.places,
    )
    catalogue = ImagedCatalogue(found, imaged)
    sandbox = _sandbox(config, catalogue, listeners, isolated=isolated)
    stack.push_async_callback(sandbox.close)
    metrics, ids = Metrics(clock), RequestIds()
    credentials = Credentials(kept.secret, config.aws.secrets)
    snapshots = Snapshots()
    platform = Platform(
        sandbox=sandbox,
        clock=clock,
        limits=config.limits,
        logs=kept.logs,
        metrics=metrics,
        concurrency=ConcurrencyBook(config.limits),
        keep_alive=keep_alive_rule(config.environments.keep_alive, config.limits),
        memory=MemoryRoom(clock, config.limits, memory_for_functions_mb(config.limits)),
        ids=ids,
        tasks=TaskOwner(partial(failed, "an environment could not be started")),
        session_secret=credentials.session_secret,
        watch=Watch(clock, config.limits),
        telemetry_budget=TelemetryBudget(config.limits.telemetry_pending_bytes),
        snapshots=snapshots,
    )
    pools = EnvironmentPools(platform)
    stack.push_async_callback(pools.close)
    router = Router(pools, random.SystemRandom().random)
    return Execution(
        router=router,
        pools=pools,
        make_snapshot=partial(snapshots.make, platform),
        catalogue=catalogue,
        metrics=metrics,
        ids=ids,
        clock=clock,
        credentials=credentials,
        concurrency=platform.concurrency,
        loops=RecursiveLoops(config.limits.recursive_invocations, StoredSettings(kept.store).loops_allowed, metrics),
    )


def _sandbox(config: Config, catalogue: ImagedCatalogue, listeners: list[Listener], *, isolated: bool) -> Sandbox:
    """The sandbox in force. ``listeners`` holds, once it is made, the one that serves the endpoint inside as well."""
    limits = config.limits
    if not isolated:
        url = f"http://{config.server.host}:{config.server.port}"
        return ProcessSandbox(programs=catalogue, endpoint_url=url, limits=limits)
    return NamespaceSandbox(
        programs=catalogue,
        endpoint=lambda: listeners[0].protocols(limits.endpoint_connections_per_environment, inside=True),
        endpoint_port=config.server.port,
        cgroups=open_cgroups(unique_name(), limits.processes_per_environment),
        clock=SystemClock(),
        limits=limits,
    )
