"""The answer at a function URL whose InvokeMode is RESPONSE_STREAM: a response that goes to the client as it comes.

What goes wrong before the head has gone is an answer of its own; after that the connection ends without the end of the
body, which is all that HTTP has to say it with.
Source: https://docs.aws.amazon.com/lambda/latest/dg/config-rs-invoke-furls.html
"""

from typing import Protocol

from midge.function_urls import prelude
from midge.function_urls.answers import JSON_TYPE, MalformedAnswerError, UrlAnswer
from midge.http.response_streams import ClientStream
from midge.invoke.outcome import Outcome
from midge.invoke.streaming import StreamedResponse
from midge.model.errors import ServiceError


class UrlAnswers(Protocol):
    """How the answers of one visit are written."""

    def whole(self, answer: UrlAnswer) -> None:
        """Write a whole answer."""
        ...

    def head(self, answer: UrlAnswer, *, chunked: bool) -> tuple[bytes, bool]:
        """The head of an answer whose body follows, and whether one may follow."""
        ...

    def refusal(self, error: ServiceError) -> UrlAnswer: ...

    def bad_gateway(self, reason: str) -> UrlAnswer:
        """For a fault of the function."""
        ...


class UrlStreamAnswer:
    """See the module, and ``ResponseSink``."""

    def __init__(self, client: ClientStream, answers: UrlAnswers, prelude_bytes: int) -> None:
        self._client = client
        self._answers = answers
        self._prelude_bytes = prelude_bytes
        self._received: bytes | None = None
        """What has come of the prelude, while it is not whole."""
        self._over = False
        self._bodiless = False

    def begin(self, response: StreamedResponse, content_type: bytes, executed_version: bytes) -> None:
        del executed_version
        self._client.attach(response)
        if prelude.has_prelude(content_type):
            self._received = b""
        else:
            self._open(prelude.plain(content_type))

    def write(self, data: bytes) -> None:
        if self._over:
            return
        if self._received is not None:
            self._in_prelude(self._received + data)
        elif not self._bodiless:
            self._client.write(data)

    def _in_prelude(self, received: bytes) -> None:
        try:
            found = prelude.split(received, self._prelude_bytes)
        except MalformedAnswerError as error:
            self._instead(self._answers.bad_gateway(str(error)))
            return
        if found is None:
            self._received = received
            return
        self._received = None
        answer, rest = found
        self._open(answer)
        if rest and not self._bodiless:
            self._client.write(rest)
        else:
            self._client.flush()

    def done(self, result: Outcome | ServiceError) -> None:
        """The invocation has ended."""
        if self._over:
            return
        if isinstance(result, ServiceError):
            self._broken(self._answers.refusal(result))
        elif result.function_error is not None:
            self._broken(self._answers.bad_gateway(result.error_type or result.function_error))
        elif self._received is not None:
            self._broken(self._answers.bad_gateway("a prelude that does not end"))
        elif not self._client.opened:
            self._instead(UrlAnswer(headers=[JSON_TYPE], body=result.payload))
        elif self._bodiless:
            self._client.end_without_body()
        else:
            self._client.end()

    def _broken(self, answer: UrlAnswer) -> None:
        if self._client.opened:
            self._over = True
            self._client.cut()
        else:
            self._instead(answer)

    def _instead(self, answer: UrlAnswer) -> None:
        """Answer this, whatever the function still sends."""
        self._over = True
        self._client.discard()
        self._answers.whole(answer)

    def _open(self, answer: UrlAnswer) -> None:
        head, has_body = self._answers.head(answer, chunked=self._client.chunked)
        self._bodiless = not has_body
        self._client.open(head)
