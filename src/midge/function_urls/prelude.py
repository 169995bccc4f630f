"""The prelude of a streamed answer at a function URL: JSON with status, headers and cookies, then eight NULs. Pure.

Only a response of the type that AWS's runtimes give it has one; the bytes of any other are the body.
Source: https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html and the streaming page of
runtimes-custom.html
"""

from typing import Any, cast

import msgspec

from midge.function_urls.answers import MalformedAnswerError, UrlAnswer, head

CONTENT_TYPE = b"application/vnd.awslambda.http-integration-response"
SEPARATOR = bytes(8)
_DEFAULT_TYPE = ("Content-Type", "application/octet-stream")


def has_prelude(content_type: bytes) -> bool:
    """Whether a response of this type begins with a prelude."""
    return content_type.partition(b";")[0].strip().lower() == CONTENT_TYPE


def split(received: bytes, limit_bytes: int) -> tuple[UrlAnswer, bytes] | None:
    """The answer's head, and what of its body has been received; None while the prelude is not whole.

    Raises MalformedAnswerError if it is none, or longer than ``limit_bytes``.
    """
    end = received.find(SEPARATOR, 0, limit_bytes + len(SEPARATOR))
    if end < 0:
        if len(received) >= limit_bytes + len(SEPARATOR):
            raise MalformedAnswerError("a prelude that does not end")
        return None
    try:
        document: Any = msgspec.json.decode(received[:end])
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedAnswerError("a prelude that is not JSON") from error
    if not isinstance(document, dict):
        raise MalformedAnswerError("a prelude that is no object")
    return _with_type(head(cast("dict[str, Any]", document))), received[end + len(SEPARATOR) :]


def plain(content_type: bytes) -> UrlAnswer:
    """The head of a response without a prelude, whose own type is ``content_type``."""
    headers = [("Content-Type", content_type.decode("latin-1"))] if content_type else []
    return _with_type(UrlAnswer(headers=headers))


def _with_type(answer: UrlAnswer) -> UrlAnswer:
    """``answer`` with a type, if it has none of its own."""
    if not any(name.lower() == "content-type" for name, _ in answer.headers):
        answer.headers.insert(0, _DEFAULT_TYPE)
    return answer
