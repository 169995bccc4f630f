"""The service's one entrance: an operation by name, its validated input, the answer's members.

The operations that ``OPERATIONS`` does not have (alarms, dashboards, ...) are somebody else's.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from midge.model.errors import ServiceError
from midge.services.cloudwatch.context import Call, CloudWatchServices, unsupported
from midge.services.cloudwatch.getting import get_metric_data
from midge.services.cloudwatch.listing import list_metrics
from midge.services.cloudwatch.metric_statistics import get_metric_statistics
from midge.services.cloudwatch.putting import put_metric_data
from midge.store.errors import StoreError

Perform = Callable[[CloudWatchServices, Mapping[str, Any], Call], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, Perform] = {
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
    "PutMetricData": put_metric_data,
}
"""Every operation that midge performs."""

_log = structlog.get_logger("midge.cloudwatch")


class CloudWatchApi:
    """See the module."""

    def __init__(self, services: CloudWatchServices) -> None:
        self._services = services

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
            return await perform(self._services, values, Call(account=account, region=region))
        except StoreError as error:
            _log.error("storage_failed", operation=operation, request_id=request_id, reason=str(error))
            raise ServiceError("InternalServiceFault", f"The metric store failed: {error}") from error
