"""Metrics: counted as they come, text when asked."""

import re

from midge.clock import VirtualClock
from midge.observe.metrics import Metrics

LINE = re.compile(r'[a-z0-9_]+(\{[a-z]+="[^\n]*"(,le="[^"]+")?\})? [0-9.e+-]+')


def test_the_text_is_prometheuss() -> None:
    """Every line is a comment or a sample; counters, histogram and gauges have their values."""
    clock = VirtualClock()
    metrics = Metrics(clock)
    counters = metrics.function("f")
    for seconds in (0.0005, 0.02, 0.02, 1000.0):
        counters.ran(seconds)
    counters.errors += 1
    metrics.add("midge_environments", "Environments.", lambda: {'state="ready"': 3})
    clock.advance(5)
    lines = metrics.render().decode().splitlines()
    assert all(line.startswith("# ") or LINE.fullmatch(line) for line in lines)
    assert 'midge_invocations_total{function="f"} 4' in lines
    assert 'midge_errors_total{function="f"} 1' in lines
    assert 'midge_duration_seconds_bucket{function="f",le="0.001"} 1' in lines
    assert 'midge_duration_seconds_bucket{function="f",le="0.025"} 3' in lines
    assert 'midge_duration_seconds_bucket{function="f",le="+Inf"} 4' in lines
    assert 'midge_duration_seconds_count{function="f"} 4' in lines
    assert 'midge_environments{state="ready"} 3' in lines
    assert "midge_uptime_seconds 5" in lines


def test_label_values_are_escaped() -> None:
    """A name cannot break out of its label."""
    metrics = Metrics(VirtualClock())
    metrics.function('a"b\\c\n')
    assert 'function="a\\"b\\\\c\\n"' in metrics.render().decode()
