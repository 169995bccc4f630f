"""Statements of resource policies: from the members of AddPermission to a statement, and to the JSON that AWS returns.

Pure. Source: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html, permissions-function-services.html
and lambda-api-permissions-ref.html
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from midge.model.errors import ServiceError, invalid_parameter
from midge.model.limits import Limits
from midge.model.policies import PolicyStatement, ResourcePolicy

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)")
_ARN = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)/.+)")
_CONDITIONS = (
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
)
"""Member, operator, key: in the order in which AWS writes the operators."""
_ONLY_WITH = {"FunctionUrlAuthType": "lambda:InvokeFunctionUrl", "InvokedViaFunctionUrl": "lambda:InvokeFunction"}


def statement_of(values: Mapping[str, Any]) -> PolicyStatement:
    """The statement that AddPermission asks for. Raises InvalidParameterValueException."""
    for member, action in _ONLY_WITH.items():
        if values.get(member) is not None and values["Action"] != action:
            raise invalid_parameter(f"{member} is only supported for {action} action")
    conditions: dict[str, dict[str, tuple[str, ...]]] = {}
    for member, operator, name in _CONDITIONS:
        value = values.get(member)
        if value is not None and value != "":
            text = str(value).lower() if isinstance(value, bool) else value
            conditions.setdefault(operator, {})[name] = (text,)
    kind, principal = principal_of(values["Principal"])
    return PolicyStatement(
        sid=values["StatementId"], principals={kind: (principal,)}, actions=(values["Action"],), conditions=conditions
    )


def principal_of(text: str) -> tuple[str, str]:
    """Kind and name of what a caller wrote: a service, an account, everybody, or an ARN.

    Raises InvalidParameterValueException if it is none of these.
    """
    if text == "*":
        return "*", text
    if _ACCOUNT.fullmatch(text):
        return "AWS", f"arn:aws:iam::{text}:root"
    if _ARN.fullmatch(text):
        return "AWS", text
    if _SERVICE.fullmatch(text):
        return "Service", text
    raise invalid_parameter("The provided principal was invalid. Please check the principal and try again.")


def render_statement(statement: PolicyStatement, resource: str) -> dict[str, Any]:
    """The statement as a document, its members in AWS's order; what is one value is not written as a list."""
    everybody = statement.principals.get("*")
    rendered: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": statement.effect,
        "Principal": "*" if everybody else {kind: _one_or_all(names) for kind, names in statement.principals.items()},
        "Action": _one_or_all(statement.actions),
        "Resource": resource,
    }
    if not statement.sid:
        del rendered["Sid"]
    if statement.conditions:
        operators = dict.fromkeys([operator for _, operator, _ in _CONDITIONS] + list(statement.conditions))
        rendered["Condition"] = {
            operator: {key: _one_or_all(found) for key, found in statement.conditions[operator].items()}
            for operator in operators
            if operator in statement.conditions
        }
    return rendered


def _one_or_all(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def render_policy(policy: ResourcePolicy) -> str:
    """The policy as JSON text without blanks."""
    return render_document(policy.statements, policy.resource, policy.id)


def render_document(statements: Iterable[PolicyStatement], resource: str, name: str | None = "default") -> str:
    """A policy of these statements, attached to ``resource``, as JSON text without blanks."""
    listed = [render_statement(statement, resource) for statement in statements]
    named = {} if name is None else {"Id": name}
    return as_text({"Version": "2012-10-17", **named, "Statement": listed})


def as_text(document: Mapping[str, Any]) -> str:
    """JSON without blanks."""
    return msgspec.json.encode(document).decode("utf-8")


def check_size(document: str, limits: Limits) -> None:
    """Raise PolicyLengthExceededException if the policy with this text is longer than AWS allows."""
    size = len(document.encode("utf-8"))
    if size > limits.resource_policy_bytes:
        raise ServiceError(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({limits.resource_policy_bytes}).",
            Type="User",
        )
