"""Signature verification against botocore's own signers."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.auth.sigv4 import Verifier
from midge.model.errors import ServiceError
from midge.wire.messages import Request

_KEY, _SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
_SIGNERS = {
    ("lambda", "header"): botocore.auth.SigV4Auth,
    ("lambda", "query"): botocore.auth.SigV4QueryAuth,
    ("s3", "header"): botocore.auth.S3SigV4Auth,
    ("s3", "query"): botocore.auth.S3SigV4QueryAuth,
}
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


def _verifier() -> Verifier:
    return Verifier({_KEY: _SECRET}.get)


@pytest.fixture(autouse=True, scope="module")
def _signed_at_noon() -> Iterator[None]:
    """The clock of botocore's signers: here it is always noon."""
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=_NOW.replace(tzinfo=None)):
        yield


def _signed(
    service: str = "lambda",
    where: str = "header",
    *,
    method: str = "POST",
    target: str = "/2015-03-31/functions/f/invocations",
    headers: dict[str, str] | None = None,
    body: bytes = b"{}",
    key: str = _KEY,
    secret: str = _SECRET,
    payload_unsigned: bool = False,
) -> Request:
    """A request as botocore signs it, as the listener would hand it on."""
    request: Any = AWSRequest(method, f"http://127.0.0.1:9000{target}", data=body, headers=headers or {})
    if payload_unsigned:
        request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    signer: Any = _SIGNERS[service, where]
    signer(Credentials(key, secret), service, "eu-west-1").add_auth(request)
    parts = urlsplit(request.url)
    received = {name.lower(): value for name, value in request.headers.items()}
    received["host"] = "127.0.0.1:9000"
    return Request(method=method, path=parts.path, query=parts.query, headers=received, body=body)


def _refusal(request: Request, now: dt.datetime = _NOW) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        _verifier().verify(request, now.timestamp())
    return caught.value.code, caught.value.message


_SEGMENT = _TEXT.filter(lambda text: text not in {".", "..", ""})
_ASKED = st.fixed_dictionaries(
    {
        "segments": st.lists(_SEGMENT, min_size=1, max_size=3),
        "parameters": st.lists(st.tuples(_TEXT.filter(bool), _TEXT), max_size=3, unique_by=lambda pair: pair[0]),
        "value": _HEADER,
        "body": st.binary(max_size=40),
        "method": st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    }
)


@pytest.mark.parametrize(("service", "where"), list(_SIGNERS))
@settings(max_examples=60, deadline=None)
@given(asked=_ASKED)
def test_what_botocore_signs_is_accepted(service: str, where: str, asked: dict[str, Any]) -> None:
    """Any path, query, header and body that botocore signs verifies, in header and query, for S3 and the others."""
    path = "".join("/" + quote(segment, safe="-._~") for segment in asked["segments"])
    pairs = ((quote(name, safe="-._~"), quote(text, safe="-._~")) for name, text in asked["parameters"])
    query = "&".join(f"{name}={text}" for name, text in pairs)
    request = _signed(
        service,
        where,
        method=asked["method"],
        target=f"{path}?{query}" if query else path,
        headers={"X-Amz-Meta-A": asked["value"]},
        body=b"" if where == "query" else asked["body"],
    )
    scope = _verifier().verify(request, _NOW.timestamp())
    assert (scope.access_key_id, scope.region, scope.service) == (_KEY, "eu-west-1", service)


def _bytes_changed(request: Request) -> None:
    request.body = b"[]"


def _method_changed(request: Request) -> None:
    request.method = "PUT"


def _path_changed(request: Request) -> None:
    request.path += "x"


def _query_changed(request: Request) -> None:
    request.query = "Qualifier=2"


def _header_changed(request: Request) -> None:
    request.headers["x-amz-log-type"] = "None"


def _header_removed(request: Request) -> None:
    del request.headers["x-amz-log-type"]


def _host_changed(request: Request) -> None:
    request.headers["host"] = "elsewhere"


def _signature_changed(request: Request) -> None:
    request.headers["authorization"] = request.headers["authorization"][:-1] + "g"


@pytest.mark.parametrize(
    "change",
    [
        _bytes_changed,
        _method_changed,
        _path_changed,
        _query_changed,
        _header_changed,
        _header_removed,
        _host_changed,
        _signature_changed,
    ],
)
def test_any_change_breaks_the_signature(change: Any) -> None:
    """Whatever is changed after signing, the request is refused with AWS's text."""
    request = _signed(headers={"X-Amz-Log-Type": "Tail"})
    _verifier().verify(request, _NOW.timestamp())
    change(request)
    code, message = _refusal(request)
    assert code == "InvalidSignatureException"
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


def test_another_secret_is_refused() -> None:
    """A request signed with a wrong secret does not verify; S3 has its own name for that."""
    assert _refusal(_signed(secret="guess"))[0] == "InvalidSignatureException"
    assert _refusal(_signed("s3", secret="guess"))[0] == "SignatureDoesNotMatch"


def test_a_foreign_key_is_not_known() -> None:
    """An access key id without a secret is an unrecognised client."""
    assert _refusal(_signed(key="NOBODY")) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


def test_an_unsigned_header_that_acts_is_refused() -> None:
    """An x-amz- header added after signing is refused, as it could change what the request does."""
    request = _signed()
    request.headers["x-amz-invocation-type"] = "Event"
    assert _refusal(request) == (
        "InvalidSignatureException",
        "There were headers present in the request which were not signed",
    )


def test_the_host_must_be_signed() -> None:
    """A signature that leaves the host out is refused."""
    request = _signed()
    request.headers["authorization"] = request.headers["authorization"].replace("host;", "")
    assert _refusal(request)[1] == "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."


def test_an_unsigned_payload_may_change() -> None:
    """UNSIGNED-PAYLOAD leaves the body out of the signature, and only the body."""
    request = _signed(payload_unsigned=True)
    request.body = b"anything"
    assert _verifier().verify(request, _NOW.timestamp()).service == "lambda"
    request.path += "x"
    assert _refusal(request)[0] == "InvalidSignatureException"


def test_chunked_signatures_are_refused_by_name() -> None:
    """A STREAMING-... payload is not silently taken as unsigned."""
    request = _signed(headers={"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    code, message = _refusal(request)
    assert code == "InvalidSignatureException"
    assert "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" in message


@pytest.mark.parametrize(
    ("minutes", "message"),
    [
        (16, "Signature expired: 20261123T120000Z is now earlier than 20261123T120100Z (20261123T121600Z - 15 min.)"),
        (-16, "Signature not yet current: 20261123T120000Z is still later than 20261123T115900Z (20261123T114400Z + 15 min.)"),
    ],
)  # fmt: skip
def test_a_signature_is_of_now(minutes: int, message: str) -> None:
    """A signature more than 15 minutes away from the clock is refused, in AWS's words."""
    later = _NOW + dt.timedelta(minutes=minutes)
    assert _refusal(_signed(), later) == ("InvalidSignatureException", message)


@pytest.mark.parametrize("minutes", [15, -15, 0])
def test_the_skew_is_15_minutes(minutes: int) -> None:
    """A signature exactly 15 minutes away still verifies."""
    later = _NOW + dt.timedelta(minutes=minutes)
    assert _verifier().verify(_signed(), later.timestamp()).access_key_id == _KEY


def test_a_presigned_request_lives_as_long_as_it_says() -> None:
    """A presigned query verifies until X-Amz-Expires and not a second longer."""
    request = _signed("lambda", "query", method="GET", target="/2015-03-31/functions", body=b"")
    end = _NOW + dt.timedelta(hours=1)
    assert _verifier().verify(request, end.timestamp()).access_key_id == _KEY
    code, message = _refusal(request, end + dt.timedelta(seconds=1))
    assert code == "InvalidSignatureException"
    assert message.startswith("Signature expired: 20261123T120000Z is now earlier than 20261123T120001Z")


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "soon", "", "²"])
def test_a_presigned_request_cannot_live_forever(expires: str) -> None:
    """X-Amz-Expires beyond a week, or no number, is refused."""
    request = _signed("lambda", "query", method="GET", target="/2015-03-31/functions", body=b"")
    request.query = request.query.replace("X-Amz-Expires=3600", f"X-Amz-Expires={quote(expires)}")
    assert _refusal(request)[1] == "X-Amz-Expires must be between 1 and 604800 seconds"


def test_a_presigned_request_must_be_whole() -> None:
    """A presigned query without its date is incomplete."""
    request = _signed("lambda", "query", method="GET", target="/", body=b"")
    request.query = request.query.replace("X-Amz-Date", "X-Amz-Data")
    assert _refusal(request) == (
        "IncompleteSignatureException",
        "AWS query-string parameters must include 'X-Amz-Date'.",
    )


def test_a_date_is_needed() -> None:
    """Neither X-Amz-Date nor Date: the signature is incomplete."""
    request = _signed()
    del request.headers["x-amz-date"]
    assert _refusal(request) == (
        "IncompleteSignatureException",
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    )


@pytest.mark.parametrize("stamp", ["now", "2026-11-23T12:00:00Z", "20261323T120000Z", "20261123T1200000"])
def test_a_date_has_its_form(stamp: str) -> None:
    """A date that is not ISO 8601 basic is refused."""
    request = _signed()
    request.headers["x-amz-date"] = stamp
    code, message = _refusal(request)
    assert code == "IncompleteSignatureException"
    assert message.startswith(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.")


def test_the_scopes_date_is_the_requests() -> None:
    """A credential of another day is refused."""
    request = _signed()
    request.headers["authorization"] = request.headers["authorization"].replace("/20261123/", "/20261122/")
    assert _refusal(request)[1] == (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        "'20261122' != '20261123', from '20261123T120000Z'."
    )


def test_a_bare_colon_may_be_signed_as_meant() -> None:
    """A client that sends a colon bare and signs it encoded is accepted, as is one that signs what it sends."""
    encoded = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af"
    as_meant = _signed(method="GET", target=encoded, body=b"")
    as_meant.path = as_meant.path.replace("%3A", ":")
    as_sent = _signed(method="GET", target=encoded.replace("%3A", ":"), body=b"")
    for request in (as_meant, as_sent):
        assert _verifier().verify(request, _NOW.timestamp()).service == "lambda"


def test_derived_keys_are_kept_and_bounded() -> None:
    """A day's key is derived once; no more keys are kept than the capacity."""
    verifier = Verifier({_KEY: _SECRET, "B": "two", "C": "three"}.get, capacity=2)
    for key, secret in ((_KEY, _SECRET), ("B", "two"), ("C", "three"), ("C", "three")):
        verifier.verify(_signed(key=key, secret=secret), _NOW.timestamp())
    assert [secret for secret, _ in verifier._keys] == ["two", "three"]
