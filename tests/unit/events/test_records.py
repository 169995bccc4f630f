"""What destinations and dead-letter queues are told, in AWS's form."""

import json

from hypothesis import given
from hypothesis import strategies as st

from midge.events import records
from midge.model.functions import FunctionId
from midge.queue.port import AsyncEvent

EVENT = AsyncEvent(
    number=1,
    function=FunctionId(account="123456789012", region="us-east-2", name="my-function"),
    qualifier=None,
    request_id="e4b46cbf-b738-xmpl-8880-a18cdf61200e",
    trace_id="",
    payload=b'{"ORDER_IDS": ["9e07af03"]}',
    accepted_seconds=1_573_754_766.0,
    due_seconds=1_573_754_766.0,
    attempts=2,
)


def test_the_record_of_a_failure() -> None:
    """It has the members that AWS documents, the request and the response as JSON, and the qualified ARN."""
    text = records.record(
        EVENT,
        "RetriesExhausted",
        1_573_755_138.105,
        invocations=3,
        executed_version="$LATEST",
        function_error="Unhandled",
        response=b'{"errorMessage": "no"}',
    )
    assert json.loads(text) == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:12:18.105Z",
        "requestContext": {
            "requestId": EVENT.request_id,
            "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"ORDER_IDS": ["9e07af03"]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "no"},
    }


def test_an_event_that_never_ran_has_no_response() -> None:
    """Too old before any attempt: there is nothing to tell of a response."""
    text = records.record(
        EVENT, "EventAgeExceeded", 1.0, invocations=0, executed_version=None, function_error=None, response=None
    )
    assert not {"responseContext", "responsePayload"} & json.loads(text).keys()


def test_a_success_names_no_error() -> None:
    """``functionError`` is there for failures alone, and an empty answer is null."""
    text = records.record(EVENT, "Success", 1.0, invocations=1, executed_version="7", function_error=None, response=b"")
    document = json.loads(text)
    assert document["responseContext"] == {"statusCode": 200, "executedVersion": "7"}
    assert document["responsePayload"] is None


@given(
    st.none() | st.binary(max_size=2_000) | st.text().map(lambda text: json.dumps({"errorMessage": text}).encode()),
    st.sampled_from(["RetriesExhausted", "EventAgeExceeded", "RecursiveLoop"]),
)
def test_a_dead_letter_s_attributes(response: bytes | None, condition: str) -> None:
    """Whatever the function answered, there are three attributes, none empty, the message of at most 1 KB of text."""
    attributes = records.dead_letter_attributes(EVENT, response, condition)
    assert attributes.keys() == {"RequestID", "ErrorCode", "ErrorMessage"}
    assert attributes["RequestID"]["StringValue"] == EVENT.request_id
    assert attributes["ErrorCode"]["StringValue"] == ("429" if response is None else "200")
    assert 1 <= len(attributes["ErrorMessage"]["StringValue"]) <= 1024
