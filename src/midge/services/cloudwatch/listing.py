"""ListMetrics: which metrics there are.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from midge.metric_store.files import DAY_SECONDS
from midge.model.metrics import Dimensions
from midge.services.cloudwatch.context import Call, CloudWatchServices, decode_token, encode_token, invalid, unsupported

_LISTED_SECONDS = 14 * DAY_SECONDS
_RECENT_SECONDS = 3 * 3_600
_Place = tuple[str, str, str]
"""Namespace, name, and the dimensions as text: metrics are listed in this order."""


async def list_metrics(services: CloudWatchServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The metrics that have had a value in the last two weeks, or in the last three hours."""
    if values.get("IncludeLinkedAccounts") or values.get("OwningAccount", call.account) != call.account:
        raise unsupported("metrics of other accounts (IncludeLinkedAccounts, OwningAccount)")
    seconds = _RECENT_SECONDS if values.get("RecentlyActive") else _LISTED_SECONDS
    since = services.clock.now() - seconds
    after = _after(values.get("NextToken"))
    wanted: Sequence[Mapping[str, str]] = values.get("Dimensions", ())
    place = (call.account, call.region, values.get("Namespace"), values.get("MetricName"))
    found: dict[_Place, Dimensions] = {}
    for series, _ in await services.metrics.series(*place, since):
        if _matches(series.dimensions, wanted):
            key = (series.namespace, series.name, msgspec.json.encode(series.dimensions).decode())
            if after is None or key > after:
                found[key] = series.dimensions
    page = sorted(found)[: services.limits.metric_list_items]
    answer: dict[str, Any] = {
        "Metrics": [
            {
                "Namespace": key[0],
                "MetricName": key[1],
                "Dimensions": [{"Name": name, "Value": value} for name, value in found[key]],
            }
            for key in page
        ]
    }
    if len(page) < len(found):
        answer["NextToken"] = encode_token(*page[-1])
    return answer


def _after(token: str | None) -> _Place | None:
    if token is None:
        return None
    parts = decode_token(token, str, str, str)
    if parts is None:
        raise invalid("The value for parameter NextToken is invalid.")
    return (parts[0], parts[1], parts[2])


def _matches(dimensions: Dimensions, wanted: Sequence[Mapping[str, str]]) -> bool:
    """Whether a metric has every dimension that is asked for, with its value where one is."""
    own = dict(dimensions)
    return all(one["Name"] in own and one.get("Value", own[one["Name"]]) == own[one["Name"]] for one in wanted)
