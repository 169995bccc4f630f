"""Why an image cannot be used. The API turns it into AWS's words; the text is for whoever named the image."""

from enum import Enum, auto


class Trouble(Enum):
    """Whose fault it is, and what AWS would call it."""

    NOT_A_REFERENCE = auto()
    """The text names no image."""
    MISSING = auto()
    """There is no such image any more, or there never was."""
    DENIED = auto()
    """The registry does not let midge have it."""
    NOT_ALLOWED = auto()
    """midge's configuration does not let it look there."""
    UNSUPPORTED = auto()
    """Its manifest, configuration or layers are of a kind that is not known."""
    INVALID = auto()
    """It contradicts itself, is too large, or tries to leave its place."""
    UNAVAILABLE = auto()
    """The registry does not answer, or not in time."""


class ImageError(Exception):
    """An image cannot be used, and why."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble
