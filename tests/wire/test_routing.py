"""Which operation a request line means."""

from urllib.parse import quote

import msgspec
import pytest

from midge.wire.model import ServiceModel
from midge.wire.routing import Router, unknown_operation

_ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f:LIVE"


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/2015-03-31/functions", "ListFunctions"),
        ("GET", "/2015-03-31/functions/", "ListFunctions"),
        ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("GET", "/2015-03-31/functions/f", "GetFunction"),
        ("POST", "/2015-03-31/functions/f/invocations", "Invoke"),
        ("POST", "/2015-03-31/functions/f/invocations/", "Invoke"),
        ("POST", "/2014-11-13/functions/f/invoke-async/", "InvokeAsync"),
        ("POST", "/2021-11-15/functions/f/response-streaming-invocations", "InvokeWithResponseStream"),
        ("PUT", "/2017-10-31/functions/f/concurrency", "PutFunctionConcurrency"),
        ("GET", "/2019-09-30/functions/f/concurrency", "GetFunctionConcurrency"),
        ("GET", "/2019-09-30/functions/f/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
        ("GET", "/2019-09-30/functions/f/provisioned-concurrency?List=ALL", "ListProvisionedConcurrencyConfigs"),
        ("GET", "/2018-10-31/layers", "ListLayers"),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a", "GetLayerVersionByArn"),
        ("GET", "/2019-09-25/functions/f/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
        ("GET", "/2019-09-25/functions/list/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ],
)
def test_the_operation_is_found(router: Router, method: str, target: str, operation: str) -> None:
    """Method, date, path and query constants together tell the operations apart."""
    path, _, query = target.partition("?")
    match = router.match(method, path, query)
    assert match is not None
    assert match.operation.name == operation


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2016-01-01/functions"),
        ("GET", "/2015-03-31/functions/f/unknown"),
        ("GET", "/2017-10-31/functions/f/concurrency"),
        ("GET", "/2015-03-31/functions//aliases"),
        ("GET", "/"),
        ("GET", "//2015-03-31/functions"),
        ("OPTIONS", "*"),
        ("GET", ""),
    ],
)
def test_anything_else_is_no_operation(router: Router, method: str, path: str) -> None:
    """A method or path that the model does not have matches nothing."""
    assert router.match(method, path) is None


@pytest.mark.parametrize("encoded", [_ARN, quote(_ARN, safe=""), quote(_ARN, safe="").lower()])
def test_an_arn_is_one_label(router: Router, encoded: str) -> None:
    """Colons in a label may be percent-encoded or not, in either case of the digits."""
    match = router.match("GET", f"/2015-03-31/functions/{encoded}/configuration")
    assert match is not None
    assert match.labels["FunctionName"].lower() == _ARN.lower()


def test_an_encoded_slash_stays_in_its_label(router: Router) -> None:
    """%2F is part of the label, not of the path."""
    match = router.match("GET", "/2025-12-01/durable-executions/a%2Fb%2Fc")
    assert match is not None
    assert match.labels == {"DurableExecutionArn": "a/b/c"}


def test_a_greedy_label_takes_slashes(model: ServiceModel) -> None:
    """A label written {Key+} takes as many segments as leave room for the rest of the template."""
    invoke = model.operations["Invoke"]
    operation = msgspec.structs.replace(
        invoke, http=msgspec.structs.replace(invoke.http, method="GET", request_uri="/b/{Bucket}/k/{Key+}/end")
    )
    router = Router(msgspec.structs.replace(model, operations={"Invoke": operation}))
    match = router.match("GET", "/b/one/k/x/y%2Fz/end")
    assert match is not None
    assert match.labels == {"Bucket": "one", "Key": "x/y/z"}
    assert router.match("GET", "/b/one/k/end") is None


def test_no_operation_is_answered_as_aws_does() -> None:
    """The error for an unknown method or path is AWS's AccessDeniedException."""
    error = unknown_operation()
    assert error.code == "AccessDeniedException"
    assert error.message == "Unable to determine service/operation name to be authorized"
