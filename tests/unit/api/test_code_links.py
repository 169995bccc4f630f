"""Links to code: made here, unchanged, in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.api.code_links import CodeLinks
from midge.clock import VirtualClock
from midge.model.errors import ServiceError
from midge.model.limits import Limits

DIGEST, OTHER = "ab" * 32, "cd" * 32


def split(link: str) -> tuple[str, str]:
    path, _, query = link.removeprefix("http://h").partition("?")
    return path, query


def refused(links: CodeLinks, path: str, query: str) -> bool:
    with pytest.raises(ServiceError) as error:
        links.open_code_link(path, query)
    return error.value.code == "AccessDeniedException"


def test_a_link_opens_until_it_expires() -> None:
    """A link is good for 600 seconds and not for one more, also for another process with the same key."""
    clock = VirtualClock()
    path, query = split(CodeLinks(b"k", clock, Limits()).make("http://h", DIGEST))
    links = CodeLinks(b"k", clock, Limits())
    assert path == f"/_midge/code/{DIGEST}"
    assert links.open_code_link(path, query) == DIGEST
    clock.advance(600)
    assert links.open_code_link(path, query) == DIGEST
    clock.advance(1)
    assert refused(links, path, query)


def test_a_changed_link_is_refused() -> None:
    """Another digest, a later end, another key, or no signature: all refused."""
    clock = VirtualClock()
    links = CodeLinks(b"k", clock, Limits())
    path, query = split(links.make("http://h", DIGEST))
    expires = query.split("&")[0].split("=")[1]
    assert refused(links, path.replace(DIGEST, OTHER), query)
    assert refused(links, path, query.replace(expires, str(int(expires) + 1)))
    assert refused(links, path, f"expires={expires}")
    assert refused(links, path, "")
    assert refused(CodeLinks(b"other", clock, Limits()), path, query)


@given(path=st.text(max_size=80), query=st.text(max_size=80))
def test_nonsense_is_refused_cleanly(path: str, query: str) -> None:
    """Whatever is asked for, the answer is a digest or AccessDeniedException."""
    assert refused(CodeLinks(b"k", VirtualClock(), Limits()), "/_midge/code/" + path, query)
