"""Which functions a chain of requests has passed, and how often: the ``Lineage`` of a trace header. Pure.

A function's SDK sends the trace header of the event that it works on along with what it calls, so a header that comes
in tells what led to it: ``Root=…;Parent=…;Sampled=0;Lineage=a87bd80c:1|68fd508a:0``, each function by eight digits and
the number of times it was passed again. AWS documents this form, calls it its own affair, and uses it to end loops.
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html and
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

import hashlib
import re

_FUNCTIONS = 16
"""In one lineage; a longer loop is not seen as one."""
_KEY = b"Lineage="
_ENTRY = re.compile(rb"([0-9a-f]{8}):([0-9]{1,5})")


def mark(function_arn: str) -> bytes:
    """What stands for a function, or for the function of a version or alias, in a lineage."""
    unqualified = ":".join(function_arn.split(":", 7)[:7])
    return hashlib.sha256(unqualified.encode()).hexdigest()[:8].encode()


def follow(trace_id: bytes, function: bytes) -> tuple[bytes, int]:
    """The header for an invocation of the function that ``mark`` made ``function`` of, and how often it was passed before.

    What does not look like a lineage is left out.
    """
    before, found, rest = trace_id.partition(_KEY)
    if not found:
        return b"%b;Lineage=%b:0" % (trace_id, function), 0
    lineage, more, behind = rest.partition(b";")
    passed: dict[bytes, int] = {}
    for entry in lineage.replace(b"%7C", b"|").split(b"|", 4 * _FUNCTIONS):  # boto3 quotes the bar
        match = _ENTRY.fullmatch(entry)
        if match is not None:
            passed[match[1]] = int(match[2])
    times = passed[function] + 1 if function in passed else 0
    passed[function] = times
    while len(passed) > _FUNCTIONS:
        del passed[next(each for each in passed if each != function)]
    entries = b"|".join(b"%b:%d" % entry for entry in passed.items())
    return b"%b%b%b%b%b" % (before, _KEY, entries, more, behind), times


def cut(trace_id: bytes) -> bytes:
    """The header without its lineage: what follows begins a chain of its own."""
    before, found, rest = trace_id.partition(_KEY)
    if not found:
        return trace_id
    behind = rest.partition(b";")[2]
    return before + behind if behind else before.removesuffix(b";")
