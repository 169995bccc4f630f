"""``POST /_midge/clock/advance``: turn the clock on, where midge was started with one that can be turned."""

import asyncio
import math
import time
from collections.abc import Callable

import msgspec

from midge.clock import TurnableClock
from midge.model.limits import Limits
from midge.wire.messages import Request, Response

_POLL_SECONDS = 0.002
_TURNS = 10
"""Of the event loop, for what one thing leads to before it can be seen that anything runs."""


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class ClockPage:
    """A page of ``InternalPages``. ``running`` says how much is being worked on at this moment."""

    def __init__(self, clock: TurnableClock, running: Callable[[], int], limits: Limits) -> None:
        self._clock = clock
        self._running = running
        self._limits = limits
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, request: Request) -> Response:
        """The time it then is. 400 for what is no number of seconds within the limit."""
        if request.path != "/_midge/clock/advance":
            return _answer(404, {"message": "Not found"})
        if request.method != "POST":
            return _answer(405, {"message": "Method not allowed"})
        most = self._limits.clock_advance_seconds
        try:
            seconds = msgspec.json.decode(request.body, type=_Advance).seconds
        except msgspec.DecodeError as error:
            return _answer(400, {"message": f'The body is to be like {{"seconds": 60}}: {error}'})
        if not (math.isfinite(seconds) and 0 <= seconds <= most):
            return _answer(400, {"message": f"seconds is between 0 and {most:.0f}"})
        async with self._one_at_a_time:
            await self._clock.advance(seconds, self._settled)
        return _answer(200, {"now": self._clock.now()})

    async def _settled(self) -> None:
        """Time waits for functions that run, within a limit: on a machine's own clock they take their own time."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        end = time.monotonic() + self._limits.clock_settle_seconds
        while self._running() and time.monotonic() < end:  # noqa: ASYNC110 (nobody tells when the last has ended)
            await asyncio.sleep(_POLL_SECONDS)


def _answer(status: int, document: dict[str, object]) -> Response:
    return Response(
        status=status, headers={"Content-Type": "application/json"}, body=msgspec.json.encode(document) + b"\n"
    )
