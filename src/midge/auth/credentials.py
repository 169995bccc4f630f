"""Which secrets there are: those of the configuration, and those that functions are given. Pure.

A function's secret is derived from its session token with a secret of the installation, so that nothing has to be kept
and nobody can make up a token whose secret they know. Users and roles of their own follow with IAM.
"""

import base64
import hmac
from collections.abc import Mapping

_SECRET_CHARACTERS = 40


class Credentials:
    """``configured``: access key id to secret access key."""

    def __init__(self, installation_secret: bytes, configured: Mapping[str, str]) -> None:
        self._key = hmac.digest(installation_secret, b"session credentials", "sha256")
        self._configured = dict(configured)

    def secret_of(self, access_key_id: str, session_token: str | None) -> str | None:
        """The secret access key that belongs to what a request names; None if there is none."""
        if session_token is not None:
            return self.session_secret(access_key_id, session_token)
        return self._configured.get(access_key_id)

    def session_secret(self, access_key_id: str, session_token: str) -> str:
        """The secret access key of a session, as its function is given it."""
        text = f"{access_key_id}\n{session_token}".encode("utf-8", "surrogateescape")
        return base64.b64encode(hmac.digest(self._key, text, "sha256"))[:_SECRET_CHARACTERS].decode()
