"""Errors of the Lambda API, raised by the name of their shape.

The HTTP status belongs to the service model (``wire`` looks it up); the texts that AWS documents live beside the code
that can meet them. A fault of function code is not an error of this kind: it is a value (``invoke.outcome.Outcome``).
Source: https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html and the ``lambda`` service model.
"""


class ServiceError(Exception):
    """An error that the caller of the API gets to see.

    ``code`` is the shape's name in the service model (``ResourceNotFoundException``), ``message`` its text, ``fields``
    the shape's other members by their wire names (``Reason``, ``Type``, ``retryAfterSeconds``).
    """

    def __init__(self, code: str, message: str, **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields


def not_found(arn: str) -> ServiceError:
    """The function, version or alias that an ARN names does not exist."""
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}", Type="User")


def invalid_parameter(message: str) -> ServiceError:
    """A value passed the service model's constraints and is still not acceptable."""
    return ServiceError("InvalidParameterValueException", message, Type="User")


def conflict(message: str) -> ServiceError:
    """The resource exists already, or another operation on it is in progress."""
    return ServiceError("ResourceConflictException", message, Type="User")


def stale_revision(operations: str = "GetFunction/GetAlias") -> ServiceError:
    """The ``RevisionId`` given is not the resource's current one, which ``operations`` tell."""
    return ServiceError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {operations} API to retrieve the latest Revision Id",
        Type="User",
    )


def not_supported(operation: str) -> ServiceError:
    """An operation or a field that changes behaviour and that midge does not have yet: refused by name, never ignored."""
    return ServiceError("InvalidParameterValueException", f"midge does not support {operation} yet.", Type="User")
