"""What answers: the Lambda API, CloudWatch Logs and CloudWatch's metrics, the listener that they share."""

from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from midge.api.dispatch import Api
from midge.api.invocations import Invocations
from midge.api.services import CallContext
from midge.app.execution import Execution
from midge.app.keeping import Kept
from midge.auth.scope import Scopes
from midge.auth.sigv4 import Verifier
from midge.clock import Clock, SystemClock
from midge.config import Config
from midge.http.apis import Apis
from midge.http.control import ControlPlane
from midge.http.function_urls import UrlAccess
from midge.http.heads import rewrite_head
from midge.http.hosts import HostRules
from midge.http.internal import InternalPages
from midge.http.listener import Answerers, Listener
from midge.http.relay import Relay
from midge.http.routes import Routes
from midge.log_store.reading import LogReader
from midge.metric_store.keeping import MinuteKeeper
from midge.observe.logs import LogWriter
from midge.observe.url_figures import UrlFigures
from midge.services.cloudwatch.api import OPERATIONS, CloudWatchApi
from midge.services.cloudwatch.context import CloudWatchServices
from midge.services.cloudwatch.store import Metrics
from midge.services.logs.api import LogsApi
from midge.services.logs.archive import LogArchive
from midge.services.logs.context import LogsServices
from midge.services.logs.delivery import Subscriptions
from midge.services.logs.functions import FunctionSubscribers
from midge.wire.model import load_service_model


def open_logs(
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


def open_cloudwatch(config: Config, stack: AsyncExitStack, kept: Kept, execution: Execution) -> CloudWatchApi:
    """CloudWatch's metrics, of what is counted and of what others put."""
    clock, limits = execution.clock, config.limits
    keeper = MinuteKeeper(execution.metrics.minutes, kept.metrics, clock, limits)
    keeper.start()
    stack.push_async_callback(keeper.close)
    metrics = Metrics(kept.metrics, keeper)
    return CloudWatchApi(CloudWatchServices(metrics=metrics, clock=clock, limits=limits, strict=config.server.strict))


def open_listener(
    config: Config,
    execution: Execution,
    invocations: Invocations,
    apis: tuple[Api, LogsApi, CloudWatchApi],
    pages: InternalPages,
    relay: Relay,
) -> Listener:
    address = f"{config.server.host}:{config.server.port}"
    account, region, ids = config.aws.account, config.aws.region, execution.ids
    plane = partial(ControlPlane, account=account, region=region, address=address)
    api, logs, cloudwatch = apis
    control = plane(load_service_model("lambda"), _operations(api), ids)
    others = {"logs": plane(load_service_model("logs"), logs.handle, ids, invalid="InvalidParameterException")}
    shared = {
        "monitoring": plane(
            load_service_model("cloudwatch"),
            cloudwatch.handle,
            ids,
            invalid="ValidationError",
            owned=frozenset(OPERATIONS),
            unpacked_bytes=config.limits.metric_body_bytes,
        )
    }
    everything = Apis(control, others, shared)
    return Listener(
        Answerers(
            invocations=invocations,
            api=everything,
            owns=everything.owns,
            internal=pages,
            routes=Routes(account, region, config.server.domain, services=frozenset(others), shared=frozenset(shared)),
            function_urls=UrlAccess(
                directory=api.urls,
                verify=Verifier(execution.credentials.secret_of).verify,
                domain=config.server.domain,
                count=UrlFigures(execution.metrics).count,
            ),
            hosts=HostRules(hosts=(config.server.domain,)),
            scope=Scopes().of_header,
            render_error=control.error,
            ids=execution.ids,
            clock=SystemClock(),  # connections are the machine's own, whatever time it is for functions
            limits=config.limits,
            relay=relay,
            rewrite_head=rewrite_head,
        )
    )


def _operations(api: Api) -> Any:
    def call(
        operation: str, values: Mapping[str, Any], *, account: str, region: str, request_id: str, base_url: str
    ) -> Awaitable[Mapping[str, Any]]:
        context = CallContext(account=account, region=region, request_id=request_id, base_url=base_url)
        return api.handle(operation, dict(values), context)

    return call
