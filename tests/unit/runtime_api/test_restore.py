"""The Runtime API's part of SnapStart over the bytes of a connection."""

from unit.runtime import NEXT, Runtime, status

RESTORE_NEXT = b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n"
RESTORE_ERROR = (
    b"POST /2018-06-01/runtime/restore/error HTTP/1.1\r\nHost: x\r\n"
    b"Lambda-Runtime-Function-Error-Type: Runtime.AfterRestoreError\r\nContent-Length: 2\r\n\r\n{}"
)


def test_it_hangs_in_what_becomes_a_snapshot() -> None:
    """GET /restore/next is told to the owner with the connection's port, and not answered."""
    runtime = Runtime(snap_start=True)
    runtime.send(RESTORE_NEXT)
    assert runtime.owner.heard == [("restorable", 12345)]
    assert not runtime.transport.writes


def test_it_is_answered_in_what_was_restored() -> None:
    """Where the environment was restored it is answered with 200, and GET /next may follow."""
    runtime = Runtime(snap_start=True)
    runtime.owner.restored = True
    runtime.send(RESTORE_NEXT)
    assert [status(reply) for reply in runtime.transport.writes] == [200]
    runtime.send(NEXT)
    assert runtime.owner.heard[-1] == ("ready",)


def test_hooks_that_fail_are_told() -> None:
    """POST /restore/error is accepted after GET /restore/next, once, and refused before."""
    runtime = Runtime(snap_start=True)
    runtime.owner.restored = True
    for data in (RESTORE_ERROR, RESTORE_NEXT, RESTORE_ERROR, RESTORE_ERROR):
        runtime.send(data)
    assert [status(reply) for reply in runtime.transport.writes] == [403, 200, 202, 403]
    assert runtime.owner.heard[-1] == ("restore failed", "Runtime.AfterRestoreError", b"{}")


def test_there_is_none_without_snap_start() -> None:
    """Without SnapStart there are no such paths, and the runtime stands where it stood."""
    runtime = Runtime()
    runtime.send(RESTORE_NEXT)
    runtime.send(RESTORE_ERROR)
    assert [status(reply) for reply in runtime.transport.writes] == [404, 404]
    runtime.send(NEXT)
    assert runtime.owner.heard == [("ready",)]
