"""What browsers are told at function URLs."""

from typing import Any

import pytest

from midge.function_urls.cors import answer_headers, is_cors_header, is_preflight, preflight_headers

ORIGIN = {"origin": "https://app.test"}
ASKS = {**ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "x-a, x-b"}
ALLOW, CREDENTIALS = ("Access-Control-Allow-Origin", "https://app.test"), ("Access-Control-Allow-Credentials", "true")
VARY = ("Vary", "Origin")


@pytest.mark.parametrize(
    ("cors", "headers", "found"),
    [
        ({}, ORIGIN, []),
        ({"AllowOrigins": ["*"]}, {}, []),
        ({"AllowOrigins": ["*"]}, ORIGIN, [("Access-Control-Allow-Origin", "*")]),
        ({"AllowOrigins": ["*"], "AllowCredentials": True}, ORIGIN, [ALLOW, VARY, CREDENTIALS]),
        ({"AllowOrigins": ["https://other.test", "https://APP.test/"]}, ORIGIN, [ALLOW, VARY]),
        ({"AllowOrigins": ["https://app.test.evil"]}, ORIGIN, []),
        (
            {"AllowOrigins": ["https://app.test"], "ExposeHeaders": ["Date", "X-A"], "MaxAge": 5},
            ORIGIN,
            [ALLOW, VARY, ("Access-Control-Expose-Headers", "Date,X-A")],
        ),
    ],
)
def test_answers_say_who_may_read_them(cors: dict[str, Any], headers: dict[str, str], found: list[Any]) -> None:
    """An allowed origin is named, every origin is a wildcard unless credentials are allowed, others get nothing."""
    assert answer_headers(cors, headers) == found


@pytest.mark.parametrize(
    ("cors", "found"),
    [
        ({"AllowOrigins": ["https://other.test"], "AllowMethods": ["*"]}, []),
        (
            {"AllowOrigins": ["*"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["X-A"], "MaxAge": 0},
            [
                ("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", "GET,PUT"),
                ("Access-Control-Allow-Headers", "X-A"), ("Access-Control-Max-Age", "0"),
            ],
        ),
        (
            {"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"], "AllowCredentials": True},
            [
                ALLOW, VARY, CREDENTIALS, ("Access-Control-Allow-Methods", "PUT"),
                ("Access-Control-Allow-Headers", "x-a, x-b"),
            ],
        ),
    ],
)  # fmt: skip
def test_preflights_say_what_may_be_sent(cors: dict[str, Any], found: list[Any]) -> None:
    """Methods, headers and age are the settings'; a wildcard beside credentials becomes what was asked for."""
    assert preflight_headers(cors, ASKS) == found


def test_only_browsers_questions_are_preflights() -> None:
    """OPTIONS without an origin or without a method asked for is the function's to answer."""
    assert is_preflight("OPTIONS", ASKS)
    assert not is_preflight("OPTIONS", ORIGIN)
    assert not is_preflight("PUT", ASKS)
    assert is_cors_header("access-CONTROL-max-age")
    assert not is_cors_header("vary")
