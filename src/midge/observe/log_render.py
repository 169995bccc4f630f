"""Records of one log stream in, log events out: JSON lines with a timestamp in milliseconds and a message.

Splits the function's output at line ends and at the size of an event; a line without its end waits for the rest until
the invocation is over. Pure, apart from the line that waits.
"""

import msgspec

from midge.observe.log_records import (
    InitReport,
    InvocationEnd,
    InvocationStart,
    LogStyle,
    Note,
    Output,
    Record,
    end_messages,
    init_report_message,
    start_message,
)

_encode = msgspec.json.encode


class StreamRenderer:
    """Makes the events of one stream, in order."""

    def __init__(self, style: LogStyle, event_bytes: int) -> None:
        self._style = style
        self._event_bytes = event_bytes
        self._partial = b""

    def render(self, record: Record, events: list[bytes]) -> None:
        """Append the events that ``record`` makes, one line of JSON each."""
        match record:
            case InvocationStart():
                if (message := start_message(record, self._style)) is not None:
                    events.append(_event(record.time, message))
            case InvocationEnd():
                if record.late_output:
                    self._output(record.time, record.late_output, events)
                self._finish_line(record.time, events)
                events.extend(_event(record.time, message) for message in end_messages(record, self._style))
            case Output():
                self._output(record.time, record.data, events)
            case InitReport():
                self._finish_line(record.time, events)
                events.append(_event(record.time, init_report_message(record, self._style)))
            case Note():
                self._finish_line(record.time, events)
                events.append(_event(record.time, record.text))

    def _output(self, time: float, data: bytes, events: list[bytes]) -> None:
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            self._line(time, line + b"\n", events)
        while len(self._partial) > self._event_bytes:
            self._line(time, self._partial[: self._event_bytes], events)
            self._partial = self._partial[self._event_bytes :]

    def _line(self, time: float, line: bytes, events: list[bytes]) -> None:
        for start in range(0, len(line), self._event_bytes):
            events.append(_event(time, line[start : start + self._event_bytes].decode("utf-8", "replace")))

    def _finish_line(self, time: float, events: list[bytes]) -> None:
        line, self._partial = self._partial, b""
        if line:
            self._line(time, line, events)


def _event(time: float, message: str) -> bytes:
    return b'{"timestamp":%d,"message":%b}\n' % (int(time * 1000), _encode(message))
