"""The page that turns the clock: what it takes and what it refuses."""

import asyncio
import json

import pytest

from midge.clock import TurnableClock
from midge.http.clock_page import ClockPage
from midge.model.limits import Limits
from midge.wire.messages import Request


def ask(page: ClockPage, body: bytes, method: str = "POST", path: str = "/_midge/clock/advance") -> tuple[int, bytes]:
    response = asyncio.run(page(Request(method=method, path=path, query="", headers={}, body=body)))
    return response.status, response.body


def test_it_turns_the_clock_on() -> None:
    """The answer is the time it then is; time waits while something runs."""
    clock = TurnableClock()
    running = [3]
    polls: list[int] = []

    def count() -> int:
        polls.append(running[0])
        running[0] = max(0, running[0] - 1)
        return polls[-1]

    before = clock.now()
    status, body = ask(ClockPage(clock, count, Limits()), b'{"seconds": 3600}')
    assert status == 200
    assert 3600.0 <= json.loads(body)["now"] - before < 3660.0
    assert polls[:4] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("body", "method", "path", "status"),
    [
        (b"", "POST", "/_midge/clock/advance", 400),
        (b"{", "POST", "/_midge/clock/advance", 400),
        (b'{"seconds": "1"}', "POST", "/_midge/clock/advance", 400),
        (b'{"seconds": -1}', "POST", "/_midge/clock/advance", 400),
        (b'{"seconds": 1e300}', "POST", "/_midge/clock/advance", 400),
        (b'{"seconds": 1, "minutes": 2}', "POST", "/_midge/clock/advance", 400),
        (b'{"seconds": 1}', "GET", "/_midge/clock/advance", 405),
        (b'{"seconds": 1}', "POST", "/_midge/clock", 404),
    ],
)
def test_what_is_no_time_is_refused(body: bytes, method: str, path: str, status: int) -> None:
    """Anything but a number of seconds within the limit leaves the clock as it was, and says why."""
    clock = TurnableClock()
    before = clock.now()
    got, answer = ask(ClockPage(clock, lambda: 0, Limits()), body, method, path)
    assert got == status
    assert json.loads(answer)["message"]
    assert clock.now() - before < 60.0
