"""PutLogEvents: which events are taken, and what refuses a whole batch.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from midge.log_store.blocks import BlockTimes, encode_event
from midge.log_store.files import LogFiles
from midge.model.limits import Limits
from midge.model.logs import DAY_MS, LogGroup
from midge.services.logs.context import Call, LogsServices, invalid, no_group, no_stream
from midge.services.logs.streams import UPLOAD_TOKEN

EVENT_OVERHEAD_BYTES = 26
"""What each event counts for beside its message."""
_OLDEST_MS = 14 * DAY_MS
_NEWEST_MS = 2 * 60 * 60 * 1000


async def put_log_events(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Adds events to a log stream; they are on disk when this is answered. Sequence tokens are ignored, as by AWS."""
    group, stream, events = call.group(values["logGroupName"]), values["logStreamName"], values["logEvents"]
    _check_batch(events, services.limits)

    def work(files: LogFiles) -> LogGroup:
        found = files.group(group)
        if found is None:
            raise no_group()
        if not files.has_stream(group, stream):
            raise no_stream()
        return found

    settings = await services.archive.change(work)
    moments = [event["timestamp"] for event in events]
    now_ms = services.now_ms()
    too_old = bisect_left(moments, now_ms - _OLDEST_MS)
    expired = bisect_left(moments, settings.expiry_ms(now_ms))
    too_new = bisect_left(moments, now_ms + _NEWEST_MS + 1)
    accepted = events[max(too_old, expired) : too_new]
    if accepted:
        if accepted[-1]["timestamp"] - accepted[0]["timestamp"] > DAY_MS:
            raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        times = BlockTimes()
        times.add(accepted[0]["timestamp"], accepted[-1]["timestamp"], len(accepted))
        lines = b"".join(encode_event(event["timestamp"], event["message"]) for event in accepted)
        await services.archive.append(group, stream, lines, times)
    answer: dict[str, Any] = {"nextSequenceToken": UPLOAD_TOKEN}
    rejected = {
        "tooOldLogEventEndIndex": too_old or None,
        "expiredLogEventEndIndex": expired or None,
        "tooNewLogEventStartIndex": too_new if too_new < len(events) else None,
    }
    if any(index is not None for index in rejected.values()):
        answer["rejectedLogEventsInfo"] = rejected
    if values.get("entity"):
        # midge keeps no entities: said here, where AWS says what it could not do with one.
        answer["rejectedEntityInfo"] = {"errorType": "UnsupportedLogGroupType"}
    return answer


def _check_batch(events: list[dict[str, Any]], limits: Limits) -> None:
    total = 0
    previous = 0
    for event in events:
        size = len(event["message"].encode()) + EVENT_OVERHEAD_BYTES
        if size > limits.log_batch_bytes:
            raise invalid(f"Log event too large: {size} bytes exceeds limit of {limits.log_batch_bytes}")
        total += size
        if event["timestamp"] < previous:
            raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
        previous = event["timestamp"]
    if total > limits.log_batch_bytes:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {limits.log_batch_bytes}")
