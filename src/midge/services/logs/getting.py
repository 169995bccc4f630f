"""GetLogEvents and FilterLogEvents: pages of events by time.

A page holds at most 10,000 events and 1 MB; FilterLogEvents also looks at a bounded amount for one page, and says by a
token that there is more to look at. Tokens name a place, so that what is written meanwhile neither repeats nor hides.
Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html and GetLogEvents
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from midge.log_store.reading import EventRange, LogReader, StoredEvent, StoredStream
from midge.model.logs import LogGroupId
from midge.services.logs.context import (
    Call,
    LogsServices,
    bad_token,
    decode_token,
    encode_token,
    existing,
    invalid,
    named_group,
    no_stream,
)
from midge.services.logs.events import event_id
from midge.services.logs.patterns import Pattern, PatternError, parse
from midge.services.logs.putting import EVENT_OVERHEAD_BYTES

_TOKEN = re.compile(r"([fb])/(\d{20})(\d{36})")
_END_OF_TIME = 2**62


async def get_log_events(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """A page of one stream's events, oldest first; the latest ones unless told to start from the head."""
    group, name = named_group(values, call), values["logStreamName"]
    token = values.get("nextToken")
    match = None if token is None else _TOKEN.fullmatch(token)
    if token is not None and match is None:
        raise bad_token()
    forward = bool(values.get("startFromHead")) if match is None else match[1] == "f"
    place = None if match is None else (int(match[2]), name, int(match[3]))
    count, now_ms = values.get("limit", services.limits.log_page_events), services.now_ms()

    def work(reader: LogReader) -> tuple[list[StoredEvent], EventRange]:
        expiry_ms = existing(reader, group).expiry_ms(now_ms)
        stream = reader.stream(group, name)
        if stream is None:
            raise no_stream()
        wanted = EventRange(
            max(values.get("startTime", 0), expiry_ms),
            values.get("endTime", _END_OF_TIME),
            after=place if forward else None,
            before=None if forward else place,
        )
        found = _page(reader.events([stream], wanted, descending=not forward), count, services.limits.log_page_bytes)
        return (found if forward else found[::-1]), wanted

    events, wanted = await services.archive.read(work)
    return {
        "events": [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in events
        ],
        "nextForwardToken": _token("f", events[-1] if events else None, place, wanted),
        "nextBackwardToken": _token("b", events[0] if events else None, place, wanted),
    }


def _token(direction: str, event: StoredEvent | None, place: tuple[int, str, int] | None, wanted: EventRange) -> str:
    """From ``event`` on; where there is none, from where this page was asked for."""
    if event is not None:
        moment, position = event.timestamp, event.position
    elif place is not None:
        moment, _, position = place
    else:
        moment, position = wanted.start_ms, 0
    return f"{direction}/{moment:020d}{position:036d}"


def _page(events: Iterable[StoredEvent], count: int, size_bytes: int) -> list[StoredEvent]:
    page: list[StoredEvent] = []
    size = 0
    for event in events:
        size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if page and size > size_bytes:
            break
        page.append(event)
        if len(page) >= count:
            break
    return page


async def filter_log_events(services: LogsServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """A page of the events of a log group, or of some of its streams, that match a pattern."""
    group = named_group(values, call)
    names, prefix = values.get("logStreamNames"), values.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid("Cannot specify both logStreamNames and logStreamNamePrefix.")
    pattern = parsed(values.get("filterPattern", ""))
    descending = values.get("startFromHead") is False
    place: tuple[int, str, int] | None = None
    if "nextToken" in values:
        direction, moment, stream, position = decode_token(values["nextToken"], str, int, str, int)
        place, descending = (moment, stream, position), direction == "b"
    now_ms = services.now_ms()

    def work(reader: LogReader) -> tuple[list[StoredEvent], StoredEvent | None]:
        expiry_ms = existing(reader, group).expiry_ms(now_ms)
        streams = reader.streams(group, prefix or "")
        if names is not None:
            streams = _named(streams, names)
        wanted = EventRange(
            max(values.get("startTime", 0), expiry_ms),
            values.get("endTime", _END_OF_TIME - 1) + 1,  # inclusive here, unlike in GetLogEvents
            after=None if descending else place,
            before=place if descending else None,
        )
        events = reader.events(streams, wanted, descending=descending)
        return _matching(events, pattern, values.get("limit", services.limits.log_page_events), services)

    events, last = await services.archive.read(work)
    answer: dict[str, Any] = {
        "events": [_filtered(group, event) for event in events],
        "searchedLogStreams": [],
    }
    if last is not None:
        answer["nextToken"] = encode_token("b" if descending else "f", *last.key)
    return answer


def parsed(text: str) -> Pattern:
    """The filter pattern that ``text`` writes. Raises InvalidParameterException."""
    try:
        return parse(text)
    except PatternError as error:
        raise invalid(str(error)) from None


def _named(streams: list[StoredStream], names: list[str]) -> list[StoredStream]:
    by_name = {stream.name: stream for stream in streams}
    if not by_name.keys() >= set(names):
        raise no_stream()
    return [by_name[name] for name in dict.fromkeys(names)]


def _matching(
    events: Iterable[StoredEvent], pattern: Pattern, count: int, services: LogsServices
) -> tuple[list[StoredEvent], StoredEvent | None]:
    """A page of those that match, and the last event looked at; None if there is none behind it."""
    limits = services.limits
    page: list[StoredEvent] = []
    size = looked_at = 0
    last: StoredEvent | None = None
    for event in events:
        event_bytes = len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        full = len(page) >= count or looked_at + event_bytes > limits.log_search_bytes
        if last is not None and full:
            return page, last
        if pattern.match(event.message) is not None:
            if page and size + event_bytes > limits.log_page_bytes:
                return page, last
            size += event_bytes
            page.append(event)
        looked_at += event_bytes
        last = event
    return page, None


def _filtered(group: LogGroupId, event: StoredEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": event_id(group, event.stream, event.timestamp, event.position),
    }
