"""Points in time as the API writes them."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.model.timestamps import iso8601, last_modified


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000+0000"),
        (1_795_460_400.0, "2026-11-23T19:00:00.000+0000"),
        (1_795_460_400.9996, "2026-11-23T19:00:00.999+0000"),
    ],
)
def test_the_form_is_awss(seconds: float, text: str) -> None:
    """Milliseconds, cut and not rounded, and an offset without a colon."""
    assert last_modified(seconds) == text


@given(st.floats(0, 4_000_000_000))
def test_it_can_be_read_back(seconds: float) -> None:
    """Whatever the moment, the text names it to the millisecond."""
    text = last_modified(seconds)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", text)
    assert abs(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() - seconds) <= 0.001_001


def test_function_urls_have_microseconds() -> None:
    """The times of a function URL are ISO 8601 with six decimals and a Z."""
    assert iso8601(1_795_460_400.25) == "2026-11-23T19:00:00.250000Z"
    assert iso8601(0.0) == "1970-01-01T00:00:00.000000Z"
