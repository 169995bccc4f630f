"""The addresses of function URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.function_urls.addresses import Addressed, address, addressed, is_function_url_host

ID = "a0" * 16
HOST = f"{ID}.lambda-url.eu-west-1.localhost".encode()
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=32, max_size=32)


@given(
    ids,
    st.sampled_from(["us-east-1", "eu-west-1"]),
    st.sampled_from(["localhost", "fn.example.test"]),
    st.integers(1, 65535),
)
def test_what_is_handed_out_is_understood(url_id: str, region: str, domain: str, port: int) -> None:
    """The host of an address that was handed out names the function URL it was made for."""
    host = address(url_id, region, domain, port).removeprefix("http://").removesuffix("/").encode()
    assert is_function_url_host(host, domain)
    assert addressed(host, b"/p?q") == Addressed(url_id, region, b"/p?q")


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        (HOST, True),
        (HOST + b":4566", True),
        (HOST + b".", True),
        (HOST.upper(), True),
        (b"x" + HOST, False),
        (HOST[1:], False),
        (HOST + b".evil.test", False),
        (b"evil.test#" + HOST, False),
        (HOST.replace(b"localhost", b"localhost\nx"), False),
        (b"localhost", False),
        (b"", False),
    ],
)
def test_only_whole_names_are_function_urls(host: bytes, answers: bool) -> None:
    """A Host header names a function URL only if it is one from end to end, below the configured domain."""
    assert is_function_url_host(host, "localhost") == answers


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (f"/_midge/function-urls/{ID}", "/"),
        (f"/_midge/function-urls/{ID}/", "/"),
        (f"/_midge/function-urls/{ID}/a%2Fb/?c=d", "/a%2Fb/?c=d"),
        (f"/_midge/function-urls/{ID}?c=d", "/?c=d"),
        (f"/_midge/function-urls/{ID}x/", None),
        ("/_midge/function-urls/", None),
        (f"/other/_midge/function-urls/{ID}/", None),
    ],
)
def test_a_path_names_a_function_url(target: str, found: str | None) -> None:
    """Where names do not resolve the path says which, and what is behind it is the function's path."""
    expected = None if found is None else Addressed(ID, None, found.encode())
    assert addressed(None, target.encode()) == expected


@pytest.mark.parametrize(
    ("target", "found"), [(b"http://h/a?b", b"/a?b"), (b"http://h", b"/"), (b"http://h?b", b"/?b"), (b"*", b"/*")]
)
def test_any_form_of_a_target_has_a_path(target: bytes, found: bytes) -> None:
    """The absolute form of a request's target is understood; what has no path gets one."""
    assert addressed(HOST, target) == Addressed(ID, "eu-west-1", found)
