"""Chains of requests: what a trace header says of the functions that it has passed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.invoke.lineage import cut, follow, mark

A, B = b"aaaaaaaa", b"bbbbbbbb"
ROOT = b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


@pytest.mark.parametrize(
    ("header", "followed", "times"),
    [
        (ROOT, ROOT + b";Lineage=aaaaaaaa:0", 0),
        (ROOT + b";Lineage=aaaaaaaa:0", ROOT + b";Lineage=aaaaaaaa:1", 1),
        (ROOT + b";Lineage=aaaaaaaa:15", ROOT + b";Lineage=aaaaaaaa:16", 16),
        (ROOT + b";Lineage=bbbbbbbb:3", ROOT + b";Lineage=bbbbbbbb:3|aaaaaaaa:0", 0),
        (ROOT + b";Lineage=bbbbbbbb:3|aaaaaaaa:4", ROOT + b";Lineage=bbbbbbbb:3|aaaaaaaa:5", 5),
        (ROOT + b";Lineage=bbbbbbbb:3%7Caaaaaaaa:4", ROOT + b";Lineage=bbbbbbbb:3|aaaaaaaa:5", 5),
        (b"Lineage=aaaaaaaa:1;" + ROOT, b"Lineage=aaaaaaaa:2;" + ROOT, 2),
        (ROOT + b";Lineage=", ROOT + b";Lineage=aaaaaaaa:0", 0),
        (ROOT + b";Lineage=aaaaaaaa:123456|x|aaaa:1|AAAAAAAA:1", ROOT + b";Lineage=aaaaaaaa:0", 0),
    ],
)
def test_following_a_chain(header: bytes, followed: bytes, times: int) -> None:
    """A function is entered with 0 and counted from then on, whatever else the header has; what is no lineage goes."""
    assert follow(header, A) == (followed, times)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_every_function_is_counted_on_its_own(path: list[int]) -> None:
    """Along any path each function is told how often the path has been there before."""
    header = ROOT
    for place, each in enumerate(path):
        header, times = follow(header, mark(f"arn:aws:lambda:us-east-1:000000000000:function:f{each}"))
        assert times == path[:place].count(each)
    assert cut(header) == ROOT


@given(st.lists(st.integers(0, 1_000_000), unique=True, min_size=1, max_size=40))
def test_a_lineage_stays_small(path: list[int]) -> None:
    """However many functions a chain passes, the header names sixteen, the present one among them."""
    header = ROOT
    for each in path:
        header, _ = follow(header, mark(f"arn:aws:lambda:us-east-1:000000000000:function:{each}"))
    assert header.count(b":") <= 16
    assert mark(f"arn:aws:lambda:us-east-1:000000000000:function:{path[-1]}") in header


@given(st.binary(max_size=300))
def test_any_header_can_be_followed(header: bytes) -> None:
    """What a client sends as a header never breaks anything, and is counted once it has been followed."""
    once, _ = follow(header, B)
    _, times = follow(once, B)
    assert times >= 1 or b"Lineage=" in header
    cut(header)


def test_versions_and_aliases_are_one_function() -> None:
    """A loop through an alias is a loop of its function."""
    arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    assert mark(arn) == mark(f"{arn}:3") == mark(f"{arn}:live") != mark(f"{arn}2")


@pytest.mark.parametrize(
    ("header", "rest"),
    [
        (ROOT, ROOT),
        (ROOT + b";Lineage=aaaaaaaa:1", ROOT),
        (b"Root=1;Lineage=a:1;Sampled=1", b"Root=1;Sampled=1"),
        (b"", b""),
    ],
)
def test_cutting(header: bytes, rest: bytes) -> None:
    """Without its lineage a header is what it was."""
    assert cut(header) == rest
