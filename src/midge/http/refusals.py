"""The listener's own refusals, shaped as AWS's errors, for requests that never reach an operation."""

import msgspec

from midge.wire.messages import Response


def refusal(status: int, code: str, message: str) -> Response:
    """An error response of the rest-json protocol."""
    return Response(
        status=status,
        headers={"Content-Type": "application/json", "x-amzn-ErrorType": code},
        body=msgspec.json.encode({"Type": "User", "message": message}),
    )


def malformed() -> Response:
    return refusal(400, "BadRequestException", "The request is not valid HTTP.")


def too_slow() -> Response:
    return refusal(408, "RequestTimeoutException", "The request was not received in time.")


def head_too_large() -> Response:
    return refusal(431, "RequestHeaderFieldsTooLargeException", "The request's line or headers are too large.")


def body_too_large(limit_bytes: int) -> Response:
    return refusal(413, "RequestEntityTooLargeException", f"Request must be smaller than {limit_bytes} bytes")


def too_many_pipelined() -> Response:
    return refusal(429, "TooManyRequestsException", "Too many requests are pipelined on one connection.")


def foreign_host() -> Response:
    return refusal(403, "AccessDeniedException", "midge does not answer to this Host. Configure it to allow the name.")


def foreign_origin() -> Response:
    return refusal(403, "AccessDeniedException", "Requests of web pages are refused unless their origin is configured.")


def no_such_service() -> Response:
    return refusal(501, "NotImplemented", "midge has no neighbour that answers for this service.")


def internal_error() -> Response:
    return Response(
        status=500,
        headers={"Content-Type": "application/json", "x-amzn-ErrorType": "ServiceException"},
        body=b'{"Type":"Service","Message":"The service encountered an internal error."}',
    )
