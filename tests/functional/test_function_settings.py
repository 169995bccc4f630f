"""What holds for a function as a whole, on a server as a user starts it: it acts, and is still there after a restart."""

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from functional.server import ROLE, make_zip

SLOW = "import time\n\ndef handler(event, context):\n    time.sleep(1)\n    return 1\n"
AT_ONCE = 6
THROTTLED = "429 ReservedFunctionConcurrentInvocationLimitExceeded"


@pytest.mark.needs("namespaces")
def test_reserved_concurrency_limits_and_lasts(start_midge: Callable[..., Any]) -> None:
    """With one place reserved not all of six calls at once run, whatever their version; 0 still refuses after a restart."""
    first = start_midge()
    client = first.client(max_pool_connections=AT_ONCE)
    client.create_function(
        FunctionName="slow", Runtime="python3.11", Handler="app.handler", Role=ROLE, Timeout=10, Publish=True,
        Code={"ZipFile": make_zip({"app.py": SLOW})},
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName="slow", WaiterConfig={"Delay": 1})
    client.get_waiter("published_version_active").wait(FunctionName="slow", Qualifier="1", WaiterConfig={"Delay": 1})
    client.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=1)

    def call(number: int) -> str:
        try:
            answer = client.invoke(FunctionName="slow", Qualifier=("$LATEST", "1")[number % 2])
        except client.exceptions.TooManyRequestsException as error:
            return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Reason']}"
        return str(json.loads(answer["Payload"].read()))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(call, range(AT_ONCE)))
    assert set(outcomes) == {"1", THROTTLED}

    client.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=0)
    first.stop()
    client = start_midge(data_dir=first.data_dir).client()
    client.get_waiter("function_active_v2").wait(FunctionName="slow", WaiterConfig={"Delay": 1})
    assert client.get_function(FunctionName="slow")["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    assert call(0) == THROTTLED
    client.delete_function_concurrency(FunctionName="slow")
    assert call(0) == "1"


@pytest.mark.needs("namespaces")
def test_the_rate_of_requests_is_limited_and_can_be_switched_off(start_midge: Callable[..., Any]) -> None:
    """One place is ten requests a second, also through a function URL; with the rate switched off there is no limit."""
    first = start_midge()
    client = first.client()
    client.create_function(
        FunctionName="quick", Runtime="python3.11", Handler="app.handler", Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": "def handler(event, context):\n    return 1\n"})},
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName="quick", WaiterConfig={"Delay": 1})
    client.put_function_concurrency(FunctionName="quick", ReservedConcurrentExecutions=1)
    url = client.create_function_url_config(FunctionName="quick", AuthType="NONE")["FunctionUrl"]

    with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
        for _ in range(200):
            client.invoke(FunctionName="quick")
    answer = refused.value.response
    assert answer["Reason"] == "ReservedFunctionInvocationRateLimitExceeded"
    assert answer["retryAfterSeconds"] == "1"
    assert answer["Error"]["Message"] == "Rate Exceeded."
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", first.port)
    answers: set[tuple[int, str | None]] = set()
    for _ in range(200):
        connection.request("GET", "/", headers={"Host": parts.netloc})
        reply = connection.getresponse()
        reply.read()
        answers.add((reply.status, reply.headers["Retry-After"]))
    assert (429, "1") in answers

    first.stop()
    client = start_midge(data_dir=first.data_dir, MIDGE_LIMITS_REQUESTS_PER_SECOND_PER_CONCURRENCY="0").client()
    for _ in range(100):
        assert client.invoke(FunctionName="quick")["StatusCode"] == 200
