"""Which secrets there are."""

import pytest

from midge.auth.credentials import Credentials

CREDENTIALS = Credentials(b"k" * 32, {"AKID": "secret"})


def test_configured_keys_have_their_secret() -> None:
    """A key of the configuration has the secret written there; no other key has one."""
    assert CREDENTIALS.secret_of("AKID", None) == "secret"
    assert CREDENTIALS.secret_of("OTHER", None) is None


@pytest.mark.parametrize(("key", "token"), [("AKID", "t"), ("AKID", ""), ("111111111111", "\udc80")])
def test_a_sessions_secret_is_its_own(key: str, token: str) -> None:
    """It stays the same, is another for each key, token and installation, and never the configured one."""
    secret = CREDENTIALS.session_secret(key, token)
    assert CREDENTIALS.secret_of(key, token) == secret
    assert len(secret) == 40
    others = [
        CREDENTIALS.session_secret(key + "1", token),
        CREDENTIALS.session_secret(key, token + "1"),
        Credentials(b"x" * 32, {}).session_secret(key, token),
        "secret",
    ]
    assert len({secret, *others}) == 5
