"""The canonical request: the one text that both sides of a SigV4 signature derive from an HTTP request.

Owns the encodings and orders that the signature process fixes. Every service but S3 signs its path encoded twice and
without dot segments; S3 signs it as it travels.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import posixpath
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

_UNRESERVED = "-_.~"


def canonical_paths(path: str, service: str) -> list[str]:
    """The canonical forms of an encoded path: of the path as it came, then of what it means if that differs.

    Clients agree only for paths in canonical encoding; of another (a bare colon) some sign the octets sent, some the
    octets meant.
    """
    meant = quote(unquote(path), safe="/" + _UNRESERVED)
    forms = [path] if path == meant else [path, meant]
    if service == "s3":
        return [form or "/" for form in forms]
    return [quote(_without_dots(form), safe="/~") for form in forms]


def _without_dots(path: str) -> str:
    """The path with ``.`` and ``..`` resolved and repeated slashes merged; a trailing slash stays."""
    if "//" not in path and "/." not in path:
        return path or "/"
    normal = posixpath.normpath("/" + path.lstrip("/"))
    return normal + "/" if path.endswith("/") and normal != "/" else normal


def canonical_query(query: str, *, without: str | None = None) -> str:
    """The parameters in canonical encoding, sorted by name and value; ``without`` names one to leave out."""
    if not query:
        return ""
    pairs = (part.partition("=") for part in query.split("&") if part)
    encoded = ((_encode(name), _encode(value)) for name, _, value in pairs if name != without)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encode(text: str) -> str:
    return quote(unquote(text, errors="surrogateescape"), safe=_UNRESERVED, errors="surrogateescape")


def canonical_headers(headers: Mapping[str, str], signed: Sequence[str]) -> str:
    """The signed headers with their names listed; raises KeyError for one that is not there."""
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    return f"{lines}\n{';'.join(signed)}"


def canonical_request(method: str, path: str, query: str, headers: str, payload_hash: str) -> str:
    """The text whose SHA-256 is signed, of parts that are canonical already."""
    return f"{method}\n{path}\n{query}\n{headers}\n{payload_hash}"
