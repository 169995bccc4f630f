"""The prelude of streamed answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.function_urls.answers import MalformedAnswerError, UrlAnswer
from midge.function_urls.prelude import SEPARATOR, has_prelude, plain, split

TYPED = {"Content-Type": "text/html"}


@given(st.binary(max_size=100), st.integers(1, 40))
def test_a_prelude_may_be_cut_anywhere(body: bytes, step: int) -> None:
    """Part by part there is nothing until the eighth NUL, then the head and exactly what followed."""
    document = json.dumps({"statusCode": 201, "headers": TYPED, "cookies": ["a=1"]}).encode()
    whole = document + SEPARATOR + body
    received = b""
    for start in range(0, len(whole), step):
        received += whole[start : start + step]
        found = split(received, 1_000)
        if len(received) < len(document) + 8:
            assert found is None
        else:
            assert found is not None
            answer, rest = found
            assert answer == UrlAnswer(status=201, headers=[("Content-Type", "text/html"), ("Set-Cookie", "a=1")])
            assert rest == received[len(document) + 8 :]


def test_what_is_not_said_is_assumed() -> None:
    """Without status and type the answer is a 200 of bytes."""
    assert split(b"{}" + SEPARATOR, 100) == (UrlAnswer(headers=[("Content-Type", "application/octet-stream")]), b"")
    assert plain(b"") == UrlAnswer(headers=[("Content-Type", "application/octet-stream")])
    assert plain(b"text/plain") == UrlAnswer(headers=[("Content-Type", "text/plain")])


@pytest.mark.parametrize(
    "prelude", [b"", b"x", b"[]", b'{"statusCode":1}', b'{"headers":{"a":"b\\nc"}}', b"\xff", b"[" * 90]
)
def test_what_is_no_prelude_is_the_functions_fault(prelude: bytes) -> None:
    """Eight NULs behind anything but an answer's head are a fault."""
    with pytest.raises(MalformedAnswerError):
        split(prelude + SEPARATOR, 100)


@pytest.mark.parametrize(("size", "fault"), [(99, False), (100, True), (200, True)])
def test_a_prelude_has_a_bound(size: int, fault: bool) -> None:
    """What could still become a prelude is waited for, and no longer."""
    received = b" " * (size + 8)
    if fault:
        with pytest.raises(MalformedAnswerError):
            split(received, 100)
    else:
        assert split(received, 100) is None


@pytest.mark.parametrize(
    ("content_type", "has"),
    [
        (b"application/vnd.awslambda.http-integration-response", True),
        (b"Application/vnd.AwsLambda.http-integration-response; a=b", True),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_only_one_type_has_a_prelude(content_type: bytes, has: bool) -> None:
    """The type that AWS's runtimes give such responses says that there is one."""
    assert has_prelude(content_type) == has
