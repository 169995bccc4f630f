"""Tags of log groups, in both forms that the API has: by ARN, and by the log group's name.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from midge.model.arns import parse_arn
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId
from midge.services.logs.context import Call, LogsServices, existing, invalid, no_group, unsupported
from midge.services.logs.settings import change_group, check_tags


async def tag_resource(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Adds to the tags that are there; a key that is there gets the new value."""
    return await _tag(services, _of_arn(values["resourceArn"], call), values["tags"])


async def untag_resource(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Takes away tags; a key that is not there is no error."""
    return await _untag(services, _of_arn(values["resourceArn"], call), values["tagKeys"])


async def list_tags_for_resource(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """All tags of a log group."""
    return await _list(services, _of_arn(values["resourceArn"], call))


async def tag_log_group(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """As TagResource, by name."""
    return await _tag(services, call.group(values["logGroupName"]), values["tags"])


async def untag_log_group(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """As UntagResource, by name."""
    return await _untag(services, call.group(values["logGroupName"]), values["tags"])


async def list_tags_log_group(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """As ListTagsForResource, by name."""
    return await _list(services, call.group(values["logGroupName"]))


def _of_arn(text: str, call: Call) -> LogGroupId:
    arn = parse_arn(text)
    if arn is None or arn.service != "logs":
        raise invalid(f"Invalid ARN: {text}")
    kind, _, name = arn.resource.partition(":")
    if kind != "log-group":
        raise unsupported(f"tags of resources of the kind {kind}")
    if (arn.account, arn.region) != (call.account, call.region):
        raise no_group()
    return call.group(name)


async def _tag(services: LogsServices, group: LogGroupId, tags: Mapping[str, str]) -> dict[str, Any]:
    await change_group(services, group, partial(_tagged, tags=tags, limits=services.limits))
    return {}


def _tagged(group: LogGroup, *, tags: Mapping[str, str], limits: Limits) -> LogGroup:
    together = {**group.tags, **tags}
    check_tags(together, limits)
    return replace(group, tags=together)


async def _untag(services: LogsServices, group: LogGroupId, keys: Iterable[str]) -> dict[str, Any]:
    await change_group(services, group, partial(_untagged, keys=set(keys)))
    return {}


def _untagged(group: LogGroup, *, keys: set[str]) -> LogGroup:
    return replace(group, tags={key: value for key, value in group.tags.items() if key not in keys})


async def _list(services: LogsServices, group: LogGroupId) -> dict[str, Any]:
    return {"tags": (await services.archive.read(lambda reader: existing(reader, group))).tags}
