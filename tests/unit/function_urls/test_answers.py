"""What functions return, as HTTP answers of payload format 2.0."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.function_urls.answers import MalformedAnswerError, UrlAnswer, answer

JSON = ("Content-Type", "application/json")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'"Hello, world!"', UrlAnswer(headers=[JSON], body=b'"Hello, world!"')),
        (b'{"message": "hi"}', UrlAnswer(headers=[JSON], body=b'{"message": "hi"}')),
        (b"null", UrlAnswer(headers=[JSON], body=b"null")),
        (b"[1]", UrlAnswer(headers=[JSON], body=b"[1]")),
        (b'{"statusCode": 204}', UrlAnswer(status=204, headers=[JSON])),
        (b'{"statusCode": "404", "body": "no"}', UrlAnswer(status=404, headers=[JSON], body=b"no")),
        (
            (b'{"statusCode": 201, "headers": {"content-type": "text/plain", "X-N": 7, "x-b": true, "x-0": null},'
            b' "cookies": ["a=1; Secure", "b=2"], "body": "aGk=", "isBase64Encoded": true}'),
            UrlAnswer(
                status=201,
                headers=[
                    ("content-type", "text/plain"), ("X-N", "7"), ("x-b", "true"),
                    ("Set-Cookie", "a=1; Secure"), ("Set-Cookie", "b=2"),
                ],
                body=b"hi",
            ),
        ),
        (
            (b'{"statusCode": 200, "headers": {"Content-Length": "1", "Transfer-Encoding": "chunked", "Connection": "x"},'
            b' "body": "\xc3\xbc"}'),
            UrlAnswer(headers=[JSON], body="ü".encode()),
        ),
        (
            '{"statusCode": 200, "headers": {"x": "日"}}'.encode(),
            UrlAnswer(headers=[JSON, ("x", "日".encode().decode("latin-1"))]),
        ),
    ],
)  # fmt: skip
def test_answers_are_as_aws_reads_them(payload: bytes, found: UrlAnswer) -> None:
    """With statusCode the function says what the answer is; without, what it returned is the body of a 200."""
    assert answer(payload) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"statusCode": "x"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": 200.5},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
        {"statusCode": 200, "body": "aGü=", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: c=d"}},
        {"statusCode": 200, "headers": {"a: b\r\nc": "d"}},
        {"statusCode": 200, "headers": {"": "d"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a=1\nb"]},
    ],
)
def test_what_http_cannot_carry_is_the_functions_fault(fields: dict[str, Any]) -> None:
    """An answer that cannot be given is an error, never a broken or a smuggled header."""
    with pytest.raises(MalformedAnswerError):
        answer(json.dumps(fields).encode())


@pytest.mark.parametrize("payload", [b"", b"{", b"plain", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_the_functions_fault(payload: bytes) -> None:
    """A payload that is no JSON is no answer."""
    with pytest.raises(MalformedAnswerError):
        answer(payload)


@given(
    st.fixed_dictionaries(
        {"statusCode": json_values | st.integers(200, 599)},
        optional={
            "headers": json_values | st.dictionaries(st.text(), st.text()),
            "cookies": json_values,
            "body": json_values,
            "isBase64Encoded": json_values,
        },
    )
    | json_values
)
def test_any_json_is_an_answer_or_a_fault(document: Any) -> None:
    """Whatever a function returns, the answer's head has one line for each header, or there is no answer."""
    try:
        found = answer(json.dumps(document).encode())
    except MalformedAnswerError:
        return
    assert 200 <= found.status <= 599
    for name, value in found.headers:
        line = f"{name}: {value}".encode("latin-1")
        assert name
        assert b"\n" not in line
        assert b"\r" not in line
