"""Verification of Signature Version 4, in the Authorization header or in a presigned query.

Owns the proof that the holder of a secret signed this request about now; which secrets exist is the caller's to say,
and so is the time. Derived keys are cached: they are the same all day for one credential, region and service.
Chunked (STREAMING-...) payload signatures are refused by name: only S3 has them, and its requests are not verified here.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from midge.auth.canonical import canonical_headers, canonical_paths, canonical_query, canonical_request
from midge.auth.scope import ALGORITHM, Scope, parse_authorization, parse_credential, presigned_parameters
from midge.model.errors import ServiceError
from midge.wire.messages import Request

UNSIGNED = "UNSIGNED-PAYLOAD"
_SKEW = timedelta(minutes=15)
_LONGEST_PRESIGNED_SECONDS = 604_800
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """What a request says about its signature, wherever it says it."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    payload_hash: str
    query: str
    """Canonical, without the signature itself."""
    lifetime: timedelta | None
    """Of a presigned request."""


class Verifier:
    """Verifies requests against the secrets that ``secret_of`` gives for an access key id and, where the request has
    one, a session token (None: no such key).
    """

    def __init__(self, secret_of: Callable[[str, str | None], str | None], *, capacity: int = 1_024) -> None:
        self._secret_of = secret_of
        self._capacity = capacity
        self._keys: dict[tuple[str, str], bytes] = {}

    def verify(self, request: Request, now: float) -> Scope:
        """The scope of a request that is truly signed; ``now`` is in seconds since 1970.

        Raises ``ServiceError``: MissingAuthenticationTokenException, IncompleteSignatureException,
        UnrecognizedClientException, InvalidSignatureException (SignatureDoesNotMatch for S3, IAM and STS).
        """
        signature = _signature_of(request)
        scope = signature.scope
        secret = self._secret_of(scope.access_key_id, _session_token(request))
        if secret is None:
            raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")
        _check_time(signature, datetime.fromtimestamp(now, UTC))
        _check_signed_headers(request, signature)
        key = self._key(secret, scope)
        headers = canonical_headers(request.headers, signature.signed_headers)
        for path in canonical_paths(request.path, scope.service):
            text = canonical_request(request.method, path, signature.query, headers, signature.payload_hash)
            digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            to_sign = f"{ALGORITHM}\n{signature.timestamp}\n{scope.text}\n{digest}"
            expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
            if hmac.compare_digest(expected.encode(), signature.signature.encode()):
                return scope
        raise _invalid(scope, _MISMATCH)

    def _key(self, secret: str, scope: Scope) -> bytes:
        known = self._keys.get((secret, scope.text))
        if known is not None:
            return known
        key = f"AWS4{secret}".encode()
        for part in scope.text.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        if len(self._keys) >= self._capacity:
            del self._keys[next(iter(self._keys))]
        self._keys[secret, scope.text] = key
        return key


def _session_token(request: Request) -> str | None:
    token = request.headers.get("x-amz-security-token")
    if token is None and "X-Amz-Security-Token=" in request.query:
        token = presigned_parameters(request.query).get("X-Amz-Security-Token")
    return token


def _signature_of(request: Request) -> _Signature:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(request, authorization)
    if "X-Amz-Signature=" in request.query:
        return _from_query(request)
    raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")


def _from_header(request: Request, authorization: str) -> _Signature:
    parameters = parse_authorization(authorization)
    scope = parse_credential(parameters["Credential"])
    return _Signature(
        scope=scope,
        signed_headers=tuple(parameters["SignedHeaders"].split(";")),
        signature=parameters["Signature"],
        timestamp=_timestamp_of(request),
        payload_hash=_payload_hash(request, scope, request.headers.get("x-amz-content-sha256")),
        query=canonical_query(request.query),
        lifetime=None,
    )


def _from_query(request: Request) -> _Signature:
    parameters = presigned_parameters(request.query)
    wanted = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders")
    missing = [name for name in wanted if not parameters.get(name)]
    if missing:
        complaints = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        raise ServiceError("IncompleteSignatureException", complaints)
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise ServiceError(
            "IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{parameters['X-Amz-Algorithm']}'."
        )
    scope = parse_credential(parameters["X-Amz-Credential"])
    lifetime = parameters.get("X-Amz-Expires", "900")
    if not lifetime.isascii() or not lifetime.isdigit() or not 0 < int(lifetime) <= _LONGEST_PRESIGNED_SECONDS:
        raise _invalid(scope, f"X-Amz-Expires must be between 1 and {_LONGEST_PRESIGNED_SECONDS} seconds")
    declared = UNSIGNED if scope.service == "s3" else request.headers.get("x-amz-content-sha256")
    return _Signature(
        scope=scope,
        signed_headers=tuple(parameters["X-Amz-SignedHeaders"].split(";")),
        signature=parameters["X-Amz-Signature"],
        timestamp=parameters["X-Amz-Date"],
        payload_hash=_payload_hash(request, scope, declared),
        query=canonical_query(request.query, without="X-Amz-Signature"),
        lifetime=timedelta(seconds=int(lifetime)),
    )


def _timestamp_of(request: Request) -> str:
    """The time that is signed: X-Amz-Date, or Date in either form."""
    stamp = request.headers.get("x-amz-date") or request.headers.get("date")
    if stamp is None:
        raise ServiceError(
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    if "," not in stamp:
        return stamp
    try:
        return parsedate_to_datetime(stamp).astimezone(UTC).strftime(_TIMESTAMP)
    except ValueError:
        return stamp


def _payload_hash(request: Request, scope: Scope, declared: str | None) -> str:
    """The hash that is signed: of the body as it arrived, unless the client chose to leave it unsigned."""
    if declared == UNSIGNED:
        return UNSIGNED
    if declared is not None and declared.startswith("STREAMING-"):
        raise _invalid(scope, f"midge does not verify chunked payload signatures ({declared}).")
    return hashlib.sha256(request.body).hexdigest()


def _moment(stamp: str) -> datetime:
    """``20261123T120000Z`` as a moment."""
    try:
        if len(stamp) != 16 or stamp[8] != "T" or stamp[15] != "Z":
            raise ValueError(stamp)
        return datetime.fromisoformat(stamp)
    except ValueError:
        raise ServiceError(
            "IncompleteSignatureException",
            f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601",
        ) from None


def _check_time(signature: _Signature, now: datetime) -> None:
    scope, stamp = signature.scope, signature.timestamp
    signed = _moment(stamp)
    if stamp[:8] != scope.date:
        raise _invalid(
            scope,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope.date}' != '{stamp[:8]}', from '{stamp}'.",
        )
    lifetime = signature.lifetime or _SKEW
    oldest, newest, clock = now - lifetime, now + _SKEW, now.strftime(_TIMESTAMP)
    if signed < oldest:
        minutes = lifetime // timedelta(minutes=1)
        raise _invalid(
            scope,
            f"Signature expired: {stamp} is now earlier than {oldest.strftime(_TIMESTAMP)} ({clock} - {minutes} min.)",
        )
    if signed > newest:
        raise _invalid(
            scope,
            f"Signature not yet current: {stamp} is still later than {newest.strftime(_TIMESTAMP)} "
            f"({clock} + {_SKEW // timedelta(minutes=1)} min.)",
        )


def _check_signed_headers(request: Request, signature: _Signature) -> None:
    """The host and whatever else AWS acts upon must be under the signature."""
    signed = signature.signed_headers
    if "host" not in signed:
        raise _invalid(signature.scope, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if any(name not in request.headers for name in signed):
        raise _invalid(signature.scope, _MISMATCH)
    if any(name.startswith("x-amz-") and name not in signed for name in request.headers):
        raise _invalid(signature.scope, "There were headers present in the request which were not signed")


def _invalid(scope: Scope, message: str) -> ServiceError:
    code = "SignatureDoesNotMatch" if scope.service in ("s3", "iam", "sts") else "InvalidSignatureException"
    return ServiceError(code, message)
