"""``/_midge/code/<digest>?...``: a function's zip for whoever holds a link that ``GetFunction`` has given out."""

from midge.api.code_links import CodeLinks
from midge.blobs.port import Blobs
from midge.model.errors import ServiceError
from midge.wire.messages import Request, Response


class CodePage:
    """A page of ``InternalPages``."""

    def __init__(self, links: CodeLinks, blobs: Blobs) -> None:
        self._links = links
        self._blobs = blobs

    async def __call__(self, request: Request) -> Response:
        """The zip; 403 for a link that was not made here or has expired, 404 when the code is gone."""
        try:
            digest = self._links.open_code_link(request.path, request.query)
            body = await self._blobs.get(digest)
        except ServiceError as error:
            return Response(status=403, headers={"Content-Type": "text/plain"}, body=error.message.encode())
        except KeyError:
            return Response(status=404, headers={"Content-Type": "text/plain"}, body=b"Not found")
        return Response(headers={"Content-Type": "application/zip"}, body=body)
