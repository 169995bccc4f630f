"""Requests whose body is compressed, as clients do it for operations with the trait ``requestcompression``."""

import zlib
from dataclasses import replace

from midge.model.errors import ServiceError
from midge.wire.messages import Request

_GZIP = 16 + zlib.MAX_WBITS


def unpacked(request: Request, most_bytes: int) -> Request:
    """``request`` with its body as it was before gzip; of other encodings as it is. Raises ServiceError."""
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return request
    inflater = zlib.decompressobj(_GZIP)
    try:
        body = inflater.decompress(request.body, most_bytes + 1)
    except zlib.error:
        raise ServiceError("SerializationException", "The request body is not valid gzip.") from None
    if len(body) > most_bytes:
        raise ServiceError("RequestEntityTooLargeException", f"Request must be smaller than {most_bytes} bytes")
    if not inflater.eof:
        raise ServiceError("SerializationException", "The request body is not valid gzip.")
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return replace(request, body=body, headers=headers)
