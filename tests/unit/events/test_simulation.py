"""Nothing accepted is lost, whatever fails and whenever: thousands of seeded runs on virtual time."""

import os

import pytest
from unit.events.simulator import simulate

_SEEDS = int(os.environ.get("MIDGE_SIMULATION_SEEDS", "2000" if os.environ.get("CI") else "200"))
_CHUNKS = 20


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_every_accepted_event_ends(chunk: int) -> None:
    """Each ends exactly once; none runs too early, too late, too often or beside another; none ends in silence."""
    for seed in range(chunk, _SEEDS, _CHUNKS):
        simulation = simulate(seed)
        try:
            simulation.check()
        except AssertionError as error:
            raise AssertionError(f"{error}; replay it in tests/: python -m unit.events.simulator {seed}") from error
