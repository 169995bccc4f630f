"""What can go wrong with a store, told apart by what the caller can do about it."""


class StoreError(Exception):
    """Base of everything a store raises on purpose."""


class ExistsError(StoreError):
    """A record of that key is there already."""


class MissingError(StoreError):
    """No record of that key is there; the argument names what was looked for."""


class StaleError(StoreError):
    """The record has another revision id than the caller expected: somebody else changed it first."""


class InUseError(StoreError):
    """The version cannot go while aliases point at it; ``aliases`` are their names, in order."""

    def __init__(self, aliases: tuple[str, ...]) -> None:
        super().__init__(f"referenced by {', '.join(aliases)}")
        self.aliases = aliases


class BadMarkerError(StoreError):
    """A listing was asked to continue after a marker that no listing has given out."""


class StorageFullError(StoreError):
    """The disk is full: nothing of the write was kept."""


class StoreUnavailableError(StoreError):
    """The store is closed, or its files cannot be read or written; nothing of the write was kept."""
