"""Lets the tests of the API share ``api_bench``."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A control plane over memory store and blobs, with a router that remembers."""
    return Bench(tmp_path)
