"""The extensions of one environment: who they are, where each stands, and who still has to ask for its next event.

External ones are processes that the platform starts by their file's name; a name that is none of theirs is an internal
one's, inside the runtime. Holds the states of ``extension_protocol.TABLE`` and the connections whose GET /event/next
hangs; tells an ``ExtensionsOwner`` what they did. Knows nothing of sockets, HTTP syntax, time or processes.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from midge.runtime_api import replies
from midge.runtime_api.extension_protocol import ALIVE, TABLE, ExtensionCall, ExtensionState, refusal
from midge.runtime_api.session import EventSink

_READY, _STARTED = ExtensionState.READY, ExtensionState.STARTED
INVOKE, SHUTDOWN = "INVOKE", "SHUTDOWN"


class Extension:
    """One extension. ``events`` are those that it has registered for."""

    __slots__ = ("error_type", "events", "external", "identifier", "name", "pending", "state", "waiting")

    def __init__(self, name: str, identifier: str, *, external: bool) -> None:
        self.name = name
        self.identifier = identifier
        self.external = external
        self.events: tuple[str, ...] = ()
        self.state = ExtensionState.STARTED
        self.waiting: EventSink | None = None
        self.pending: bytes | None = None
        """An event that came while it did not ask."""
        self.error_type: str | None = None
        """What it said, or what is known, of its failure."""


class ExtensionsOwner(Protocol):
    """Who hears what extensions do: the execution environment."""

    def extensions_registered(self) -> None:
        """Every external extension has registered: the runtime may start."""
        ...

    def extension_waits(self) -> None:
        """One asks for its next event."""
        ...

    def extension_gone(self) -> None:
        """One that waited for its next event does not any more."""
        ...

    def extension_reported(self, error_type: str) -> None:
        """One has reported ``error_type``, Extension.InitError or Extension.ExitError, and is to end itself."""
        ...


class ExtensionsSession:
    """See the module. The calls of extensions return the reply to write, or None when it comes later."""

    __slots__ = ("_identifier", "_limit", "_owner", "_registration_open", "_shutdown", "all")

    def __init__(self, owner: ExtensionsOwner, limit: int, identifier: Callable[[], str]) -> None:
        """``limit`` extensions are the most; ``identifier`` gives new ones."""
        self._owner = owner
        self._limit = limit
        self._identifier = identifier
        self._registration_open = True
        self._shutdown = False
        self.all: list[Extension] = []

    # the platform's side

    def launch(self, names: Iterable[str]) -> str | None:
        """Expect external extensions of these names; returns that of the first that is one too many."""
        for name in names:
            extension = Extension(name, self._identifier(), external=True)
            self.all.append(extension)
            if len(self.all) > self._limit:
                self.fail_launch(name, "TooManyExtensions")
                return name
        return None

    def fail_launch(self, name: str, reason: str) -> None:
        """The process of an external extension cannot be started."""
        extension = self._external(name)
        if extension is not None and _move(extension, ExtensionCall.LAUNCH_FAILED):
            extension.error_type = reason

    def end(self, name: str) -> None:
        """The process of an external extension has ended."""
        extension = self._external(name)
        if extension is not None:
            _move(extension, ExtensionCall.EXIT)
            extension.waiting = None

    def close_registration(self) -> None:
        """Init is over for those who have not come yet."""
        self._registration_open = False

    def missing(self, *, initialising: bool) -> bool:
        """Whether one has still to ask for its next event.

        To initialise all have to; later those that are registered for invocations.
        """
        for extension in self.all:
            if extension.state is not _READY and (initialising or INVOKE in extension.events):
                return True
        return False

    def send(self, kind: str, event: bytes) -> None:
        """Give all that are registered for ``kind`` an event: a whole HTTP response."""
        for extension in self.all:
            if kind not in extension.events:
                continue
            if extension.waiting is not None:
                self._hand_over(extension, event)
            elif extension.state in ALIVE:
                extension.pending = event

    def shut_down(self, event: bytes) -> None:
        """Give all that are registered for it the SHUTDOWN event; whoever asks later gets it then."""
        self._shutdown = True
        for extension in self.all:
            extension.pending = None  # an invocation's that is over now
        self.send(SHUTDOWN, event)

    def shutting_down(self) -> bool:
        """Whether an external extension that is registered for SHUTDOWN still runs."""
        return any(e.external and e.state in ALIVE and SHUTDOWN in e.events for e in self.all)

    def _hand_over(self, extension: Extension, event: bytes) -> None:
        waiting, extension.waiting = extension.waiting, None
        assert waiting is not None
        _move(extension, ExtensionCall.EVENT)
        waiting.send_event(event, b"")

    # the extensions' side

    def register(self, name: str, events: tuple[str, ...], reply: Callable[[str], bytes]) -> bytes:
        """POST /register; ``reply`` makes the answer for an identifier."""
        extension = self._external(name)
        if extension is None:
            refused = self._refuse_internal(name, events)
            if refused is not None:
                return refused
            extension = Extension(name, self._identifier(), external=False)
            self.all.append(extension)
        for event in events:
            if event not in (INVOKE, SHUTDOWN):
                return _invalid_event(event)
        if not _move(extension, ExtensionCall.REGISTER):
            return _refuse(extension, ExtensionCall.REGISTER, name)
        extension.events = tuple(dict.fromkeys(events))
        if extension.external and not any(e.state is _STARTED for e in self.all):
            self._owner.extensions_registered()
        return reply(extension.identifier)

    def _refuse_internal(self, name: str, events: tuple[str, ...]) -> bytes | None:
        for event in events:
            if event != INVOKE:
                return _invalid_event(event)
        if not self._registration_open:
            return _forbidden("Extension.RegistrationClosed", "Extension registration closed already")
        if any(extension.name == name for extension in self.all):
            return _forbidden("Extension.InvalidExtensionState", "Extension with this name already registered")
        if len(self.all) >= self._limit:
            return _forbidden("Extension.TooManyExtensions", f"Extension limit ({self._limit}) reached")
        return None

    def find(self, identifier: str) -> Extension | None:
        """The extension with ``identifier``."""
        return next((extension for extension in self.all if extension.identifier == identifier), None)

    def next(self, extension: Extension, connection: EventSink) -> bytes | None:
        """GET /event/next: None means that the reply is an event, later, through ``connection``."""
        if not _move(extension, ExtensionCall.NEXT):
            return _refuse(extension, ExtensionCall.NEXT, extension.identifier)
        extension.waiting = connection
        pending, extension.pending = extension.pending, None
        if pending is not None:
            self._hand_over(extension, pending)
        elif not self._shutdown:
            self._owner.extension_waits()
        return None

    def report(self, extension: Extension, call: ExtensionCall, error_type: str) -> bytes:
        """POST /init/error or /exit/error."""
        if not _move(extension, call):
            return _refuse(extension, call, extension.identifier)
        extension.waiting = None
        if extension.error_type is None:
            extension.error_type = error_type
            kind = "Extension.InitError" if call is ExtensionCall.INIT_ERROR else "Extension.ExitError"
            self._owner.extension_reported(kind)
        return replies.ACCEPTED

    def hang_up(self, connection: EventSink) -> None:
        """``connection`` is closed."""
        for extension in self.all:
            if extension.waiting is connection:
                extension.waiting = None
                _move(extension, ExtensionCall.HANG_UP)
                self._owner.extension_gone()

    def _external(self, name: str) -> Extension | None:
        return next((extension for extension in self.all if extension.external and extension.name == name), None)


def _move(extension: Extension, call: ExtensionCall) -> bool:
    after = TABLE[extension.state][call]
    if after is None:
        return False
    extension.state = after
    return True


def _forbidden(kind: str, message: str) -> bytes:
    return replies.error(403, kind, message)


def _refuse(extension: Extension, call: ExtensionCall, name: str) -> bytes:
    return _forbidden(*refusal(extension.state, call, name))


def _invalid_event(event: str) -> bytes:
    return _forbidden("Extension.InvalidEventType", f"{event}: invalid event type")
