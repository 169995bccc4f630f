"""Credential scopes: read from header and query, cached, and refused in AWS's words."""

from typing import Any

import pytest

from midge.auth.scope import Scope, Scopes
from midge.model.errors import ServiceError

_REST = ", SignedHeaders=host;x-amz-date, Signature=0123"
_SCOPE = Scope(access_key_id="AKID", date="20261123", region="eu-west-1", service="lambda")


def _header(credential: str = "AKID/20261123/eu-west-1/lambda/aws4_request", rest: str = _REST) -> bytes:
    return f"AWS4-HMAC-SHA256 Credential={credential}{rest}".encode()


def _refusal(call: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        call(*arguments)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    "header",
    [
        _header(),
        _header(rest=",SignedHeaders=host;x-amz-date,Signature=0123"),
        b"AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AKID/20261123/eu-west-1/lambda/aws4_request, Signature=0",
        b"AWS4-HMAC-SHA256  Credential=AKID/20261123/eu-west-1/lambda/aws4_request , SignedHeaders=host, Signature=0",
    ],
)
def test_a_header_is_read(header: bytes) -> None:
    """The scope is found whatever the order of the parameters and the spaces between them."""
    assert Scopes().of_header(header) == _SCOPE


def test_a_repeated_credential_is_looked_up() -> None:
    """The same credential gives the same record again, whatever its signature; another gives another."""
    scopes = Scopes()
    first = scopes.of_header(_header())
    assert scopes.of_header(_header(rest=", SignedHeaders=host, Signature=9999")) is first
    other = scopes.of_header(_header("OTHER/20261123/eu-west-1/lambda/aws4_request"))
    assert other is not None
    assert other.access_key_id == "OTHER"


def test_a_known_credential_does_not_excuse_a_missing_signature() -> None:
    """A header without its signature is refused even when its credential has been seen."""
    scopes = Scopes()
    scopes.of_header(_header())
    unsigned = _header(rest=", SignedHeaders=host")
    assert scopes.of_header(unsigned) is None
    code, message = _refusal(scopes.of_request, {"authorization": unsigned.decode()}, "")
    assert code == "IncompleteSignatureException"
    assert message.startswith("Authorization header requires 'Signature' parameter.")


def test_the_memory_is_bounded() -> None:
    """No more credentials are remembered than the capacity; the oldest is forgotten first."""
    scopes = Scopes(capacity=2)
    kept = [scopes.of_header(_header(f"A{number}/20261123/eu-west-1/s3/aws4_request")) for number in range(3)]
    assert len(scopes._seen) == 2
    assert scopes.of_header(_header("A2/20261123/eu-west-1/s3/aws4_request")) is kept[2]
    assert scopes.of_header(_header("A0/20261123/eu-west-1/s3/aws4_request")) is not kept[0]


def test_a_presigned_query_is_read() -> None:
    """Without a header the scope comes from X-Amz-Credential, percent-encoded as it is."""
    query = "list-type=2&X-Amz-Credential=AKID%2F20261123%2Feu-west-1%2Flambda%2Faws4_request&X-Amz-Signature=0"
    assert Scopes().of_request({}, query) == _SCOPE


def test_the_header_comes_before_the_query() -> None:
    """A request with both is read by its header."""
    query = "X-Amz-Credential=X%2F20261123%2Feu-west-1%2Flambda%2Faws4_request"
    assert Scopes().of_request({"authorization": _header().decode()}, query) == _SCOPE


def test_an_unsigned_request_is_told_so() -> None:
    """A request with neither header nor presigned query lacks its token."""
    found = _refusal(Scopes().of_request, {}, "a=b")
    assert found == ("MissingAuthenticationTokenException", "Missing Authentication Token")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            _header("AK/ID/20261123/eu-west-1/lambda/aws4_request"),
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AK/ID/20261123/eu-west-1/lambda/aws4_request'",
        ),
        (_header("AKID//eu-west-1/lambda/aws4_request"), "Credential must not have empty elements"),
        (_header(rest=", SignedHeaders=host, Signature"), "'Signature' not a valid key=value pair (missing equal-sign)"),
        (_header(rest=""), "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."),
        (b"Basic dXNlcjpzZWNyZXQ=", "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization="),
        (b"", "Authorization header requires 'Credential' parameter."),
        (b"AWS4-ECDSA-P256-SHA256 Credential=A/20261123/lambda/aws4_request", "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."),
    ],
)  # fmt: skip
def test_a_malformed_header_is_refused(header: bytes, message: str) -> None:
    """What is wrong with a header is said as AWS says it."""
    assert Scopes().of_header(header) is None
    code, found = _refusal(Scopes().of_request, {"authorization": header.decode()}, "")
    assert code == "IncompleteSignatureException"
    assert found.startswith(message)


def test_a_wrong_terminator_is_refused() -> None:
    """A credential that does not end in aws4_request is scoped for something else."""
    header = _header("AKID/20261123/eu-west-1/lambda/aws5_request").decode()
    code, message = _refusal(Scopes().of_request, {"authorization": header}, "")
    assert code == "InvalidSignatureException"
    assert message == "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."


def test_a_refusal_does_not_repeat_the_header() -> None:
    """A header that may hold a secret is shown by its hash only."""
    _, message = _refusal(Scopes().of_request, {"authorization": "Bearer hunter2"}, "")
    assert "hunter2" not in message
