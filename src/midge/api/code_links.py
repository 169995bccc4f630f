"""``Code.Location``: a link to a function's zip that anybody who holds it may follow for ten minutes, as on AWS.

The link carries its end and a signature over digest and end (HMAC-SHA256); nothing is remembered about it, so it also
works after a restart.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qs

from midge.clock import Clock
from midge.model.errors import ServiceError
from midge.model.limits import Limits

PATH = "/_midge/code/"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class CodeLinks:
    """Makes links and opens them again."""

    def __init__(self, key: bytes, clock: Clock, limits: Limits) -> None:
        """``key`` is the installation's secret."""
        self._key = key
        self._clock = clock
        self._seconds = limits.code_link_seconds

    def make(self, base_url: str, digest: str) -> str:
        """A link to the zip with this digest, valid from now."""
        expires = int(self._clock.now()) + self._seconds
        return f"{base_url}{PATH}{digest}?expires={expires}&signature={self._sign(digest, expires)}"

    def open_code_link(self, path: str, query: str) -> str:
        """The digest that a link's path and query stand for.

        Raises AccessDeniedException if it was not made here, has been changed or has expired.
        """
        digest = path.removeprefix(PATH)
        values = parse_qs(query)
        expires = values.get("expires", [""])[0]
        if not _DIGEST.fullmatch(digest) or not re.fullmatch(r"[0-9]{1,12}", expires):
            raise ServiceError("AccessDeniedException", "This is not a link to a function's code")
        signature = values.get("signature", [""])[0]
        if not hmac.compare_digest(signature.encode(), self._sign(digest, int(expires)).encode()):
            raise ServiceError("AccessDeniedException", "The signature of this link does not match")
        if int(expires) < self._clock.now():
            raise ServiceError("AccessDeniedException", "Request has expired")
        return digest

    def _sign(self, digest: str, expires: int) -> str:
        return hmac.new(self._key, f"code\n{digest}\n{expires}".encode("ascii"), hashlib.sha256).hexdigest()
