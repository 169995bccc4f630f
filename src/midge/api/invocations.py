"""The Invoke operation: what its parameters mean, and the refusals that come before a function runs.

Called directly by the listener: an invocation costs no task, but for the first of a function since the start, which
waits until the function has been loaded, and for an asynchronous one, which waits for the disk. Payloads are checked to be JSON, as AWS
does, without being decoded, and are passed on as the bytes they came in.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

import msgspec
import structlog

from midge.api.acceptance import AcceptEvent, new_event, put
from midge.clock import Clock
from midge.invoke.invocation import Invocation, Target
from midge.invoke.outcome import ACCEPTED, DRY_RUN, Done, service_failure
from midge.invoke.recursion import RecursiveLoops, recursive_invocation
from midge.invoke.router import Router
from midge.invoke.streaming import ResponseSink
from midge.invoke.tenants import tenant_missing, tenant_unwanted
from midge.model.errors import ServiceError, invalid_parameter, not_found, not_supported
from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.queue.port import AsyncEvent
from midge.tasks import TaskOwner

_TENANT_ID_BYTES = 256
_TENANT_ID = re.compile(rb"[a-zA-Z0-9._:/=+\-@ ]{1,%d}" % _TENANT_ID_BYTES)
_check_json = msgspec.json.Decoder(msgspec.Raw).decode


def payload_too_large(limit_bytes: int) -> ServiceError:
    """An event above the limit."""
    return ServiceError(
        "RequestTooLargeException",
        f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation",
        Type="User",
    )


def refuse_unsupported() -> NoReturn:
    """Raise InvalidParameterValueException for the name of a durable execution."""
    raise not_supported("the parameter DurableExecutionName")


class InvokeParameters(msgspec.Struct, gc=False):
    """The operation's parameters apart from the function, as they stand on the wire; None where not given."""

    invocation_type: bytes | None = None
    log_type: bytes | None = None
    client_context: bytes | None = None
    tenant_id: bytes | None = None


NO_PARAMETERS = InvokeParameters()
_EVENT = b"Event"


Loader = Callable[[FunctionId, str | None], Awaitable[None]]
"""Lets the router know of what a function and a qualifier name, if there is any. Raises ServiceError."""


class Invocations:
    """Entrance of every invocation. ``accept`` takes what is invoked asynchronously."""

    def __init__(
        self,
        router: Router,
        limits: Limits,
        load: Loader,
        tasks: TaskOwner,
        *,
        accept: AcceptEvent,
        loops: RecursiveLoops,
        clock: Clock,
    ) -> None:
        self._accept = accept
        self._loops = loops
        self._clock = clock
        self._router = router
        self._limits = limits
        self._load = load
        self._tasks = tasks

    def invoke(
        self,
        function: FunctionId,
        qualifier: str | None,
        payload: bytes,
        parameters: InvokeParameters,
        *,
        request_id: bytes,
        trace_id: bytes,
        done: Done,
        sink: ResponseSink | None = None,
    ) -> None:
        """Begin an invocation; ``done`` is called when it has ended, which a DryRun has at once, and an Event when it is
        on disk.

        With ``sink`` the response is taken part by part, if the function streams it. Raises ServiceError for what is refused at once; then ``done`` is not called.
        """
        kind = parameters.invocation_type
        if kind is not None and kind != b"RequestResponse":
            self._other_type(kind, streaming=sink is not None)
        limit_bytes = self._limits.async_payload_bytes if kind == _EVENT else self._limits.payload_bytes
        if len(payload) > limit_bytes:
            raise payload_too_large(limit_bytes)
        if payload:
            validate_payload(payload)
        log_type, context, tenant = parameters.log_type, parameters.client_context, parameters.tenant_id
        tail = log_type is not None and _wants_tail(log_type)
        client_context = None if context is None else self._client_context(context)
        if tenant is not None and not _TENANT_ID.fullmatch(tenant):
            raise _not_a_tenant(tenant)
        target = self._router.find(function, qualifier)
        if kind == _EVENT:
            event = new_event(
                function, qualifier, payload, self._clock.now(), request_id=request_id.decode(),
                trace_id=trace_id.decode("latin-1"), client_context=client_context,
                tenant_id=None if tenant is None else tenant.decode("ascii"),
            )  # fmt: skip
            self._tasks.start(self._load_and_accept(event, done, target))
            return
        if target is not None:
            if kind == b"DryRun":
                check_tenant(target, tenant)
                done(DRY_RUN)
                return
            if tenant is not None:
                check_tenant(target, tenant)
            trace_id, goes_on = self._loops.follow(trace_id, target.mark)
            invocation = Invocation(
                target, request_id, trace_id, payload or b"{}", done, tail, client_context, None, sink, tenant
            )
            if goes_on:
                self._tasks.start(self._go_on_with_loop(function, invocation))
            else:
                target.pool.submit(invocation)
            return
        make = partial(
            Invocation, request_id=request_id, trace_id=trace_id, payload=payload or b"{}", done=done, tail=tail,
            client_context=client_context, sink=sink, tenant_id=tenant,
        )  # fmt: skip
        self._tasks.start(self._load_and_invoke(function, qualifier, None if kind == b"DryRun" else make, done, tenant))

    async def _load_and_accept(self, event: AsyncEvent, done: Done, target: Target | None) -> None:
        """Have an event of a function that exists accepted; every error goes to ``done``."""
        function, qualifier = event.function, event.qualifier
        try:
            if target is None:
                await self._load(function, qualifier)
                target = self._router.find(function, qualifier)
            if target is None:
                raise not_found(function.arn if qualifier is None else function.qualified_arn(qualifier))
            check_tenant(target, event.tenant_id)
            await put(self._accept, event)
        except ServiceError as error:
            done(error)
        except Exception:  # noqa: BLE001 - a mistake of ours must not leave the caller without an answer
            structlog.get_logger("midge.api").exception("event_not_accepted", function=function.arn)
            done(service_failure())
        else:
            done(ACCEPTED)

    async def _load_and_invoke(
        self,
        function: FunctionId,
        qualifier: str | None,
        make: Callable[[Target], Invocation] | None,
        done: Done,
        tenant: bytes | None,
    ) -> None:
        """As ``invoke`` for what the router does not know yet; here every error goes to ``done``."""
        try:
            await self._load(function, qualifier)
            target = self._router.find(function, qualifier)
            if target is None:
                raise not_found(function.arn if qualifier is None else function.qualified_arn(qualifier))
            check_tenant(target, tenant)
            if make is not None:
                invocation = make(target)
                invocation.trace_id, goes_on = self._loops.follow(invocation.trace_id, target.mark)
                if goes_on and await self._loops.ends(function):
                    raise recursive_invocation()
                target.pool.submit(invocation)
                return
        except ServiceError as error:
            done(error)
        except Exception:  # noqa: BLE001 - a mistake of ours must not leave the caller without an answer
            structlog.get_logger("midge.api").exception("function_not_loaded", function=function.arn)
            done(service_failure())
        else:
            done(DRY_RUN)

    async def _go_on_with_loop(self, function: FunctionId, invocation: Invocation) -> None:
        """Run what continues a recursive loop, if the function allows that; every error goes to ``done``."""
        try:
            if await self._loops.ends(function):
                raise recursive_invocation()
            invocation.target.pool.submit(invocation)
        except ServiceError as error:
            invocation.done(error)
        except Exception:  # noqa: BLE001 - a mistake of ours must not leave the caller without an answer
            structlog.get_logger("midge.api").exception("loop_not_decided", function=function.arn)
            invocation.done(service_failure())

    @staticmethod
    def _other_type(kind: bytes, *, streaming: bool) -> None:
        if streaming and kind != b"DryRun":
            raise _not_in_enum(kind, "invocationType", "[RequestResponse, DryRun]")
        if kind not in {_EVENT, b"DryRun"}:
            raise _not_in_enum(kind, "invocationType", "[Event, RequestResponse, DryRun]")

    def _client_context(self, encoded: bytes) -> bytes:
        """The document in plain JSON on one line, as the Runtime API carries it."""
        if len(encoded) > self._limits.client_context_bytes:
            raise invalid_parameter(f"Client context must be smaller than {self._limits.client_context_bytes} bytes.")
        try:
            document = msgspec.json.format(base64.b64decode(encoded, validate=True), indent=-1)
        except (binascii.Error, msgspec.DecodeError, RecursionError):
            raise ServiceError(
                "InvalidRequestContentException",
                "Client context must be a valid Base64-encoded JSON object.",
                Type="User",
            ) from None
        if b"\r" in document or b"\n" in document or b"\x00" in document:
            raise invalid_parameter("Client context must not contain control characters.")
        return document


def check_tenant(target: Target, tenant: bytes | str | None) -> None:
    """Raise InvalidParameterValueException for a tenant where none is wanted, and for none where one is."""
    if target.pool.per_tenant != (tenant is not None):
        raise tenant_missing() if tenant is None else tenant_unwanted()


def _not_a_tenant(tenant: bytes) -> ServiceError:
    text = tenant.decode("latin-1")
    constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9\\._:\\/=+\\-@ ]+"
    if len(tenant) > _TENANT_ID_BYTES:
        constraint = f"Member must have length less than or equal to {_TENANT_ID_BYTES}"
    elif not tenant:
        constraint = "Member must have length greater than or equal to 1"
    return ServiceError(
        "ValidationException",
        f"1 validation error detected: Value '{text}' at 'tenantId' failed to satisfy constraint: {constraint}",
    )


def _wants_tail(log_type: bytes) -> bool:
    if log_type not in {b"Tail", b"None"}:
        raise _not_in_enum(log_type, "logType", "[Tail, None]")
    return log_type == b"Tail"


def _not_in_enum(value: bytes, member: str, values: str) -> ServiceError:
    text = value.decode("latin-1")
    return ServiceError(
        "ValidationException",
        f"1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: {values}",
    )


def validate_payload(payload: bytes) -> None:
    """Raise InvalidRequestContentException for what is no JSON."""
    try:
        _check_json(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ServiceError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            Type="User",
        ) from None
