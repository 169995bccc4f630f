"""Why a start fails, and what is done about failures that nobody waits for."""

import structlog

_log = structlog.get_logger("midge")


class StartError(Exception):
    """midge cannot start here: the address is taken, the data directory is another's or cannot be used."""


def failed(event: str, error: BaseException) -> None:
    _log.error(event, exc_info=error)
