"""One invocation on its way, and what it is aimed at."""

from typing import Protocol

import msgspec

from midge.clock import Clock
from midge.invoke import lineage
from midge.invoke.outcome import Done
from midge.invoke.streaming import ResponseSink, StreamedResponse
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.runtime_api.session import StreamSource


class InvocationPool(Protocol):
    """Where invocations of one function version go."""

    @property
    def per_tenant(self) -> bool:
        """Whether an invocation has to name its tenant; else it must not."""
        ...

    def submit(self, invocation: "Invocation") -> None:
        """Run it now or when an environment is free. Raises ServiceError when it may not even wait."""
        ...

    def withdraw(self, invocation: "Invocation", error: ServiceError) -> None:
        """End it with ``error`` if it still waits; one that runs goes on."""
        ...


class Target(msgspec.Struct, frozen=True):
    """What a function name with a qualifier means at the moment.

    ``event_head`` is the part of the runtime's event that is the same for every invocation of this target.
    """

    pool: InvocationPool
    invoked_arn: str
    executed_version: bytes
    event_head: bytes
    mark: bytes
    """Of the function, in a chain of requests."""


def make_target(pool: InvocationPool, invoked_arn: str, version: str) -> Target:
    """A target whose functions see ``invoked_arn`` as the ARN they were called by."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invoked_arn}\r\nLambda-Runtime-Aws-Request-Id: "
    )
    return Target(
        pool=pool,
        invoked_arn=invoked_arn,
        executed_version=version.encode(),
        event_head=head.encode(),
        mark=lineage.mark(invoked_arn),
    )


# msgspec.Struct and not a dataclass: one is made per invocation, at a third of the cost.
class Invocation(msgspec.Struct):
    """``client_context`` and ``cognito_identity`` are JSON documents without line breaks."""

    target: Target
    request_id: bytes
    trace_id: bytes
    payload: bytes
    done: Done
    tail: bool = False
    client_context: bytes | None = None
    cognito_identity: bytes | None = None
    sink: ResponseSink | None = None
    """Takes the response part by part, if the caller wants it so."""
    tenant_id: bytes | None = None
    asks_before: int = 0
    """How often room in memory had been asked for when it began to wait."""
    asynchronous: bool = False
    """Whether nobody waits for its response: AWS's rate of requests is for those that somebody waits for."""
    streamed: StreamedResponse | None = None
    """What ``sink`` is being given."""
    provisioned: bool = False
    """It has one of the places that are provisioned for its version."""
    init_seconds: float | None = None
    """How long the initialisation took that is billed with it."""

    def stream(
        self, source: StreamSource, content_type: bytes, clock: Clock, limits: Limits
    ) -> StreamedResponse | None:
        """Begin to give ``sink`` the response that comes from ``source``; None if there is nobody to take it so."""
        if self.sink is None:
            return None
        self.streamed = StreamedResponse(source, self.sink, clock, limits)
        self.sink.begin(self.streamed, content_type, self.target.executed_version)
        return self.streamed

    def close_stream(self) -> None:
        """The invocation has ended, whether it has streamed or not."""
        if self.streamed is not None:
            self.streamed.close()

    def event_head(self, deadline_ms: int) -> bytes:
        """The head of the HTTP response that carries this event to a runtime."""
        head = b"%b%b\r\nLambda-Runtime-Deadline-Ms: %d\r\nLambda-Runtime-Trace-Id: %b\r\nContent-Length: %d\r\n" % (
            self.target.event_head,
            self.request_id,
            deadline_ms,
            self.trace_id,
            len(self.payload),
        )
        if self.client_context is not None:
            head += b"Lambda-Runtime-Client-Context: %b\r\n" % self.client_context
        if self.cognito_identity is not None:
            head += b"Lambda-Runtime-Cognito-Identity: %b\r\n" % self.cognito_identity
        if self.tenant_id is not None:
            head += b"Lambda-Runtime-Aws-Tenant-Id: %b\r\n" % self.tenant_id
        return head + b"\r\n"
