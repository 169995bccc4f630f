"""Images from a registry, by the OCI distribution protocol, which is Docker's Registry HTTP API V2. Blocking.

Which hosts may be contacted is ``Egress``'s to say: those of this machine, by plain HTTP, and the others that the
configuration names, by HTTPS. It is asked again for each redirect and for whoever hands out tokens. Credentials go to the
registry that they are for and to its token service, never along a redirect to somebody else, and never into a log.
Proxies of the environment are not used. Bodies are read a piece at a time; whoever reads bounds them.
Sources: the OCI distribution specification; Docker's "Token Authentication Specification".
"""

import base64
import contextlib
import hashlib
import http.client
import re
import socket
import ssl
from collections.abc import Generator, Mapping
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import msgspec

from midge.images.egress import Egress
from midge.images.errors import ImageError, Trouble
from midge.images.manifests import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from midge.images.port import Document
from midge.images.references import ImageReference
from midge.images.streams import Halt, Readable, read_whole
from midge.model.limits import Limits

_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOKEN_BYTES = 256 * 1024
_CHALLENGE = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class _Body:
    """An answer's body; ``read`` gives what has come, so that nobody waits for a slow sender to fill a buffer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            return self._response.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unavailable(str(error) or type(error).__name__) from error


class RegistrySource:
    """One repository of one registry."""

    def __init__(self, reference: ImageReference, egress: Egress, limits: Limits, halt: Halt) -> None:
        self._reference = reference
        self._egress = egress
        self._limits = limits
        self._halt = halt
        self._base = f"{egress.scheme(reference.host)}://{reference.host}/v2/{reference.repository}/"
        self._authorization: str | None = None

    def document(self, digest: str | None) -> Document:
        wanted = digest or self._reference.digest or self._reference.tag or "latest"
        with self._get(f"manifests/{wanted}", {"Accept": _ACCEPT}) as response:
            data = read_whole(_Body(response), self._limits.image_document_bytes)
            media_type = response.headers.get("Content-Type", "")
        return Document(data=data, media_type=media_type, digest=f"sha256:{hashlib.sha256(data).hexdigest()}")

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Generator[Readable]:
        with self._get(f"blobs/{descriptor.digest}", {}) as response:
            yield _Body(response)

    @contextlib.contextmanager
    def _get(self, path: str, headers: Mapping[str, str]) -> Generator[http.client.HTTPResponse]:
        """The successful answer to a request, after whatever authorization it takes. Raises ImageError."""
        url = urlsplit(self._base + path)
        with self._exchange(url, headers, self._authorization) as response:
            if response.status != http.HTTPStatus.UNAUTHORIZED:
                yield self._checked(response)
                return
            challenge = response.headers.get("WWW-Authenticate", "")
        self._authorization = self._answer(challenge)
        with self._exchange(url, headers, self._authorization) as response:
            yield self._checked(response)

    def _checked(self, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
        status, host = response.status, self._reference.host
        if status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise ImageError(Trouble.DENIED, f"{host} does not let midge have {self._reference}")
        if status == http.HTTPStatus.NOT_FOUND:
            raise ImageError(Trouble.MISSING, f"{host} does not have {self._reference}")
        if status != http.HTTPStatus.OK:
            raise _unavailable(f"{host} answers with status {status}")
        return response

    # authorization

    def _answer(self, challenge: str) -> str | None:
        """What to send to a registry that asks for authorization so. Raises ImageError."""
        scheme, _, rest = challenge.partition(" ")
        credentials = self._egress.credentials(self._reference.host)
        if scheme.lower() == "basic":
            return None if credentials is None else _basic(credentials)
        if scheme.lower() != "bearer":
            raise ImageError(Trouble.DENIED, f"{self._reference.host} wants authorization of a kind that is not known")
        asked: dict[str, str] = dict(_CHALLENGE.findall(rest))
        query = {"scope": f"repository:{self._reference.repository}:pull"}
        if "service" in asked:
            query["service"] = asked["service"]
        realm = _address(asked.get("realm", ""))
        known = f"{realm.query}&" if realm.query else ""
        url = realm._replace(query=known + urlencode(query), fragment="")
        authorization = None if credentials is None else _basic(credentials)
        with self._exchange(url, {}, authorization) as response:
            data = read_whole(_Body(self._checked(response)), _TOKEN_BYTES)
        return f"Bearer {_token_of(data, self._reference.host)}"

    # HTTP

    @contextlib.contextmanager
    def _exchange(
        self, url: SplitResult, headers: Mapping[str, str], authorization: str | None
    ) -> Generator[http.client.HTTPResponse]:
        """The answer, whatever its status, that redirects lead to. ``authorization`` is for the first host alone."""
        first = (url.scheme, url.netloc)
        for _ in range(_MOST_REDIRECTS + 1):
            self._halt.check()
            self._egress.check(url)
            own = {"Authorization": authorization} if authorization and (url.scheme, url.netloc) == first else {}
            connection = self._connection(url)
            try:
                response = self._send(connection, url, {**headers, **own})
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
            finally:
                self._halt.wake_with(None)
                connection.close()
            url = _address(urljoin(url.geturl(), location))
        raise _unavailable(f"{self._reference.host} redirects too often")

    def _connection(self, url: SplitResult) -> http.client.HTTPConnection:
        seconds, host = self._limits.registry_seconds, url.hostname or ""
        if url.scheme == "https":
            return http.client.HTTPSConnection(host, url.port, timeout=seconds, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, url.port, timeout=seconds)

    def _send(
        self, connection: http.client.HTTPConnection, url: SplitResult, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            connection.connect()
            self._halt.wake_with(lambda: _shut_down(connection.sock))
            connection.request("GET", target, headers={"User-Agent": "midge", **headers})
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._halt.check()
            raise _unavailable(f"{url.hostname} cannot be read: {error or type(error).__name__}") from error


def _address(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # which is only looked at when somebody asks
    except ValueError as error:
        raise _unavailable("a registry names an address that is none") from error
    return url


def _shut_down(connection: socket.socket | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode('ascii')}"


def _token_of(data: bytes, host: str) -> str:
    try:
        answer = msgspec.json.decode(data, type=dict[str, object])
    except msgspec.DecodeError:
        answer = {}
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ImageError(Trouble.DENIED, f"the token service of {host} gives no token")
    return token


def _unavailable(why: str) -> ImageError:
    return ImageError(Trouble.UNAVAILABLE, why)
