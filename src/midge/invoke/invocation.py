"""One invocation on its way, and what it is aimed at."""

from typing import Protocol

import msgspec

from midge.invoke.outcome import Done


class InvocationPool(Protocol):
    """Where invocations of one function version go."""

    @property
    def per_tenant(self) -> bool:
        """Whether an invocation has to name its tenant; else it must not."""
        ...

    def submit(self, invocation: "Invocation") -> None:
        """Run it now or when an environment is free. Raises ServiceError when it may not even wait."""
        ...


class Target(msgspec.Struct, frozen=True):
    """What a function name with a qualifier means at the moment.

    ``event_head`` is the part of the runtime's event that is the same for every invocation of this target.
    """

    pool: InvocationPool
    invoked_arn: str
    executed_version: bytes
    event_head: bytes


def make_target(pool: InvocationPool, invoked_arn: str, version: str) -> Target:
    """A target whose functions see ``invoked_arn`` as the ARN they were called by."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invoked_arn}\r\nLambda-Runtime-Aws-Request-Id: "
    )
    return Target(pool=pool, invoked_arn=invoked_arn, executed_version=version.encode(), event_head=head.encode())


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
    tenant_id: bytes | None = None

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
