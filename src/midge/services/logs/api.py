"""The service's one entrance: an operation by name, its validated input, the answer's members.

Refuses by name what ``OPERATIONS`` does not have, and lets events expire while it is open.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from midge.clock import pause
from midge.model.errors import ServiceError
from midge.services.logs import getting, groups, putting, streams, subscriptions, tags
from midge.services.logs.context import Call, LogsServices, unsupported
from midge.tasks import TaskOwner

Perform = Callable[[LogsServices, Mapping[str, Any], Call], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, Perform] = {
    "CreateLogGroup": groups.create_log_group,
    "DeleteLogGroup": groups.delete_log_group,
    "DescribeLogGroups": groups.describe_log_groups,
    "PutRetentionPolicy": groups.put_retention_policy,
    "DeleteRetentionPolicy": groups.delete_retention_policy,
    "CreateLogStream": streams.create_log_stream,
    "DeleteLogStream": streams.delete_log_stream,
    "DescribeLogStreams": streams.describe_log_streams,
    "PutLogEvents": putting.put_log_events,
    "GetLogEvents": getting.get_log_events,
    "FilterLogEvents": getting.filter_log_events,
    "PutSubscriptionFilter": subscriptions.put_subscription_filter,
    "DescribeSubscriptionFilters": subscriptions.describe_subscription_filters,
    "DeleteSubscriptionFilter": subscriptions.delete_subscription_filter,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsForResource": tags.list_tags_for_resource,
    "TagLogGroup": tags.tag_log_group,
    "UntagLogGroup": tags.untag_log_group,
    "ListTagsLogGroup": tags.list_tags_log_group,
}
"""Every operation that midge performs; all others of the service are refused by name."""


class LogsApi:
    """See the module. ``start`` before the first call, ``close`` after the last."""

    def __init__(self, services: LogsServices) -> None:
        self._services = services
        self._log = structlog.get_logger("midge.logs")
        self._tasks = TaskOwner(self._failed)

    def start(self) -> None:
        """Begin to let events expire."""
        self._tasks.start(self._expire())

    async def close(self) -> None:
        """End what runs in the background."""
        await self._tasks.close()

    async def handle(
        self,
        operation: str,
        values: Mapping[str, Any],
        *,
        account: str,
        region: str,
        request_id: str,
        base_url: str,
    ) -> dict[str, Any]:
        """Perform ``operation``; the answer's members by their wire names. Raises ServiceError and nothing else."""
        del base_url
        perform = OPERATIONS.get(operation)
        if perform is None:
            raise unsupported(f"the operation {operation}")
        try:
            return await perform(self._services, values, Call(account=account, region=region, request_id=request_id))
        except OSError as error:
            self._log.error("storage_failed", operation=operation, request_id=request_id, reason=str(error))
            raise ServiceError("ServiceUnavailableException", f"The log store failed: {error.strerror}") from error

    async def _expire(self) -> None:
        services = self._services
        while True:
            try:
                now_ms = services.now_ms()
                await services.archive.change(lambda files, now_ms=now_ms: files.expire(now_ms))
            except OSError as error:
                self._log.error("expired events could not be deleted", reason=str(error))
            await pause(services.clock, services.limits.log_expiry_seconds)

    def _failed(self, error: BaseException) -> None:
        self._log.error("background_task_failed", exc_info=error)
