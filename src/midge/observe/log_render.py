"""Records of one log stream in, log events out: lines of a block of the log store.

Splits what the function printed at line ends and at the size of an event; a line without its end waits for the rest
until the invocation is over. A message that the runtime client framed is one event, however many lines it has. Times
never go back within what a function writes, so that sorting by time keeps the order. Pure, apart from what waits.
"""

import msgspec

from midge.log_store.blocks import BlockTimes, encode_event, pieces
from midge.model.usage import billed_ms
from midge.observe.log_frames import Frame, FrameSplitter
from midge.observe.log_levels import INFO, LEVELS, printed
from midge.observe.log_records import (
    ExtensionInit,
    InitReport,
    InvocationEnd,
    InvocationStart,
    LogStyle,
    Output,
    PlatformEvent,
    Record,
    Subscription,
    end_messages,
    extension_message,
    init_report_message,
    megabytes,
    platform_message,
    start_message,
    subscription_message,
)

_OWN_TIME_MS = 15 * 60 * 1000
"""How far behind its arrival a message's own time is believed: as long as an invocation may last."""


class Plain(msgspec.Struct, gc=False):
    """The three events of an invocation without output that went well, as lines; its start and end are in ms."""

    start: int
    end: int
    lines: bytes


def plain_template(style: LogStyle) -> bytes | None:
    """The events of an invocation without output that went well, by far the most frequent ones, in one piece.

    To be filled in with start in ms, id, end in ms, id, end in ms, id, duration in ms, billed ms, MB used. None where
    the format is another.
    """
    if style.json_format:
        return None
    version = style.version.replace("%", "%%")
    return (
        f'{{"timestamp":%d,"message":"START RequestId: %b Version: {version}\\n"}}\n'
        '{"timestamp":%d,"message":"END RequestId: %b\\n"}\n'
        '{"timestamp":%d,"message":"REPORT RequestId: %b\\tDuration: %.2f ms\\tBilled Duration: %d ms\\t'
        f'Memory Size: {style.memory_size_mb} MB\\tMax Memory Used: %d MB\\t\\n"}}\n'
    ).encode()


def render_plain(template: bytes, start: float, end: InvocationEnd) -> Plain:
    """Fill in ``plain_template``."""
    begun, stamp, request_id, seconds = int(start * 1000), int(end.time * 1000), end.request_id, end.duration_seconds
    text = template % (
        begun,
        request_id,
        stamp,
        request_id,
        stamp,
        request_id,
        seconds * 1000,
        billed_ms(seconds, None),
        megabytes(end.memory_bytes),
    )
    return Plain(begun, stamp, text)


class StreamRenderer:
    """Makes the events of one stream, in order."""

    def __init__(self, style: LogStyle, event_bytes: int) -> None:
        self._style = style
        self._event_bytes = event_bytes
        self._least = LEVELS.get(style.application_level, INFO) if style.json_format else 0
        self._frames = FrameSplitter(event_bytes)
        self._partial = b""
        self._latest_ms = 0

    def render_all(self, records: list[Record | Plain], events: list[bytes], times: BlockTimes) -> None:
        """Append the events that ``records`` make, one line of JSON each; their times go into ``times``."""
        first_ms, last_ms, count = times.first, times.last, 0
        for record in records:
            if isinstance(record, Plain):  # by far the most: no call for these
                start, end = record.start, record.end
                if end < start:  # the wall clock was set back
                    start, end = end, start
                first_ms = min(first_ms, start)
                last_ms = max(last_ms, end)
                count += 3
                events.append(record.lines)
            else:
                self.render(record, events, times)
        if count:
            times.add(first_ms, last_ms, count)

    def render(self, record: Record, events: list[bytes], times: BlockTimes) -> None:
        """The same for one record that is not in one piece yet."""
        now_ms = int(record.time * 1000)
        if isinstance(record, Output):
            for part in self._frames.feed(record.data) if record.framed else [record.data]:
                self._part(part, now_ms, events, times)
            return
        self._rest(now_ms, events, times)
        self._latest_ms = 0
        for message in self._messages(record):
            times.add(now_ms, now_ms)
            events.append(encode_event(now_ms, message))

    def _messages(self, record: Record) -> list[str]:
        if isinstance(record, InvocationEnd):
            return end_messages(record, self._style)
        message: str | None
        if isinstance(record, InvocationStart):
            message = start_message(record, self._style)
        elif isinstance(record, InitReport):
            message = init_report_message(record, self._style)
        elif isinstance(record, ExtensionInit):
            message = extension_message(record, self._style)
        elif isinstance(record, PlatformEvent):
            message = platform_message(record, self._style)
        elif isinstance(record, Subscription):
            message = subscription_message(record, self._style)
        else:
            assert not isinstance(record, Output)
            message = record.text
        return [] if message is None else [message]

    def _part(self, part: bytes | Frame, now_ms: int, events: list[bytes], times: BlockTimes) -> None:
        if isinstance(part, Frame):
            self._rest_of_line(now_ms, events, times)
            if (part.level or INFO) >= self._least:
                self._event(self._own_time(part.time_us // 1000, now_ms), part.message, events, times)
            return
        lines = (self._partial + part).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            self._line(now_ms, line + b"\n", events, times)
        while len(self._partial) > self._event_bytes:
            self._line(now_ms, self._partial[: self._event_bytes], events, times)
            self._partial = self._partial[self._event_bytes :]

    def _rest(self, now_ms: int, events: list[bytes], times: BlockTimes) -> None:
        """What waits for more that will not come."""
        self._partial += self._frames.flush()
        self._rest_of_line(now_ms, events, times)

    def _rest_of_line(self, now_ms: int, events: list[bytes], times: BlockTimes) -> None:
        if self._partial:
            line, self._partial = self._partial, b""
            self._line(now_ms, line, events, times)

    def _line(self, now_ms: int, line: bytes, events: list[bytes], times: BlockTimes) -> None:
        if self._least:
            level, own_ms = printed(line)
            if level < self._least:
                return
            now_ms = now_ms if own_ms is None else self._own_time(own_ms, now_ms)
        self._event(now_ms, line, events, times)

    def _own_time(self, own_ms: int, now_ms: int) -> int:
        """A message's own time, if it can be: the function may say what it likes."""
        return own_ms if now_ms - _OWN_TIME_MS <= own_ms <= now_ms else now_ms

    def _event(self, moment_ms: int, message: bytes, events: list[bytes], times: BlockTimes) -> None:
        if not message:
            return
        moment_ms = max(moment_ms, self._latest_ms)
        self._latest_ms = moment_ms
        times.add(moment_ms, moment_ms)
        if len(message) <= self._event_bytes:
            events.append(encode_event(moment_ms, message.decode("utf-8", "replace")))
            return
        parts = list(pieces(message, self._event_bytes))
        times.count += len(parts) - 1
        events.extend(encode_event(moment_ms, part.decode("utf-8", "replace")) for part in parts)
