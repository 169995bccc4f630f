"""What every measurement is given."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """``quick`` takes smaller samples: to see that a benchmark works, not to believe it."""

    directory: Path
    programs: dict[str, Path]
    task_root: Path
    rounds: int
    quick: bool

    def size(self, full: int) -> int:
        """A sample's size."""
        return max(3, full // 5) if self.quick else full

    @property
    def load_seconds(self) -> float:
        return 1.0 if self.quick else 4.0

    def turns(self) -> Iterator[int]:
        """The rounds."""
        return iter(range(self.rounds))


def settle(figure: Callable[[], float], pause_seconds: float = 0.25) -> None:
    """Return when ``figure`` stays as it is: a pool has been refilled, something has come to rest."""
    deadline = time.monotonic() + SETTLE_SECONDS
    last, same = figure(), 0
    while same < 3 and time.monotonic() < deadline:
        time.sleep(pause_seconds)
        now = figure()
        same = same + 1 if now == last else 0
        last = now
