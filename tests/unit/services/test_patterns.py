"""Filter patterns: which messages match, which texts are no pattern, and that no pattern takes long."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.services.logs.patterns import PatternError, parse
from midge.services.logs.regexes import Regex, RegexError

WEB = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
DOCUMENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "ThatFlag": False,
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3}],
        "actions": ["GET", "PUT", "DELETE"],
        "latency": 1.5,
        "a.b": 3,
        "text": "50",
        "dash-ed": "x y",
    }
)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", ["", "anything"], []),
        ("  ", ["", "anything"], []),
        ("ERROR", ["[ERROR 400] BAD REQUEST", "ERRORCODE: -1"], ["error", "ERR"]),
        ("ERROR ARGUMENTS", ["ARGUMENTS of ERROR"], ["ERROR", "ARGUMENTS"]),
        ("?ERROR ?ARGUMENTS", ["ERROR", "ARGUMENTS", "both ERROR ARGUMENTS"], ["neither"]),
        ("ERROR -ARGUMENTS", ["ERROR 401"], ["ERROR ARGUMENTS", "fine"]),
        ("-Exiting", ["ERROR"], ["Exiting with"]),
        ('"INTERNAL SERVER ERROR"', ["500 INTERNAL SERVER ERROR"], ["INTERNAL ERROR", "SERVER INTERNAL ERROR"]),
        ('-"a b" c', ["c", "a c b"], ["a b c"]),
        ('?"a b" ?c', ["a b", "c"], ["a", "b"]),
        ('"say \\"no\\""', ['they say "no"'], ["they say no"]),
        ("ERROR ?x ?y", ["ERROR"], ["x y"]),
        ("über", ["über alles"], ["uber"]),
        ("%AUTHORIZED%", ["UNAUTHORIZED REQUEST", "AUTHORIZED"], ["authorized"]),
        ("%[Ee]rror|[Ff]ail%", ["Error", "a failure"], ["ERROR"]),
        ("%^WARN% disk", ["WARN disk"], ["a WARN disk", "WARN"]),
        ("-%[0-9]{3}%", ["12"], ["x 123"]),
    ],
)  # fmt: skip
def test_terms(pattern: str, matching: list[str], others: list[str]) -> None:
    """Terms are found anywhere and all of them; ``-`` excludes, ``?`` makes one of several enough when alone."""
    parsed = parse(pattern)
    assert [message for message in matching if parsed.match(message) is None] == []
    assert [message for message in others if parsed.match(message) is not None] == []


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ('$.eventType = "UpdateTrail"', True),
        ("$.eventType = UpdateTrail", True),
        ('$.eventType = "updatetrail"', False),
        ('$.eventType = "Update*"', True),
        ("$.eventType = *Trail", True),
        ("$.eventType = U*T*l", True),
        ("$.eventType = U*X*l", False),
        ('$.eventType = "*"', True),
        ("$.sourceIPAddress != 123.123.*", True),
        ("$.sourceIPAddress != 111.111.*", False),
        ("$.sourceIPAddress = %1{1,3}\\.1{3}%", True),
        ('$.arrayKey[0] = "value"', True),
        ('$.arrayKey[1] = "value"', False),
        ('$.arrayKey[7] = "value"', False),
        ('$.arrayKey = "value"', False),
        ("$.objectList[1].id = 2", True),
        ("$.objectList[*].id = 2", True),
        ("$.objectList[*].id = 3", False),
        ("$.SomeObject IS NULL", True),
        ("$.eventType IS NULL", False),
        ("$.missing IS NULL", False),
        ("$.SomeOtherObject NOT EXISTS", True),
        ("$.SomeObject NOT EXISTS", False),
        ("$.ThisFlag IS TRUE", True),
        ("$.ThatFlag IS FALSE", True),
        ("$.ThatFlag is true", False),
        ("$.latency > 1", True),
        ("$.latency >= 1.5", True),
        ("$.latency < 1.5e0", False),
        ("$.latency <= 15e-1", True),
        ("$.latency = 1.50", True),
        ("$.latency != 1.5", False),
        ("$.eventType > 1", False),
        ("$.text = 50", True),
        ('$.text = "50"', True),
        ('$.latency = "1.5"', False),
        ("$.text > 49", True),
        ("$.ThisFlag = 1", False),
        ("$.missing != x", False),
        ("$.['a.b'] = 3", True),
        ("$['a.b'] = 3", True),
        ("$.a.b = 3", False),
        ('$.dash-ed = "x y"', True),
        ('($.user.id = 1) && ($.users[0].email = "John.Doe@example.com")', True),
        ('($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET"', False),
        ('$.user.email = "John.Stiles*" || $.missing = 1 && $.actions[0] = "nonmatch"', True),
        ('($.user.email = "John.Stiles*" || $.missing = 1) && $.actions[0] = "nonmatch"', False),
        ("$.user.id=1&&$.latency>1", True),
    ],
)
def test_json(expression: str, matches: bool) -> None:
    """Selectors, comparisons, wildcards, IS and EXISTS, ``&&`` before ``||``; what is not there matches nothing."""
    assert (parse("{ " + expression + " }").match(DOCUMENT) is not None) is matches
    assert (parse("{" + expression + "}").match(DOCUMENT) is not None) is matches


@pytest.mark.parametrize("message", ["", "text", "[1]", "{", '{"a":1} x', '{"a":' * 3_000, "\ud800", '{"a":"\ud800"}'])
def test_json_patterns_match_json_objects_only(message: str) -> None:
    """A message that is no JSON object matches no JSON pattern, not even one that wants something missing."""
    assert parse("{ $.b NOT EXISTS }").match(message) is None


@pytest.mark.parametrize(
    ("pattern", "message", "fields"),
    [
        (
            "[ip, user, username, timestamp, request, status_code, bytes]",
            WEB,
            {"ip": "127.0.0.1", "user": "-", "username": "frank", "timestamp": "10/Oct/2000:13:25:15 -0700",
             "request": "GET /index.html HTTP/1.0", "status_code": "404", "bytes": "1534"},
        ),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", WEB, "some"),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 5*, bytes]", WEB, None),
        ("[..., size > 1000]", WEB, {"size": "1534"}),
        ("[..., status_code = 4*, size > 2000]", WEB, None),
        ("[ip, user, ..., size]", WEB, {"ip": "127.0.0.1", "user": "-", "size": "1534"}),
        ("[ip=%127\\.0\\.0\\.[1-9]%, ...]", WEB, {"ip": "127.0.0.1"}),
        ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]", WEB, "some"),
        ("[ip, user, username, timestamp, request, (status_code >= 400 && status_code < 404), bytes]", WEB, None),
        ("[w1=ERROR, w2]", "ERROR the rest of it", {"w1": "ERROR", "w2": "the rest of it"}),
        ("[w1=ERROR, w2]", "ERROR", None),
        ("[w1!=ERROR&&w1!=WARN, w2]", "INFO all is well", {"w1": "INFO", "w2": "all is well"}),
        ("[w1!=ERROR&&w1!=WARN, w2]", "WARN all is not", None),
        ("[w1=ERROR||w1=%WA%, w2]", "WARN all is not", {"w1": "WARN", "w2": "all is not"}),
        ("[only]", "  one two  ", {"only": "one two"}),
        ("[a, b]", 'x "unclosed quote', {"a": "x", "b": '"unclosed quote'}),
        ("[a, b]", "", None),
    ],
)  # fmt: skip
def test_fields(pattern: str, message: str, fields: dict[str, str] | str | None) -> None:
    """Fields by place, in quotes and brackets as one, with conditions, with any number of others at ``...``."""
    found = parse(pattern).match(message)
    assert (found is not None) if fields == "some" else (found == fields)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("ERROR:", "Invalid character(s) in term 'ERROR:'"),
        ("a/b", "Invalid character(s) in term 'a/b'"),
        ("-", "Invalid"),
        ('"unclosed', "Invalid filter pattern"),
        ('a"b"', "Invalid"),
        ("%unclosed", "Invalid filter pattern"),
        ("%a(b)%", "Invalid filter pattern"),
        ("%a% %b% %c%", "at most two regular expressions"),
        ("{}", "Invalid filter pattern"),
        ("{ $.a }", "Invalid filter pattern"),
        ("{ $.a = }", "Invalid filter pattern"),
        ("{ a = 1 }", "Invalid filter pattern"),
        ("{ $ = 1 }", "Invalid filter pattern"),
        ("{ $.a == 1 }", "Invalid filter pattern"),
        ("{ $.a > x }", "Invalid filter pattern"),
        ("{ $.a IS 1 }", "Invalid filter pattern"),
        ("{ $.a = 1 && }", "Invalid filter pattern"),
        ("{ ($.a = 1 }", "Invalid filter pattern"),
        ("{ $.a = 1) }", "Invalid filter pattern"),
        ("{ $.a = 1 $.b = 2 }", "Invalid filter pattern"),
        ("{ $.a[*].b[*] = 1 }", "Invalid filter pattern"),
        ("{ $.a[x] = 1 }", "Invalid filter pattern"),
        ("{ " + "(" * 300 + "$.a = 1" + ")" * 300 + " }", "Invalid filter pattern"),
        ("[]", "Invalid filter pattern"),
        ("[a,]", "Invalid filter pattern"),
        ("[a, b c]", "Invalid filter pattern"),
        ("[..., a, ...]", "Invalid filter pattern"),
        ("[a = ]", "Invalid filter pattern"),
        ("[a=1 || b=2]", "Invalid filter pattern"),
    ],
)
def test_what_is_no_pattern(pattern: str, message: str) -> None:
    """A text that is no pattern is refused with words for the caller."""
    with pytest.raises(PatternError, match=re.escape(message)):
        parse(pattern)


@given(pattern=st.text(max_size=40), message=st.text(max_size=60))
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    """Whatever is given, there is an answer: a match, none, or PatternError."""
    try:
        parsed = parse(pattern)
    except PatternError:
        return
    parsed.match(message)


PARTS = [*'{}[]()$.*"%&|=!<>, ', "$.a", "IS", "NULL", "NOT", "EXISTS", "...", "1", "x"]
GRAMMAR = st.lists(st.sampled_from(PARTS), max_size=20).map("".join)
DOCUMENTS = st.recursive(
    st.integers() | st.text("ax1") | st.none() | st.booleans(),
    lambda part: st.lists(part) | st.dictionaries(st.text("ax1"), part),
)


@given(pattern=GRAMMAR, document=DOCUMENTS)
def test_what_looks_like_a_pattern_is_one_or_refused(pattern: str, document: Any) -> None:
    """The same of texts made from what patterns are made of, against any document."""
    try:
        parsed = parse(pattern)
    except PatternError:
        return
    parsed.match(json.dumps(document))
    parsed.match(json.dumps({"a": document}))


@given(
    terms=st.lists(st.from_regex("[a-c]{1,3}", fullmatch=True), min_size=1, max_size=4),
    message=st.text("abc ", max_size=20),
)
def test_terms_are_substrings(terms: list[str], message: str) -> None:
    """Required, optional and excluded terms are each what looking for them one by one would say."""
    assert (parse(" ".join(terms)).match(message) is not None) == all(term in message for term in terms)
    assert (parse(" ".join(f"?{term}" for term in terms)).match(message) is not None) == any(
        t in message for t in terms
    )
    assert (parse(" ".join(f"-{term}" for term in terms)).match(message) is not None) == (
        not any(term in message for term in terms)
    )


ATOMS = st.sampled_from(
    ["a", "b", "1", ".", r"\d", r"\w", r"\S", "[ab]", "[^a]", "[a-c1]", r"\.", r"\x61", "_", r"[\d-]"]
)
QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"])


@given(
    rows=st.lists(st.lists(st.tuples(ATOMS, QUANTIFIERS), min_size=1, max_size=5), min_size=1, max_size=3),
    anchors=st.tuples(st.booleans(), st.booleans()),
    message=st.text("ab1.\n é_-", max_size=12),
)
def test_expressions_mean_what_they_mean_elsewhere(
    rows: list[list[tuple[str, str]]], anchors: tuple[bool, bool], message: str
) -> None:
    """Of what filter patterns have, every expression finds what Python's finds."""
    bodies = ["".join(atom + quantifier for atom, quantifier in row) for row in rows]
    text = "|".join(("^" if anchors[0] else "") + body + ("$" if anchors[1] else "") for body in bodies)
    expected = re.search(text.replace("$", r"\Z"), message, re.ASCII) is not None
    assert Regex(text).search(message) is expected


@pytest.mark.parametrize(
    "text", ["", "(a)", "a!", "é", "*", "[a", "a{", "a{2,1}", "a{1000}", "\\", "\\q", "\\x1", "a^b", "a$b", "[b-a]", "a**", "a{999}b{999}"]
)  # fmt: skip
def test_expressions_that_filter_patterns_do_not_have(text: str) -> None:
    """Groups, unknown escapes, anchors inside and the like are refused."""
    with pytest.raises(RegexError):
        Regex(text)


def test_no_expression_takes_long() -> None:
    """An expression that sends a backtracking matcher astray is as cheap as any: its work grows with the message."""
    expression = Regex("a*a*a*a*a*a*a*a*a*a*b")
    assert not expression.search("a" * 20_000)
    assert expression.search("a" * 20_000 + "b")
