"""Records of one log stream in, log events out: JSON lines with a timestamp in milliseconds and a message.

Splits the function's output at line ends and at the size of an event; a line without its end waits for the rest until
the invocation is over. Pure, apart from the line that waits.
"""

import msgspec

from midge.observe.log_records import (
    ExtensionInit,
    InitReport,
    InvocationEnd,
    InvocationStart,
    LogStyle,
    Output,
    Record,
    Subscription,
    billed_ms,
    end_messages,
    extension_message,
    init_report_message,
    megabytes,
    start_message,
    subscription_message,
)

_encode = msgspec.json.encode


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


def render_plain(template: bytes, start: float, end: InvocationEnd) -> bytes:
    """Fill in ``plain_template``."""
    stamp, request_id, seconds = int(end.time * 1000), end.request_id, end.duration_seconds
    return template % (
        int(start * 1000),
        request_id,
        stamp,
        request_id,
        stamp,
        request_id,
        seconds * 1000,
        billed_ms(seconds, None),
        megabytes(end.memory_bytes),
    )


class StreamRenderer:
    """Makes the events of one stream, in order."""

    def __init__(self, style: LogStyle, event_bytes: int) -> None:
        self._style = style
        self._event_bytes = event_bytes
        self._partial = b""

    def render(self, record: Record, events: list[bytes]) -> None:
        """Append the events that ``record`` makes, one line of JSON each."""
        if isinstance(record, Output):
            self._output(record.time, record.data, events)
            return
        if self._partial:
            self._line(record.time, self._partial, events)
            self._partial = b""
        events.extend(_event(record.time, message) for message in self._messages(record))

    def _messages(self, record: Record) -> list[str]:
        if isinstance(record, InvocationStart):
            message = start_message(record, self._style)
            return [] if message is None else [message]
        if isinstance(record, InvocationEnd):
            return end_messages(record, self._style)
        if isinstance(record, InitReport):
            return [init_report_message(record, self._style)]
        if isinstance(record, ExtensionInit):
            return [extension_message(record, self._style)]
        if isinstance(record, Subscription):
            return [subscription_message(record, self._style)]
        assert not isinstance(record, Output)
        return [record.text]

    def _output(self, time: float, data: bytes, events: list[bytes]) -> None:
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            self._line(time, line + b"\n", events)
        while len(self._partial) > self._event_bytes:
            self._line(time, self._partial[: self._event_bytes], events)
            self._partial = self._partial[self._event_bytes :]

    def _line(self, time: float, line: bytes, events: list[bytes]) -> None:
        pieces = (line[start : start + self._event_bytes] for start in range(0, len(line), self._event_bytes))
        events.extend(_event(time, piece.decode("utf-8", "replace")) for piece in pieces)


def _event(time: float, message: str) -> bytes:
    return b'{"timestamp":%d,"message":%b}\n' % (int(time * 1000), _encode(message))
