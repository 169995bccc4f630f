"""How a function may be named, and what is refused."""

import re

import pytest
from api_bench import CONTEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.api.names import resolve, resolve_function, resolve_new
from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.wire.model import load_service_model

F = FunctionId(account=CONTEXT.account, region=CONTEXT.region, name="f")
FORMS = [
    "{name}",
    "function:{name}",
    "000000000000:function:{name}",
    "us-east-1:000000000000:function:{name}",
    "arn:aws:lambda:us-east-1:000000000000:function:{name}",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("qualifier", [None, "7", "live", "$LATEST"])
def test_every_form_names_the_same_function(form: str, qualifier: str | None) -> None:
    """Name, partial ARN and ARN mean the same, with the qualifier inside, beside, or in both places."""
    plain = form.format(name="f")
    inside = plain if qualifier is None else f"{plain}:{qualifier}"
    for named in (
        resolve("GetFunction", inside, None, CONTEXT),
        resolve("GetFunction", plain, qualifier, CONTEXT),
        resolve("GetFunction", inside, qualifier, CONTEXT),
    ):
        assert (named.function, named.qualifier) == (F, qualifier)
    assert named.arn == F.arn + ("" if qualifier is None else f":{qualifier}")


@pytest.mark.parametrize(
    ("name", "qualifier", "code", "message"),
    [
        (
            "arn:aws:lambda:eu-west-1:000000000000:function:f", None, "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            "111111111111:function:f", None, "AccessDeniedException",
            ("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetFunction on resource: "
            "arn:aws:lambda:us-east-1:111111111111:function:f"),
        ),
        (
            "f:1", "2", "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        ("a b", None, "InvalidParameterValueException", "Invalid function name: a b"),
        (
            "f:$LATEST.PUBLISHED", None, "InvalidParameterValueException",
            "midge does not support the qualifier $LATEST.PUBLISHED yet.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_refused(name: str, qualifier: str | None, code: str, message: str) -> None:
    """Other regions and accounts, contradicting qualifiers and nonsense are refused in AWS's words."""
    with pytest.raises(ServiceError) as refused:
        resolve("GetFunction", name, qualifier, CONTEXT)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_changes_are_to_latest_alone() -> None:
    """Operations on the function itself take no other qualifier than $LATEST."""
    assert resolve_function("PublishVersion", "f:$LATEST", CONTEXT) == F
    for name in ("f:1", "f:live"):
        with pytest.raises(ServiceError, match="does not support versions other than"):
            resolve_function("PublishVersion", name, CONTEXT)


def test_a_new_name_has_at_most_64_characters() -> None:
    """64 characters are a name, 65 are not; the ARN around it does not count."""
    assert resolve_new(f"arn:aws:lambda:us-east-1:000000000000:function:{'x' * 64}", CONTEXT).name == "x" * 64
    with pytest.raises(ServiceError, match="less than or equal to 64"):
        resolve_new("x" * 65, CONTEXT)


NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
QUALIFIERS = st.none() | st.just("$LATEST") | st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)


@given(name=NAMES, qualifier=QUALIFIERS, account=st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_an_arn_is_parsed_into_its_parts(name: str, qualifier: str | None, account: str) -> None:
    """Whatever the name, account and qualifier, the ARN built from them is taken apart into the same."""
    function = FunctionId(account=account, region="eu-central-1", name=name)
    found = parse_function_reference(function.arn if qualifier is None else function.qualified_arn(qualifier))
    assert found is not None
    assert (found.name, found.qualifier, found.account, found.region) == (name, qualifier, account, "eu-central-1")


@settings(deadline=None)  # the first example reads the service model
@given(text=st.text(alphabet=st.sampled_from("ab1-:_$.LATESfunctionarw "), max_size=60) | st.text(max_size=20))
def test_we_take_what_the_service_model_takes(text: str) -> None:
    """A reference is parsed exactly when the model's pattern for it matches."""
    pattern = load_service_model("lambda").shapes["NamespacedFunctionName"].pattern
    assert pattern is not None
    assert (parse_function_reference(text) is not None) == (re.fullmatch(pattern, text, re.ASCII) is not None)
