"""Asynchronous invocation."""

from contextlib import AsyncExitStack
from functools import partial

from midge.api.invocations import Loader
from midge.app.errors import failed
from midge.app.execution import Execution
from midge.app.keeping import Kept
from midge.config import Config
from midge.events.deliveries import AwsDeliveries
from midge.events.dispatcher import Dispatcher
from midge.events.reports import Reports
from midge.events.settings import StoredSettings
from midge.queue.sqlite import SqliteEventQueue
from midge.tasks import TaskOwner


async def open_events(
    config: Config, stack: AsyncExitStack, kept: Kept, execution: Execution, load: Loader
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
        loops=execution.loops,
        clock=clock,
        limits=limits,
        metrics=execution.metrics,
        ids=execution.ids,
        tasks=TaskOwner(partial(failed, "an event could not be worked on")),
    )
