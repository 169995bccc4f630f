"""Objects of S3, read through the neighbour that offers S3: what CreateFunction needs of a bucket."""

import re
from urllib.parse import quote

from midge.api.services import S3Error
from midge.http.fetch import fetch
from midge.model.limits import Limits
from midge.neighbours.port import Neighbour

_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


class S3Objects:
    """See the module."""

    def __init__(self, neighbour: Neighbour, limits: Limits) -> None:
        self._neighbour = neighbour
        self._limits = limits

    async def fetch(self, bucket: str, key: str, version: str | None) -> bytes:
        """An object's bytes. Raises S3Error in S3's words, ServiceError if S3 cannot be reached."""
        target = f"/{quote(bucket)}/{quote(key)}"
        if version is not None:
            target += f"?versionId={quote(version, safe='')}"
        headers = [(b"Authorization", _AUTHORIZATION), (b"X-Amz-Date", b"20150331T000000Z")]
        limit_bytes = self._limits.package_unzipped_bytes
        response = await fetch(self._neighbour, b"GET", target.encode("ascii"), headers, b"", limit_bytes)
        if response.status == 200:
            return response.body
        code, message = _CODE.search(response.body), _MESSAGE.search(response.body)
        raise S3Error(
            code[1].decode("utf-8", "replace") if code else str(response.status),
            message[1].decode("utf-8", "replace") if message else "The object could not be read.",
        )


_AUTHORIZATION = (
    b"AWS4-HMAC-SHA256 Credential=midge/20150331/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
)
"""Says which service is meant; the neighbour on loopback asks for no true signature."""
