"""Who claims to make a request, for which region and service: the credential scope of a SigV4 signature.

Owns reading it from the Authorization header or a presigned query, and AWS's words for what is malformed. Does not
know whether the signature is true (``sigv4``) and never looks at secrets. The scope decides where a request goes: every
service is asked for at one endpoint.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from midge.model.errors import ServiceError

ALGORITHM = "AWS4-HMAC-SHA256"
_PREFIX = b"AWS4-HMAC-SHA256 Credential="
_ACCOUNT_DIGITS = 12
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """``AKID/20261123/eu-west-1/lambda/aws4_request``."""

    access_key_id: str
    date: str
    region: str
    service: str

    @property
    def text(self) -> str:
        """The scope as it is signed: without the access key id."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def account(self, default: str) -> str:
        """The account that asks: an access key id of twelve digits is that account, any other the ``default`` one."""
        key = self.access_key_id
        return key if len(key) == _ACCOUNT_DIGITS and key.isascii() and key.isdigit() else default


class Scopes:
    """Reads scopes and remembers the last credentials seen, so that a repeated one costs a look-up."""

    def __init__(self, capacity: int = 1_024) -> None:
        self._capacity = capacity
        self._seen: dict[bytes, Scope] = {}

    def of_header(self, authorization: bytes) -> Scope | None:
        """The scope of an Authorization header; None when it is not a whole Signature Version 4."""
        try:
            return self._read(authorization)
        except ServiceError:
            return None

    def _read(self, authorization: bytes) -> Scope:
        credential = authorization[: authorization.find(b",")]
        known = self._seen.get(credential)
        if known is not None and b"SignedHeaders=" in authorization and b"Signature=" in authorization:
            return known
        parameters = parse_authorization(authorization.decode("latin-1"))
        scope = parse_credential(parameters["Credential"])
        if credential.startswith(_PREFIX):
            if len(self._seen) >= self._capacity:
                del self._seen[next(iter(self._seen))]
            self._seen[credential] = scope
        return scope

    def of_request(self, headers: Mapping[str, str], query: str) -> Scope:
        """The scope of a request, from its header or else from its presigned query.

        Raises ``ServiceError`` IncompleteSignatureException if it is malformed, MissingAuthenticationTokenException if
        the request is not signed.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            return self._read(authorization.encode("latin-1", "replace"))
        if "X-Amz-Credential=" in query:
            return parse_credential(presigned_parameters(query).get("X-Amz-Credential", ""))
        raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")


def parse_credential(credential: str) -> Scope:
    """The scope that ``Credential`` or ``X-Amz-Credential`` holds. Raises IncompleteSignatureException."""
    elements = credential.split("/")
    if len(elements) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential}'"
        )
    access_key_id, date, region, service, terminator = elements
    if terminator != "aws4_request":
        raise ServiceError(
            "InvalidSignatureException",
            f"Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'.",
        )
    if not (access_key_id and date and region and service):
        raise _incomplete(f"Credential must not have empty elements, got '{credential}'")
    return Scope(access_key_id=access_key_id, date=date, region=region, service=service)


def parse_authorization(header: str) -> dict[str, str]:
    """Credential, SignedHeaders and Signature of an Authorization header. Raises IncompleteSignatureException."""
    algorithm, _, rest = header.partition(" ")
    if algorithm.startswith("AWS4-") and algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    parameters: dict[str, str] = {}
    if algorithm == ALGORITHM:
        for item in rest.replace(" ", "").split(","):
            name, equals, value = item.partition("=")
            if item and not equals:
                raise _incomplete(
                    f"'{item}' not a valid key=value pair (missing equal-sign) in Authorization header "
                    f"(hashed with SHA-256 and encoded with Base64): '{_hashed(header)}'."
                )
            parameters[name] = value
    missing = [name for name in _PARAMETERS if not parameters.get(name)]
    if missing:
        complaints = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise _incomplete(f"{complaints} (Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(header)}")
    return parameters


def presigned_parameters(query: str) -> dict[str, str]:
    """The X-Amz-... parameters of a query string, decoded."""
    pairs = (part.partition("=") for part in query.split("&"))
    return {name: unquote(value) for name, _, value in pairs if name.startswith("X-Amz-")}


def _hashed(header: str) -> str:
    """What AWS shows instead of a header that may hold a secret."""
    return base64.b64encode(hashlib.sha256(header.encode("latin-1", "replace")).digest()).decode()


def _incomplete(message: str) -> ServiceError:
    return ServiceError("IncompleteSignatureException", message)
