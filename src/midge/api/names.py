"""From what a caller wrote as ``FunctionName`` and ``Qualifier`` to the function that is meant. Pure.

Source: the ``FunctionName`` section of every operation's page, https://docs.aws.amazon.com/lambda/latest/api/
"""

from dataclasses import dataclass

from midge.api.services import CallContext
from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError, invalid_parameter, not_supported
from midge.model.functions import LATEST, FunctionId

NAME_CHARACTERS = 64
_LATEST_PUBLISHED = "$LATEST.PUBLISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A function and, if the caller gave one, a qualifier: a version, ``$LATEST`` or an alias."""

    function: FunctionId
    qualifier: str | None

    @property
    def arn(self) -> str:
        """As the caller named it: qualified only if they qualified it."""
        return self.function.arn if self.qualifier is None else self.function.qualified_arn(self.qualifier)


def resolve(action: str, name: str, qualifier: str | None, context: CallContext) -> Named:
    """What ``name`` and ``qualifier`` name; ``action`` is the operation.

    Raises ResourceNotFoundException for another region, AccessDeniedException for another account,
    InvalidParameterValueException if the name is none or carries another qualifier than the one given beside it.
    """
    reference = parse_function_reference(name)
    if reference is None:
        raise invalid_parameter(f"Invalid function name: {name}")
    arn = FunctionId(account=reference.account or "", region=context.region, name=reference.name).arn
    _check_home(action, reference.region, reference.account, arn, context)
    if qualifier is not None and reference.qualifier not in (None, qualifier):
        raise invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    chosen = qualifier if qualifier is not None else reference.qualifier
    if chosen == _LATEST_PUBLISHED:
        raise not_supported(f"the qualifier {_LATEST_PUBLISHED}")
    function = FunctionId(account=context.account, region=context.region, name=reference.name)
    return Named(function=function, qualifier=chosen)


def name_in(arn: str, action: str, context: CallContext) -> str:
    """The last part of the ARN of a resource that is no function: ``csc-...``, a UUID, a capacity provider's name.

    Raises as ``resolve`` for another region or account.
    """
    _, _, _, region, account, _, name = arn.split(":", 6)
    _check_home(action, region, account, arn, context)
    return name


def _check_home(action: str, region: str | None, account: str | None, arn: str, context: CallContext) -> None:
    if region is not None and region != context.region:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Functions from '{region}' are not reachable in this region ('{context.region}')",
            Type="User",
        )
    if account is not None and account != context.account:
        raise ServiceError(
            "AccessDeniedException",
            f"User: arn:aws:iam::{context.account}:root is not authorized to perform: lambda:{action} on resource: {arn}",
        )


def resolve_function(action: str, name: str, context: CallContext) -> FunctionId:
    """The function itself, for operations that change only $LATEST. Raises as ``resolve``, and for other qualifiers."""
    named = resolve(action, name, None, context)
    if named.qualifier not in (None, LATEST):
        raise invalid_parameter("Current operation does not support versions other than $LATEST.")
    return named.function


def resolve_new(name: str, context: CallContext) -> FunctionId:
    """The function to be created. Raises as ``resolve_function``, and for names longer than 64 characters."""
    function = resolve_function("CreateFunction", name, context)
    if len(function.name) > NAME_CHARACTERS:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{function.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {NAME_CHARACTERS}",
        )
    return function
