"""A deployed function, its answers, and its log as it grows."""

import json
import time
from pathlib import Path
from typing import Any

from functional.server import Midge

from midge.log_store.reading import EventRange, LogReader
from midge.model.limits import Limits
from midge.model.logs import LogGroupId


class Watched:
    """One function of a running server."""

    PATIENCE_SECONDS = 30.0

    def __init__(self, midge: Midge, name: str) -> None:
        self.client = midge.client()
        self.name = name
        self._logs = LogReader(midge.data_dir / "logs", Limits())
        self._group = LogGroupId(account="000000000000", region="us-east-1", name=f"/aws/lambda/{name}")

    def invoke(self, event: Any = None) -> Any:
        """The function's result."""
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event, separators=(",", ":")))
        document = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, document
        return document

    def error(self, event: Any = None) -> tuple[str, str]:
        """Type and message of the error that an invocation ends with."""
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event))
        assert answer["FunctionError"] == "Unhandled"
        document = json.loads(answer["Payload"].read())
        return document["errorType"], document["errorMessage"].partition("Error: ")[2]

    def log(self) -> list[str]:
        """Its messages so far."""
        streams = sorted(self._logs.streams(self._group), key=lambda stream: (stream.created_ms, stream.name))
        return [event.message for stream in streams for event in self._logs.events([stream], EventRange())]

    def until(self, *beginnings: str) -> list[str]:
        """The log, as soon as it has lines that begin so."""
        deadline = time.monotonic() + self.PATIENCE_SECONDS
        while time.monotonic() < deadline:
            log = self.log()
            if all(any(line.startswith(beginning) for line in log) for beginning in beginnings):
                return log
            time.sleep(0.05)
        raise AssertionError(f"{beginnings} not in:\n{''.join(self.log())}")

    def until_gone(self, words: str) -> None:
        """Wait until no process's command line has these words."""
        deadline = time.monotonic() + self.PATIENCE_SECONDS
        while _processes(words):
            assert time.monotonic() < deadline, f"{words} does not end"
            time.sleep(0.05)

    def end(self) -> None:
        """Let its environments end, as an update does."""
        self.client.update_function_configuration(FunctionName=self.name, Description="ended")
        self.client.update_function_configuration(FunctionName=self.name, Timeout=19)

    def heard(self, name: str, *kinds: str) -> dict[str, Any]:
        """Records of the telemetry events that an extension had, by type, once there is one of each of ``kinds``.

        Invokes the function meanwhile: between its invocations it stands still, and its sink with it.
        """
        deadline = time.monotonic() + self.PATIENCE_SECONDS
        found: dict[str, Any] = {}
        while time.monotonic() < deadline and not set(kinds) <= set(found):
            self.invoke()
            lines = [line for line in self.log() if line.startswith(f"@{name} heard")]
            events = [json.loads(line.partition("heard ")[2]) for line in lines]
            found = {event["type"]: event["record"] for event in events}
            time.sleep(0.05)
        assert set(kinds) <= set(found), self.log()
        return found


def _processes(words: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(line)
    return found
