"""From the start to the stop of a server: everything is opened from the bottom up and closed from the top down.

``run`` is what ``midge serve`` calls; it returns when midge has been told to stop.
"""

import asyncio
import gc
import resource
import signal
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import structlog
import uvloop

import midge
from midge.api.code_links import CodeLinks
from midge.api.dispatch import Api
from midge.api.invocations import Invocations
from midge.api.services import ApiServices
from midge.app.errors import StartError, failed
from midge.app.events import open_events
from midge.app.execution import Execution, open_execution, runtime_images
from midge.app.keeping import open_kept
from midge.app.listening import open_cloudwatch, open_listener, open_logs
from midge.clock import Clock, SystemClock, TurnableClock
from midge.config import Config
from midge.events.dispatcher import Dispatcher
from midge.http.clock_page import ClockPage
from midge.http.code_page import CodePage
from midge.http.internal import InternalPages
from midge.http.listener import Listener
from midge.http.relay import Relay
from midge.http.s3_objects import S3Objects
from midge.images.egress import CredentialsError
from midge.neighbours.moto import Moto
from midge.observe.logging import configure
from midge.sandbox import rootless
from midge.services.logs.functions import FunctionSubscribers
from midge.store.errors import StoreError
from midge.store.lock import DirectoryLock
from midge.store.sqlite import SqliteStore
from midge.tasks import TaskOwner

_log = structlog.get_logger("midge")


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
        except (OSError, StoreError, CredentialsError) as error:
            raise StartError(str(error)) from error
        gc.collect()
        gc.freeze()  # what has been made by now stays for good; collections need not look at it again
        _log.info("midge is ready", version=midge.__version__, host=config.server.host, port=port, isolated=isolated)
        await stop.wait()


async def _open(config: Config, stack: AsyncExitStack, *, isolated: bool) -> Listener:
    """Everything, from the bottom up; ``stack`` closes it from the top down."""
    turnable = TurnableClock() if config.server.clock == "virtual" else None
    clock: Clock = turnable or SystemClock()
    listeners: list[Listener] = []
    kept = await open_kept(config, stack, clock)
    moto = Moto(config.data_dir / "moto.log", config.limits, account=config.aws.account)
    stack.push_async_callback(moto.close)
    imaged = await runtime_images(config, kept.images, isolated=isolated)
    execution = open_execution(config, stack, clock, kept, listeners, imaged, isolated=isolated)
    code_links = CodeLinks(kept.secret, clock, config.limits)
    events = await open_events(
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
        images=kept.images,
        router=execution.router,
        make_snapshot=execution.make_snapshot,
        clock=clock,
        limits=config.limits,
        fetch_s3=S3Objects(moto, config.limits).fetch,
        runtimes=execution.catalogue,
        code_links=code_links,
        runs_images=isolated,
        accept_event=events.accept,
        strict=config.server.strict,
        url_domain=config.server.domain,
    )
    api = Api(services)
    await api.start()
    stack.push_async_callback(api.close)
    loads = TaskOwner(partial(failed, "a function could not be loaded"))
    stack.push_async_callback(loads.close)
    invocations = Invocations(
        execution.router, config.limits, api.load, loads, accept=events.accept, loops=execution.loops, clock=clock
    )
    await events.start()
    stack.push_async_callback(events.close)
    pages = InternalPages(
        execution.metrics,
        partial(_health, execution, kept.store, isolated=isolated),
        {"code": CodePage(code_links, kept.blobs)},
        {} if turnable is None else {"clock": ClockPage(turnable, partial(_at_work, execution, events), config.limits)},
    )
    subscribers = FunctionSubscribers(execution.router, api.load, events.accept, execution.ids, clock)
    logs = open_logs(config, stack, kept.logs, subscribers, clock)
    cloudwatch = open_cloudwatch(config, stack, kept, execution)
    relay = Relay(moto, config.limits)
    stack.push_async_callback(relay.close)
    listener = open_listener(config, execution, invocations, (api, logs, cloudwatch), pages, relay)
    listeners.append(listener)
    stack.push_async_callback(listener.close)
    return listener


def _at_work(execution: Execution, events: Dispatcher) -> int:
    """What runs at this moment: invocations, and events on their way through one."""
    return execution.concurrency.total() + events.working


async def _health(execution: Execution, store: SqliteStore, *, isolated: bool) -> dict[str, Any]:
    return {
        "status": "ok",
        "version": midge.__version__,
        "functions": await store.functions(),
        "environments": execution.pools.environments(),
        "isolated": isolated,
    }
