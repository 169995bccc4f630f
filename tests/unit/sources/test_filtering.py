"""Filter patterns: what Lambda documents is understood, everything else is refused and nothing else happens."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.sources.filtering import (
    AnythingBut,
    Equals,
    Exists,
    Number,
    Numeric,
    Pattern,
    PatternError,
    TextRule,
    parse_pattern,
)

DOCUMENTED = [
    ({"UserID": [None]}, Equals(None)),
    ({"LastName": [""]}, Equals("")),
    ({"Name": ["Alice"]}, Equals("Alice")),
    ({"Name": [{"equals-ignore-case": "alice"}]}, TextRule("equals-ignore-case", "alice")),
    ({"Weather": [{"anything-but": ["Raining"]}]}, AnythingBut((Equals("Raining"),))),
    ({"Price": [{"numeric": ["=", 100]}]}, Numeric((("=", 100.0),))),
    ({"Price": [{"numeric": [">", 10, "<=", 20]}]}, Numeric(((">", 10.0), ("<=", 20.0)))),
    ({"ProductName": [{"exists": True}]}, Exists(wanted=True)),
    ({"ProductName": [{"exists": False}]}, Exists(wanted=False)),
    ({"Region": [{"prefix": "us-"}]}, TextRule("prefix", "us-")),
    ({"FileName": [{"suffix": ".png"}]}, TextRule("suffix", ".png")),
    ({"Flag": [True]}, Equals(value=True)),
    ({"Name": [{"anything-but": "x"}]}, AnythingBut((Equals("x"),))),
    ({"Name": [{"anything-but": {"prefix": "x"}}]}, AnythingBut((TextRule("prefix", "x"),))),
    (
        {"Name": [{"anything-but": {"suffix": ["x", "y"]}}]},
        AnythingBut((TextRule("suffix", "x"), TextRule("suffix", "y"))),
    ),
    ({"Price": [{"numeric": ["<", 1]}]}, Numeric((("<", 1.0),))),
    ({"Price": [{"numeric": [">=", -1.5]}]}, Numeric(((">=", -1.5),))),
]


@pytest.mark.parametrize(("pattern", "rule"), DOCUMENTED)
def test_every_documented_operator_is_understood(pattern: dict[str, Any], rule: Any) -> None:
    """Each operator of Lambda's table, and each form that EventBridge gives anything-but, becomes its rule."""
    (name,) = pattern
    assert parse_pattern(json.dumps(pattern)) == Pattern({name: (rule,)})


def test_fields_nest_and_lists_hold_alternatives() -> None:
    """Objects within objects are patterns of their own; a leaf's list keeps its rules in order."""
    parsed = parse_pattern('{"body": {"City": ["Seattle", {"prefix": "S"}]}, "eventSource": ["aws:sqs"]}')
    assert parsed == Pattern(
        {
            "body": Pattern({"City": (Equals("Seattle"), TextRule("prefix", "S"))}),
            "eventSource": (Equals("aws:sqs"),),
        }
    )


def test_alternatives_of_several_fields() -> None:
    """$or holds patterns beside the fields that must hold anyway, at any depth."""
    parsed = parse_pattern('{"a": [1], "b": {"$or": [{"c": [2]}, {"d": [3], "$or": [{"e": [4]}, {"f": [5]}]}]}}')
    inner = (Pattern({"e": (Equals(Number("4")),)}), Pattern({"f": (Equals(Number("5")),)}))
    alternatives = (Pattern({"c": (Equals(Number("2")),)}), Pattern({"d": (Equals(Number("3")),)}, inner))
    assert parsed == Pattern({"a": (Equals(Number("1")),), "b": Pattern({}, alternatives)})


def test_numbers_keep_their_text() -> None:
    """300, 300.0 and 3.0e2 are three values, of one number."""
    rules = parse_pattern('{"a": [300, 300.0, 3.0e2]}').fields["a"]
    assert rules == (Equals(Number("300")), Equals(Number("300.0")), Equals(Number("3.0e2")))
    assert {Number(text).value for text in ("300", "300.0", "3.0e2")} == {300.0}


REFUSED = [
    "",
    "null",
    "[]",
    '"a"',
    "{}",
    "{",
    '{"a": "b"}',
    '{"a": 1}',
    '{"a": null}',
    '{"a": []}',
    '{"a": {}}',
    '{"a": [[1]]}',
    '{"a": [NaN]}',
    '{"a": [{}]}',
    '{"a": [{"prefix": "x", "suffix": "y"}]}',
    '{"a": [{"wildcard": "x*"}]}',
    '{"a": [{"cidr": "10.0.0.0/8"}]}',
    '{"a": [{"unknown": 1}]}',
    '{"a": [{"prefix": 1}]}',
    '{"a": [{"suffix": null}]}',
    '{"a": [{"equals-ignore-case": ["x"]}]}',
    '{"a": [{"exists": "true"}]}',
    '{"a": [{"exists": 1}]}',
    '{"a": [{"anything-but": []}]}',
    '{"a": [{"anything-but": [1, "x"]}]}',
    '{"a": [{"anything-but": [null]}]}',
    '{"a": [{"anything-but": true}]}',
    '{"a": [{"anything-but": {"wildcard": "x"}}]}',
    '{"a": [{"anything-but": {"prefix": ""}}]}',
    '{"a": [{"anything-but": {"prefix": []}}]}',
    '{"a": [{"anything-but": {"prefix": 1}}]}',
    '{"a": [{"anything-but": {}}]}',
    '{"a": [{"numeric": "="}]}',
    '{"a": [{"numeric": []}]}',
    '{"a": [{"numeric": ["="]}]}',
    '{"a": [{"numeric": ["!=", 1]}]}',
    '{"a": [{"numeric": ["=", "1"]}]}',
    '{"a": [{"numeric": [["="], 1]}]}',
    '{"a": [{"numeric": ["=", 1, "<", 2]}]}',
    '{"a": [{"numeric": ["<", 1, ">", 2]}]}',
    '{"a": [{"numeric": [">", 2, "<", 1]}]}',
    '{"a": [{"numeric": [">", 1, "<", 1]}]}',
    '{"a": [{"numeric": [">", 1, "<"]}]}',
    '{"a": [{"numeric": [">", 1, "<", 2, "<", 3]}]}',
    '{"a": [{"numeric": ["=", 5000000001]}]}',
    '{"a": [{"numeric": ["=", 1e999999999999]}]}',
    '{"$or": {"a": [1]}}',
    '{"$or": []}',
    '{"$or": [{"a": [1]}]}',
    '{"$or": [{"a": [1]}, 2]}',
    '{"$or": [{"a": [1]}, {}]}',
    '{"a":' * 800 + "[1]" + "}" * 800,
    "[" * 4096,
]


@pytest.mark.parametrize("text", REFUSED, ids=[text[:60] for text in REFUSED])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """Anything that is not JSON, not of a pattern's form or not of a documented operator is a PatternError."""
    with pytest.raises(PatternError):
        parse_pattern(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["a", "$or", "prefix", "numeric", "anything-but", "exists", "suffix"]) | st.text(), inner
        )
    ),
)


@settings(deadline=None)
@given(st.text() | st.text(alphabet='{}[]",:0123456789.e+-$ortuefalsn ') | json_values.map(json.dumps))
def test_nothing_but_the_clear_error_is_raised(text: str) -> None:
    """Whatever the text, parsing it ends in a pattern or in a PatternError."""
    with suppress(PatternError):
        assert isinstance(parse_pattern(text), Pattern)


rules = st.one_of(
    st.none() | st.booleans() | st.integers() | st.text(),
    st.builds(lambda text: {"prefix": text}, st.text()),
    st.builds(lambda wanted: {"exists": wanted}, st.booleans()),
    st.builds(lambda texts: {"anything-but": texts}, st.lists(st.text(), min_size=1)),
    st.builds(lambda number: {"numeric": [">", number, "<=", number + 1]}, st.integers(-(10**9), 10**9)),
)
names = st.text().filter(lambda name: name != "$or")
patterns = st.recursive(
    st.dictionaries(names, st.lists(rules, min_size=1), min_size=1),
    lambda inner: (
        st.dictionaries(names, inner, min_size=1)
        | st.builds(lambda each: {"$or": each}, st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(patterns)
def test_every_pattern_of_the_grammar_is_understood(pattern: dict[str, Any]) -> None:
    """What the documented forms can be combined to is a pattern with just these fields."""
    parsed = parse_pattern(json.dumps(pattern))
    assert parsed.fields.keys() == pattern.keys() - {"$or"}
    assert len(parsed.alternatives) == len(pattern.get("$or", []))
