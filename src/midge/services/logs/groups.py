"""Log groups: made, listed, deleted, how long they keep events.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from midge.log_store.reading import LogReader
from midge.model.errors import ServiceError
from midge.model.logs import RETENTION_DAYS, LogGroup
from midge.services.logs.context import (
    Call,
    LogsServices,
    bad_token,
    decode_token,
    encode_token,
    identified_group,
    invalid,
    no_group,
    not_in_enum,
    unsupported,
)
from midge.services.logs.settings import change_group, check_tags

_STANDARD = "STANDARD"


async def create_log_group(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Makes a log group that keeps its events for ever, until told otherwise."""
    name: str = values["logGroupName"]
    if name.lower().startswith("aws/"):
        raise invalid("Log group names can't start with the string aws/")
    if values.get("logGroupClass", _STANDARD) != _STANDARD:
        raise unsupported(f"the log group class {values['logGroupClass']}")
    if values.get("deletionProtectionEnabled"):
        raise unsupported("the parameter deletionProtectionEnabled")
    key = values.get("kmsKeyId")
    if key is not None:
        if services.strict:
            raise unsupported("the parameter kmsKeyId")
        log = structlog.get_logger("midge.logs")
        log.warning("kept_without_effect", resource=call.group(name).arn, members=["kmsKeyId"])
    tags = dict(values.get("tags") or {})
    check_tags(tags, services.limits)
    made = LogGroup(name=name, created_ms=services.now_ms(), kms_key_id=key, tags=tags)
    if not await services.archive.change(lambda files: files.create_group(call.group(name), made)):
        raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
    return {}


async def delete_log_group(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Deletes a log group with its streams and events."""
    if not await services.archive.change(lambda files: files.delete_group(call.group(values["logGroupName"]))):
        raise no_group()
    return {}


async def describe_log_groups(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Lists log groups by name, at most 50 at a time."""
    prefix, pattern = values.get("logGroupNamePrefix"), values.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    identifiers: list[str] = values.get("logGroupIdentifiers") or []
    names = {identified_group(each, call).name for each in identifiers}
    if values.get("logGroupClass", _STANDARD) != _STANDARD:
        return {"logGroups": []}
    after = ""
    if "nextToken" in values:
        (after,) = decode_token(values["nextToken"], str)
        if not after:
            raise bad_token()
    count = values.get("limit", services.limits.log_list_items)

    def wanted(name: str) -> bool:
        return name.startswith(prefix or "") and (pattern or "") in name and (not names or name in names)

    def work(reader: LogReader) -> tuple[list[dict[str, Any]], bool]:
        every = reader.groups(call.account, call.region)
        found = [group for group in every if group.name > after and wanted(group.name)]
        return [_described(reader, group, call, short=pattern is not None) for group in found[:count]], len(
            found
        ) > count

    groups, more = await services.archive.read(work)
    answer: dict[str, Any] = {"logGroups": groups}
    if more:
        answer["nextToken"] = encode_token(groups[-1]["logGroupName"])
    return answer


def _described(reader: LogReader, group: LogGroup, call: Call, *, short: bool) -> dict[str, Any]:
    place = call.group(group.name)
    description: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "arn": f"{place.arn}:*",
    }
    if short:
        return description
    return {
        **description,
        "logGroupArn": place.arn,
        "logGroupClass": _STANDARD,
        "metricFilterCount": 0,
        "storedBytes": reader.stored_bytes(place),
        "retentionInDays": group.retention_days,
        "kmsKeyId": group.kms_key_id,
    }


async def put_retention_policy(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Says how long a log group keeps events; older ones are not shown any more from now on."""
    days: int = values["retentionInDays"]
    if days not in RETENTION_DAYS:
        not_in_enum(days, "retentionInDays", ", ".join(str(each) for each in RETENTION_DAYS))
    await change_group(services, call.group(values["logGroupName"]), partial(_keep_for, days=days))
    return {}


async def delete_retention_policy(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Lets a log group keep events for ever."""
    await change_group(services, call.group(values["logGroupName"]), partial(_keep_for, days=None))
    return {}


def _keep_for(group: LogGroup, *, days: int | None) -> LogGroup:
    return replace(group, retention_days=days)
