"""The composition root: the only place that names implementations. Opens everything, in order, and closes it again.

``run`` is what ``midge serve`` calls; it returns when midge has been told to stop.
"""

import asyncio
import gc
import random
import resource
import signal
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import uvloop

import midge
from midge.api.code_links import CodeLinks
from midge.api.dispatch import Api
from midge.api.invocations import Invocations, Loader
from midge.api.services import ApiServices, CallContext
from midge.auth.credentials import Credentials
from midge.auth.scope import Scopes
from midge.auth.sigv4 import Verifier
from midge.blobs.directory import DirectoryBlobs
from midge.blobs.packages import Packages
from midge.clock import Clock, SystemClock
from midge.config import Config
from midge.events.deliveries import AwsDeliveries
from midge.events.dispatcher import Dispatcher
from midge.events.reports import Reports
from midge.events.settings import StoredSettings
from midge.http.apis import Apis
from midge.http.code_page import CodePage
from midge.http.control import ControlPlane
from midge.http.function_urls import UrlAccess
from midge.http.heads import rewrite_head
from midge.http.hosts import HostRules
from midge.http.internal import InternalPages
from midge.http.listener import Answerers, Listener
from midge.http.relay import Relay
from midge.http.routes import Routes
from midge.http.s3_objects import S3Objects
from midge.invoke.concurrency import ConcurrencyBook
from midge.invoke.environment import Platform
from midge.invoke.pools import EnvironmentPools
from midge.invoke.request_ids import RequestIds
from midge.invoke.router import Router
from midge.invoke.watch import Watch
from midge.log_store.files import LogFiles
from midge.log_store.reading import LogReader
from midge.neighbours.moto import Moto
from midge.observe.logging import configure
from midge.observe.logs import LogWriter
from midge.observe.metrics import Metrics
from midge.observe.telemetry_buffer import TelemetryBudget
from midge.queue.sqlite import SqliteEventQueue
from midge.runtimes.catalogue import Catalogue, discover, node_modules_directory
from midge.sandbox import rootless
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.port import unique_name
from midge.sandbox.namespaces import NamespaceSandbox
from midge.sandbox.port import Sandbox
from midge.sandbox.process import ProcessSandbox
from midge.services.logs.api import LogsApi
from midge.services.logs.archive import LogArchive
from midge.services.logs.context import LogsServices
from midge.services.logs.delivery import Subscriptions
from midge.services.logs.functions import FunctionSubscribers
from midge.store.errors import StoreError
from midge.store.lock import DirectoryLock
from midge.store.secret import read_or_create_secret
from midge.store.sqlite import SqliteStore
from midge.tasks import TaskOwner
from midge.wire.model import load_service_model

_log = structlog.get_logger("midge")


class StartError(Exception):
    """midge cannot start here: the address is taken, the data directory is another's or cannot be used."""


def run(config: Config, *, isolated: bool) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. ``isolated``: function code runs in namespaces.

    Raises StartError.
    """
    configure()
    try:
        lock = DirectoryLock(config.data_dir)
    except (OSError, StoreError) as error:
        raise StartError(str(error)) from error
    try:
        if isolated:
            rootless.enter()
        _raise_descriptor_limit()
        uvloop.run(_serve(config, isolated=isolated))
    finally:
        lock.close()
    return 0


def _raise_descriptor_limit() -> None:
    """Each environment takes half a dozen descriptors."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, *, isolated: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        try:
            listener = await _open(config, stack, isolated=isolated)
            port = await listener.listen(config.server.host, config.server.port)
        except (OSError, StoreError) as error:
            raise StartError(str(error)) from error
        gc.collect()
        gc.freeze()  # what has been made by now stays for good; collections need not look at it again
        _log.info("midge is ready", version=midge.__version__, host=config.server.host, port=port, isolated=isolated)
        await stop.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What is on disk."""

    store: SqliteStore
    blobs: DirectoryBlobs
    packages: Packages
    logs: LogWriter
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Execution:
    """What runs functions."""

    router: Router
    pools: EnvironmentPools
    catalogue: Catalogue
    metrics: Metrics
    ids: RequestIds
    clock: Clock
    credentials: Credentials


async def _open(config: Config, stack: AsyncExitStack, *, isolated: bool) -> Listener:
    """Everything, from the bottom up; ``stack`` closes it from the top down."""
    clock = SystemClock()
    listeners: list[Listener] = []
    kept = await _open_kept(config, stack, clock)
    moto = Moto(config.data_dir / "moto.log", config.limits, account=config.aws.account)
    stack.push_async_callback(moto.close)
    execution = _open_execution(config, stack, clock, kept, listeners, isolated=isolated)
    code_links = CodeLinks(kept.secret, clock, config.limits)
    events = await _open_events(
        config,
        stack,
        kept,
        execution,
        lambda function, qualifier: api.load(function, qualifier),  # noqa: PLW0108 (api comes later)
    )
    services = ApiServices(
        store=kept.store,
        blobs=kept.blobs,
        packages=kept.packages,
        router=execution.router,
        clock=clock,
        limits=config.limits,
        fetch_s3=S3Objects(moto, config.limits).fetch,
        runtimes=execution.catalogue,
        code_links=code_links,
        accept_event=events.accept,
        strict=config.server.strict,
        url_domain=config.server.domain,
    )
    api = Api(services)
    await api.start()
    stack.push_async_callback(api.close)
    loads = TaskOwner(partial(_failed, "a function could not be loaded"))
    stack.push_async_callback(loads.close)
    invocations = Invocations(execution.router, config.limits, api.load, loads, accept=events.accept, clock=clock)
    await events.start()
    stack.push_async_callback(events.close)
    pages = InternalPages(
        execution.metrics,
        partial(_health, execution, kept.store, isolated=isolated),
        {"code": CodePage(code_links, kept.blobs)},
    )
    subscribers = FunctionSubscribers(execution.router, api.load, events.accept, execution.ids, clock)
    logs = _open_logs(config, stack, kept.logs, subscribers, clock)
    relay = Relay(moto, config.limits)
    stack.push_async_callback(relay.close)
    listener = _listener(config, execution, invocations, (api, logs), pages, relay)
    listeners.append(listener)
    stack.push_async_callback(listener.close)
    return listener


async def _open_events(
    config: Config, stack: AsyncExitStack, kept: _Kept, execution: _Execution, load: Loader
) -> Dispatcher:
    """Asynchronous invocation, before it begins. ``load`` is not called until then."""
    limits, clock = config.limits, execution.clock
    queue = await SqliteEventQueue.open(config.data_dir / "events.db", limits)
    stack.push_async_callback(queue.close)
    deliveries = AwsDeliveries(
        f"http://{config.server.host}:{config.server.port}",
        limits,
        account=config.aws.account,
        region=config.aws.region,
    )
    stack.push_async_callback(deliveries.close)
    settings = StoredSettings(kept.store)
    reports = Reports(
        deliveries,
        settings.dead_letter_target,
        clock=clock,
        limits=limits,
        metrics=execution.metrics,
        ids=execution.ids,
    )
    return Dispatcher(
        queue,
        execution.router,
        load,
        settings.config,
        reports,
        clock=clock,
        limits=limits,
        metrics=execution.metrics,
        ids=execution.ids,
        tasks=TaskOwner(partial(_failed, "an event could not be worked on")),
    )


async def _open_kept(config: Config, stack: AsyncExitStack, clock: Clock) -> _Kept:
    limits, data = config.limits, config.data_dir
    store = await SqliteStore.open(data / "midge.db", limits)
    stack.push_async_callback(store.close)
    blobs = await DirectoryBlobs.open(data / "blobs")
    stack.push_async_callback(blobs.close)
    packages = Packages(data / "packages", blobs, limits)
    stack.push_async_callback(packages.close)
    logs = LogWriter(LogFiles(data / "logs", limits), clock, limits)
    stack.push_async_callback(logs.close)
    secret = read_or_create_secret(data / "secret")
    return _Kept(store=store, blobs=blobs, packages=packages, logs=logs, secret=secret)


def _open_execution(
    config: Config, stack: AsyncExitStack, clock: Clock, kept: _Kept, listeners: list[Listener], *, isolated: bool
) -> _Execution:
    """``listeners`` will hold the one that serves the AWS endpoint inside environments as well."""
    catalogue = discover(
        python_preload=config.python.preload,
        python_stock_transport=config.python.transport == "stock",
        node_modules=node_modules_directory(),
    )
    sandbox = _sandbox(config, catalogue, clock, listeners, isolated=isolated)
    stack.push_async_callback(sandbox.close)
    metrics, ids = Metrics(clock.monotonic), RequestIds()
    credentials = Credentials(kept.secret, config.aws.secrets)
    platform = Platform(
        sandbox=sandbox,
        clock=clock,
        limits=config.limits,
        logs=kept.logs,
        metrics=metrics,
        concurrency=ConcurrencyBook(config.limits.account_concurrency),
        ids=ids,
        tasks=TaskOwner(partial(_failed, "an environment could not be started")),
        session_secret=credentials.session_secret,
        watch=Watch(clock, config.limits),
        telemetry_budget=TelemetryBudget(config.limits.telemetry_pending_bytes),
    )
    pools = EnvironmentPools(platform)
    stack.push_async_callback(pools.close)
    router = Router(pools, random.SystemRandom().random)
    return _Execution(
        router=router,
        pools=pools,
        catalogue=catalogue,
        metrics=metrics,
        ids=ids,
        clock=clock,
        credentials=credentials,
    )


def _open_logs(
    config: Config, stack: AsyncExitStack, writer: LogWriter, subscribers: FunctionSubscribers, clock: Clock
) -> LogsApi:
    """CloudWatch Logs, over what functions write."""
    limits = config.limits
    archive = LogArchive(writer, LogReader(config.data_dir / "logs", limits))
    stack.callback(archive.close)
    subscriptions = Subscriptions(subscribers, archive, clock, limits)
    writer.on_appended = subscriptions.appended
    stack.push_async_callback(subscriptions.close)
    logs = LogsApi(
        LogsServices(
            archive=archive, subscriptions=subscriptions, clock=clock, limits=limits, strict=config.server.strict
        )
    )
    logs.start()
    stack.push_async_callback(logs.close)
    return logs


def _listener(
    config: Config,
    execution: _Execution,
    invocations: Invocations,
    apis: tuple[Api, LogsApi],
    pages: InternalPages,
    relay: Relay,
) -> Listener:
    address = f"{config.server.host}:{config.server.port}"
    place = {"account": config.aws.account, "region": config.aws.region, "address": address}
    api, logs = apis
    control = ControlPlane(load_service_model("lambda"), _operations(api), execution.ids, **place)
    others = {
        "logs": ControlPlane(
            load_service_model("logs"), logs.handle, execution.ids, **place, invalid="InvalidParameterException"
        )
    }
    return Listener(
        Answerers(
            invocations=invocations,
            api=Apis(control, others),
            internal=pages,
            routes=Routes(config.aws.account, config.aws.region, config.server.domain, services=frozenset(others)),
            function_urls=UrlAccess(
                directory=api.urls, verify=Verifier(execution.credentials.secret_of).verify, domain=config.server.domain
            ),
            hosts=HostRules(hosts=(config.server.domain,)),
            scope=Scopes().of_header,
            render_error=control.error,
            ids=execution.ids,
            clock=execution.clock,
            limits=config.limits,
            relay=relay,
            rewrite_head=rewrite_head,
        )
    )


def _sandbox(
    config: Config, catalogue: Catalogue, clock: Clock, listeners: list[Listener], *, isolated: bool
) -> Sandbox:
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
        clock=clock,
        limits=limits,
    )


def _operations(api: Api) -> Any:
    def call(
        operation: str, values: Mapping[str, Any], *, account: str, region: str, request_id: str, base_url: str
    ) -> Awaitable[Mapping[str, Any]]:
        context = CallContext(account=account, region=region, request_id=request_id, base_url=base_url)
        return api.handle(operation, dict(values), context)

    return call


async def _health(execution: _Execution, store: SqliteStore, *, isolated: bool) -> dict[str, Any]:
    return {
        "status": "ok",
        "version": midge.__version__,
        "functions": await store.functions(),
        "environments": execution.pools.environments(),
        "isolated": isolated,
    }


def _failed(event: str, error: BaseException) -> None:
    _log.error(event, exc_info=error)
