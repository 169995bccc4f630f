"""Log streams: made, listed, deleted.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html and its neighbours
"""

from collections.abc import Mapping
from typing import Any

from midge.log_store.files import LogFiles
from midge.log_store.reading import LogReader, StoredStream
from midge.model.errors import ServiceError
from midge.model.logs import LogGroupId
from midge.services.logs.context import (
    Call,
    LogsServices,
    decode_token,
    encode_token,
    existing,
    invalid,
    named_group,
    no_group,
    no_stream,
)

_BY_TIME = "LastEventTime"
UPLOAD_TOKEN = "4" + "0" * 55
"""PutLogEvents takes any sequence token, and none; older clients want to be given one."""


async def create_log_stream(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Makes an empty log stream."""
    group, name = call.group(values["logGroupName"]), values["logStreamName"]
    now_ms = services.now_ms()

    def work(files: LogFiles) -> bool:
        if files.group(group) is None:
            raise no_group()
        return files.create_stream(group, name, now_ms)

    if not await services.archive.change(work):
        raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists")
    return {}


async def delete_log_stream(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Deletes a log stream with its events."""
    group, name = call.group(values["logGroupName"]), values["logStreamName"]

    def work(files: LogFiles) -> None:
        if files.group(group) is None:
            raise no_group()
        if not files.delete_stream(group, name):
            raise no_stream()

    await services.archive.change(work)
    return {}


async def describe_log_streams(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Lists the streams of a log group by name or by the time of their last event, at most 50 at a time."""
    group = named_group(values, call)
    prefix = values.get("logStreamNamePrefix", "")
    by_time = values.get("orderBy") == _BY_TIME
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    descending = bool(values.get("descending"))
    token = values.get("nextToken")
    place = None if token is None else tuple(decode_token(token, int, str))
    count = values.get("limit", services.limits.log_list_items)

    def key(stream: StoredStream) -> tuple[int, str]:
        return (stream.last_ms or 0 if by_time else 0), stream.name

    def work(reader: LogReader) -> tuple[list[StoredStream], bool]:
        existing(reader, group)
        streams = sorted(reader.streams(group, prefix), key=key, reverse=descending)
        if place is not None:
            streams = [stream for stream in streams if (key(stream) < place if descending else key(stream) > place)]
        return streams[:count], len(streams) > count

    streams, more = await services.archive.read(work)
    answer: dict[str, Any] = {"logStreams": [_described(group, stream) for stream in streams]}
    if more:
        answer["nextToken"] = encode_token(*key(streams[-1]))
    return answer


def _described(group: LogGroupId, stream: StoredStream) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
        "uploadSequenceToken": UPLOAD_TOKEN,
        "arn": group.stream_arn(stream.name),
        "storedBytes": 0,  # as AWS: it has not been counted for streams since 2019
    }
