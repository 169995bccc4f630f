"""The AWS endpoint over the bytes of a connection, down to fake runtimes."""

from dataclasses import replace
from pathlib import Path

import pytest
from unit.site import INVOKE, SIGNED, Site, on_site, parse, request
from unit.world import FUNCTION, VERSION, World, in_world

from midge.http.hosts import HostRules
from midge.invoke.lineage import mark
from midge.model.limits import Limits
from midge.sandbox.fake import FakeSandbox, do_nothing

MARK = mark(FUNCTION.arn).decode()


def test_an_invocation_is_answered(tmp_path: Path) -> None:
    """The answer of an invocation has the function's payload and AWS's headers."""

    async def scenario(site: Site) -> None:
        answer = await site.ask(request(INVOKE, b'{"a": 1}'))
        assert (answer.status, answer.body) == (200, b'{"a": 1}')
        assert answer.headers["x-amz-executed-version"] == "$LATEST"
        assert answer.headers["x-amzn-requestid"] == site.world.runtime.events[0].request_id
        seen = site.world.runtime.events[0].headers["lambda-runtime-trace-id"]
        assert seen == f"{answer.headers['x-amzn-trace-id']};Lineage={MARK}:0"
        assert "x-amz-function-error" not in answer.headers

    on_site(tmp_path, scenario)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_segments_may_be_of_any_size(tmp_path: Path, size: int) -> None:
    """However the bytes are cut, two requests on one connection get two answers."""

    async def scenario(site: Site) -> None:
        data = request(INVOKE, b'"1"') + request(INVOKE, b'"2"')
        for start in range(0, len(data), size):
            site.send(data[start : start + size])
        await site.world.settle()
        await site.world.settle()
        assert [answer.body for answer in parse(site.transport.written)] == [b'"1"', b'"2"']

    on_site(tmp_path, scenario)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """Requests sent together are answered one after the other; reading stops while they wait."""

    async def scenario(site: Site) -> None:
        site.send(
            b"".join(request(INVOKE, b"%d" % number) for number in range(5)) + request("/_midge/health", method="GET")
        )
        assert site.transport.paused
        for _ in range(6):
            await site.world.settle()
        answers = parse(site.transport.written)
        assert [answer.body for answer in answers[:5]] == [b"0", b"1", b"2", b"3", b"4"]
        assert answers[5].document()["status"] == "ok"
        assert not site.transport.paused
        assert len(site.world.sandbox.runtimes) == 1

    on_site(tmp_path, scenario)


def test_too_many_pipelined_requests_end_the_connection(tmp_path: Path) -> None:
    """What is pipelined above the limit is refused after the answers to what came before."""

    async def scenario(site: Site) -> None:
        site.send(b"".join(request(INVOKE, b"1") for _ in range(10)))
        for _ in range(8):
            await site.world.settle()
        answers = parse(site.transport.written)
        assert [answer.status for answer in answers] == [200] * 4 + [429]
        assert site.transport.closed

    on_site(tmp_path, scenario, limits=Limits(pipelined_requests=3))


def test_a_client_that_leaves_does_not_stop_its_invocation(tmp_path: Path) -> None:
    """The function runs to its end; the answer is dropped."""

    async def scenario(site: Site) -> None:
        site.send(request())
        await site.world.settle()
        site.connection.connection_lost(None)
        site.world.runtime.respond(b"1", then_next=True)
        await site.world.settle()
        assert site.transport.written == b""
        assert site.world.metrics.function("work").invocations == 1
        assert site.world.platform.concurrency.total() == 0

    on_site(tmp_path, scenario, FakeSandbox(do_nothing))


def test_a_recursive_loop_ends(tmp_path: Path) -> None:
    """The seventeenth invocation in a chain of requests is refused and counted, unless the function allows loops."""

    async def scenario(site: Site) -> None:
        chain = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
        for times in range(16):
            answer = await site.ask(request(INVOKE, b"{}", f"X-Amzn-Trace-Id: {chain}"))
            assert answer.status == 200
            chain = site.world.runtime.events[-1].headers["lambda-runtime-trace-id"]
            assert chain.endswith(f";Lineage={MARK}:{times}")
        answer = await site.ask(request(INVOKE, b"{}", f"X-Amzn-Trace-Id: {chain}"))
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "RecursiveInvocationException")
        assert len(site.world.runtime.events) == 16
        assert site.world.metrics.function(FUNCTION.name).recursive_invocations_dropped == 1
        site.looping.add(FUNCTION)
        answer = await site.ask(request(INVOKE, b"{}", f"X-Amzn-Trace-Id: {chain}"))
        assert answer.status == 200

    on_site(tmp_path, scenario)


def test_a_recursive_loop_ends_at_a_function_that_is_not_loaded_yet(tmp_path: Path) -> None:
    """What is looked up first is refused all the same."""

    async def scenario(site: Site) -> None:
        site.stored[FUNCTION] = [VERSION]
        chain = f"X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Lineage={MARK}:15"
        answer = await site.ask(request(INVOKE, b"{}", chain))
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "RecursiveInvocationException")

    on_site(tmp_path, scenario)


def test_invoke_headers_are_honoured(tmp_path: Path) -> None:
    """The tail, the client context and the caller's trace id go where AWS puts them."""

    async def scenario(site: Site) -> None:
        trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
        headers = ("X-Amz-Log-Type: Tail", "x-amz-client-context: eyJhIjoKIDF9", f"X-AMZN-TRACE-ID: {trace}")
        answer = await site.ask(request(INVOKE, b"{}", *headers))
        assert answer.headers["x-amz-log-result"]
        assert answer.headers["x-amzn-trace-id"] == trace
        event = site.world.runtime.events[0]
        assert event.headers["lambda-runtime-client-context"] == '{"a":1}'
        assert event.headers["lambda-runtime-trace-id"] == f"{trace};Lineage={MARK}:0"

    on_site(tmp_path, scenario)


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        ("X-Amz-Invocation-Type: DryRun", 204, ""),
        ("X-Amz-Invocation-Type: Other", 400, "Member must satisfy enum value set"),
        ("X-Amz-Log-Type: Other", 400, "Member must satisfy enum value set"),
        ("X-Amz-Client-Context: e", 400, "valid Base64-encoded JSON"),
        ("X-Amz-Client-Context: " + "e" * 4000, 400, "Client context must be smaller"),
    ],
)
def test_invocation_parameters_are_checked(tmp_path: Path, header: str, status: int, text: str) -> None:
    """DryRun runs nothing; what is not supported or not valid is refused by name and runs nothing."""

    async def scenario(site: Site) -> None:
        answer = await site.ask(request(INVOKE, b"{}", header))
        assert answer.status == status
        assert text in answer.body.decode()
        assert not site.world.sandbox.runtimes

    on_site(tmp_path, scenario)


def test_an_event_is_answered_when_it_is_accepted(tmp_path: Path) -> None:
    """202 without a body, for an event that carries what the caller gave; nothing runs in the caller's time."""

    async def scenario(site: Site) -> None:
        answer = await site.ask(request(INVOKE, b'{"a": 1}', "X-Amz-Invocation-Type: Event"))
        assert (answer.status, answer.body) == (202, b"")
        (event,) = site.accepted
        assert (event.payload, event.request_id) == (b'{"a": 1}', answer.headers["x-amzn-requestid"])
        assert event.trace_id == answer.headers["x-amzn-trace-id"]
        assert not site.world.sandbox.runtimes

    on_site(tmp_path, scenario)


@pytest.mark.parametrize("body", [b"{", b"nul", b"{}x", b"[" * 100_000])
def test_payloads_must_be_json(tmp_path: Path, body: bytes) -> None:
    """What is not JSON is InvalidRequestContentException, as on AWS; nothing runs."""

    async def scenario(site: Site) -> None:
        answer = await site.ask(request(INVOKE, body))
        assert answer.headers["x-amzn-errortype"] == "InvalidRequestContentException"
        assert answer.document()["message"].startswith("Could not parse request body into json: ")
        assert not site.world.sandbox.runtimes

    on_site(tmp_path, scenario)


def test_an_empty_payload_is_an_empty_document(tmp_path: Path) -> None:
    """A call without a payload gives the function {}."""

    async def scenario(site: Site) -> None:
        await site.ask(request(INVOKE, b""))
        assert site.world.runtime.events[0].payload == b"{}"

    on_site(tmp_path, scenario)


def test_a_client_that_is_done_is_let_go(tmp_path: Path) -> None:
    """A client that closes its side reads every answer it has asked for, and then the connection is closed."""

    async def scenario(world: World) -> None:
        site = Site(world)
        world.put()
        site.send(request() * 3)
        assert site.connection.eof_received()
        await world.settle()
        assert [answer.status for answer in parse(site.transport.written)] == [200, 200, 200]
        assert site.transport.closed
        idle, _ = site.connect()
        assert not idle.eof_received()
        half, transport = site.connect()
        half.data_received(request("/bucket/key", b"whole", method="PUT")[:-2])
        assert not half.eof_received()
        assert transport.aborted

    in_world(tmp_path, scenario)


def test_what_was_not_used_since_the_start_is_loaded(tmp_path: Path) -> None:
    """A function's first invocation waits until it is loaded, a DryRun as well; what is missing or fails is told."""

    async def scenario(world: World) -> None:
        site = Site(world)
        site.stored[FUNCTION] = [VERSION]
        dry = await site.ask(request(INVOKE, b"{}", "X-Amz-Invocation-Type: DryRun"))
        assert (dry.status, dry.body) == (204, b"")
        site.stored[FUNCTION] = [replace(VERSION, version="7")]
        answer = await site.ask(request(f"{INVOKE}?Qualifier=7", b'{"a": 1}'))
        assert (answer.status, answer.headers["x-amz-executed-version"]) == (200, "7")
        broken = await site.ask(request(f"{INVOKE}?Qualifier=broken"))
        assert broken.headers["x-amzn-errortype"] == "ServiceException"
        missing = await site.ask(request(f"{INVOKE}?Qualifier=8"))
        assert (missing.status, missing.document()["message"]) == (404, f"Function not found: {FUNCTION.arn}:8")

    in_world(tmp_path, scenario)


def test_an_account_of_twelve_digits_has_its_own_functions(tmp_path: Path) -> None:
    """An access key id of twelve digits is that account; any other stands for the default one."""

    async def scenario(world: World) -> None:
        site = Site(world)
        world.put()
        world.put(function=replace(FUNCTION, account="111111111111"), version="1")

        async def executed(key: str, qualifier: str) -> int:
            signed = SIGNED.format(region="eu-west-1", service="lambda").replace("AKID", key)
            return (await site.ask(request(f"{INVOKE}?Qualifier={qualifier}", b"{}", signed))).status

        assert [await executed("AKID", "$LATEST"), await executed("AKID", "1")] == [200, 404]
        assert [await executed("111111111111", "$LATEST"), await executed("111111111111", "1")] == [404, 200]

    in_world(tmp_path, scenario)


def test_a_payload_above_the_limit_is_refused(tmp_path: Path) -> None:
    """The limit itself passes; one byte more is RequestTooLargeException, and the connection goes on."""

    async def scenario(site: Site) -> None:
        fits = await site.ask(request(INVOKE, b'"' + b"x" * 98 + b'"'))
        exceeds = await site.ask(request(INVOKE, b'"' + b"x" * 99 + b'"'))
        assert (fits.status, exceeds.status) == (200, 413)
        assert exceeds.headers["x-amzn-errortype"] == "RequestTooLargeException"
        assert "must be smaller than 100 bytes for the InvokeFunction operation" in exceeds.document()["message"]
        assert (await site.ask(request())).status == 200

    on_site(tmp_path, scenario, limits=Limits(payload_bytes=100))


@pytest.mark.parametrize(
    ("target", "signed", "status"),
    [
        ("/2015-03-31/functions/work%3A%24LATEST/invocations", None, 200),
        ("/2015-03-31/functions/work/invocations?Qualifier=%24LATEST", None, 200),
        (
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Awork/invocations",
            None,
            200,
        ),
        ("/2015-03-31/functions/123456789012%3Awork/invocations", ("eu-west-1", "lambda"), 200),
        ("/2015-03-31/functions/work/invocations", ("us-east-1", "lambda"), 404),
        ("/2015-03-31/functions/work/invocations?Qualifier=9", None, 404),
        ("/2015-03-31/functions/work%3A1/invocations?Qualifier=2", None, 400),
        ("/2015-03-31/functions/a%2Fb/invocations", None, 400),
    ],
)
def test_functions_are_named_in_every_way(
    tmp_path: Path, target: str, signed: tuple[str, str] | None, status: int
) -> None:
    """Names, ARNs and qualifiers in path and query find the function; the signature's region counts."""

    async def scenario(site: Site) -> None:
        headers = [] if signed is None else [SIGNED.format(region=signed[0], service=signed[1])]
        assert (await site.ask(request(target, b"{}", *headers))).status == status
        assert (await site.ask(request(target, b"{}", *headers))).status == status

    on_site(tmp_path, scenario)


def test_throttling_reaches_the_caller(tmp_path: Path) -> None:
    """A call above the limit is answered 429 at once."""

    async def scenario(site: Site) -> None:
        site.send(request())
        other, transport = site.connect()
        other.data_received(request())
        (answer,) = parse(transport.written)
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")

    on_site(tmp_path, scenario, FakeSandbox(do_nothing), Limits(account_concurrency=1))


def test_the_control_plane_gets_whole_requests(tmp_path: Path) -> None:
    """Other Lambda operations reach the handler with path, query, headers, body and scope."""

    async def scenario(site: Site) -> None:
        signed = SIGNED.format(region="eu-west-1", service="lambda")
        answer = await site.ask(request("/2015-03-31/functions/?Marker=a%20b", b"body", signed, "X-Two: 1", "x-two: 2"))
        ((seen, scope),) = site.seen
        assert (seen.method, seen.path, seen.query, seen.body) == (
            "POST",
            "/2015-03-31/functions/",
            "Marker=a%20b",
            b"body",
        )
        assert seen.headers["x-two"] == "1,2"
        assert scope is not None
        assert scope.region == "eu-west-1"
        assert answer.body == b"body"
        assert "injected" not in answer.headers

    on_site(tmp_path, scenario)


def test_an_operations_mistake_is_a_service_exception(tmp_path: Path) -> None:
    """An exception in an operation is answered 500 and the connection goes on."""

    async def scenario(site: Site) -> None:
        answer = await site.ask(request("/2015-03-31/broken"))
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (500, "ServiceException")
        assert (await site.ask(request())).status == 200

    on_site(tmp_path, scenario)


def test_other_services_are_streamed(tmp_path: Path) -> None:
    """A request signed for another service is opened when its head is there, and fed as its body comes."""

    async def scenario(site: Site) -> None:
        data = request("/bucket/key", b"0123456789", SIGNED.format(region="eu-west-1", service="s3"), method="PUT")
        site.send(data[:-6])
        (relayed,) = site.relay.requests
        assert (relayed.head, relayed.body, relayed.heard) == (b"PUT /bucket/key", b"0123", [])
        site.send(data[-6:])
        assert (relayed.body, relayed.heard) == (b"0123456789", ["finish"])
        site.connection.pause_writing()
        site.connection.resume_writing()
        assert relayed.heard == ["finish", "pause", "resume"]
        relayed.done(True)
        assert (await site.ask(request())).status == 200

    on_site(tmp_path, scenario)


def test_a_pipelined_request_to_another_service_waits_its_turn(tmp_path: Path) -> None:
    """A streamed request behind an unanswered one is opened when that is answered, with its whole body."""

    async def scenario(site: Site) -> None:
        signed = SIGNED.format(region="eu-west-1", service="s3")
        site.send(request() + request("/bucket/key", b"body", signed, method="PUT"))
        assert not site.relay.requests
        await site.world.settle()
        (relayed,) = site.relay.requests
        assert (relayed.body, relayed.heard) == (b"body", ["finish"])
        relayed.done(False)
        assert site.transport.closed

    on_site(tmp_path, scenario)


def test_a_client_that_leaves_ends_its_stream(tmp_path: Path) -> None:
    """When the client goes, the request to the other service is aborted."""

    async def scenario(site: Site) -> None:
        site.send(request("/bucket/key", b"", SIGNED.format(region="eu-west-1", service="s3"), method="GET"))
        site.connection.connection_lost(None)
        assert site.relay.requests[0].heard == ["finish", "abort"]

    on_site(tmp_path, scenario)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Host: localhost:4566", 200),
        ("Host: [::1]:4566", 200),
        ("Host: abc.localhost", 200),
        ("Host: midge.test:4566", 200),
        ("Host: bucket.midge.test", 200),
        ("Host: evil.example", 403),
        ("Host: localhost.evil.example", 403),
        ("Origin: https://evil.example", 403),
        ("Origin: https://console.test", 200),
        ("Origin: null", 403),
    ],
)
def test_pages_of_others_are_refused(tmp_path: Path, header: str, status: int) -> None:
    """Foreign names in Host, and web pages by their Origin, are refused unless configured."""

    async def scenario(site: Site) -> None:
        assert (await site.ask(request(INVOKE, b"{}", header))).status == status

    on_site(tmp_path, scenario, hosts=HostRules(["midge.test"], ["https://console.test"]))


def test_own_pages(tmp_path: Path) -> None:
    """Health and metrics are there on the host's side, and not inside a sandbox."""

    async def scenario(site: Site) -> None:
        await site.ask(request())
        metrics = await site.ask(request("/_midge/metrics", b"", method="GET"))
        assert b'midge_invocations_total{function="work"} 1\n' in metrics.body
        assert (await site.ask(request("/_midge/nothing", b"", method="GET"))).status == 404
        assert (await site.ask(request("/_midge/health", b"", method="DELETE"))).status == 405
        inner, transport = site.connect(site.listener.protocols(1, inside=True))
        inner.data_received(request("/_midge/metrics", b"", method="GET"))
        assert parse(transport.written)[0].status == 404

    on_site(tmp_path, scenario)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (request("/" + "x" * 20_000), 431),
        (request(INVOKE, b"{}", "X-A: " + "x" * 70_000), 431),
        (request(INVOKE, b"{}", *(f"X-{n}: 1" for n in range(200))), 431),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
    ],
)
def test_malformed_and_oversized_heads_are_refused(tmp_path: Path, data: bytes, status: int) -> None:
    """What breaks the rules of HTTP or its limits gets an answer that says so."""

    async def scenario(site: Site) -> None:
        site.send(data)
        assert parse(site.transport.written)[0].status == status

    on_site(tmp_path, scenario)


def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    """Headers that go on and on are refused when the limit is passed."""

    async def scenario(site: Site) -> None:
        site.send(b"GET / HTTP/1.1\r\n")
        for _ in range(200):
            site.send(b"X-A: " + b"x" * 1000 + b"\r\n")
        assert parse(site.transport.written)[0].status == 431
        assert site.transport.closed

    on_site(tmp_path, scenario)


def test_slow_clients_are_ended(tmp_path: Path) -> None:
    """A head or a body that does not come in time is answered 408; an idle connection is ended without a word."""

    async def scenario(site: Site) -> None:
        limits = site.world.limits
        (slow_head, head), (slow_body, body), (_, idle) = site.connect(), site.connect(), site.connect()
        slow_head.data_received(b"POST / HTTP/1.1\r\n")
        slow_body.data_received(request()[:-1])
        await site.world.advance(limits.request_head_seconds + 11)
        assert parse(head.written)[0].status == 408
        assert body.written == b""
        await site.world.advance(limits.request_body_seconds - limits.request_head_seconds)
        assert parse(body.written)[0].status == 408
        assert idle.aborted
        assert idle.written == b""

    on_site(tmp_path, scenario)


def test_a_connection_in_use_is_not_idle(tmp_path: Path) -> None:
    """A connection that waits for a long invocation, or is used now and then, is not ended."""

    async def scenario(site: Site) -> None:
        site.world.put(timeout_seconds=900)
        site.send(request())
        await site.world.advance(800)
        site.world.runtime.respond(b"1", then_next=True)
        await site.world.settle()
        assert parse(site.transport.written)[0].body == b"1"
        await site.world.advance(200)
        site.world.sandbox.on_event = lambda runtime, event: runtime.respond(event.payload, then_next=True)
        assert (await site.ask(request())).status == 200
        await site.world.advance(200)
        assert not site.transport.closed

    on_site(tmp_path, scenario, FakeSandbox(do_nothing))


def test_connections_are_counted(tmp_path: Path) -> None:
    """Connections above the limit of their entrance are ended at once; closing one makes room."""

    async def scenario(site: Site) -> None:
        factory = site.listener.protocols(1)
        first, _ = site.connect(factory)
        second, refused = site.connect(factory)
        assert refused.aborted
        for connection in (first, second):
            connection.connection_lost(None)
        assert not site.connect(factory)[1].aborted

    on_site(tmp_path, scenario)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connections_close_when_the_client_wants_it(tmp_path: Path, version: str) -> None:
    """HTTP/1.0 and Connection: close get their answer and then the end."""

    async def scenario(site: Site) -> None:
        data = request(INVOKE, b"{}", "Connection: close").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
        answer = await site.ask(data)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert site.transport.closed

    on_site(tmp_path, scenario)


def test_expect_100_continue(tmp_path: Path) -> None:
    """A client that waits to be told to go on is told so, unless it is refused anyway."""

    async def scenario(site: Site) -> None:
        data = request(INVOKE, b"{}", "Expect: 100-continue")
        site.send(data[:-2])
        assert site.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await site.ask(data[-2:])).status == 200
        site.transport.written = b""
        site.send(request(INVOKE, b"{}", "Expect: 100-continue", "Host: evil.example")[:-2])
        assert site.transport.written == b""

    on_site(tmp_path, scenario)


def test_upgrades_are_not_taken_up(tmp_path: Path) -> None:
    """A client that offers h2c gets an HTTP/1.1 answer, and so does what it sends next."""

    async def scenario(site: Site) -> None:
        offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
        assert (await site.ask(request("/_midge/health", b"", *offer, method="GET"))).status == 200
        assert (await site.ask(request())).status == 200

    on_site(tmp_path, scenario)


def test_a_client_that_does_not_read_is_not_served_more(tmp_path: Path) -> None:
    """While answers pile up unread, the next request waits; it runs when the client reads again."""

    async def scenario(site: Site) -> None:
        site.connection.pause_writing()
        site.send(request())
        await site.world.settle()
        assert not site.world.sandbox.runtimes
        site.connection.resume_writing()
        await site.world.settle()
        assert parse(site.transport.written)[0].status == 200

    on_site(tmp_path, scenario)
