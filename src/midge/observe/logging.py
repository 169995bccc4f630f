"""midge's own log: structlog, for people on a terminal and as JSON elsewhere.

Functions' logs are product data and never pass through here; nothing secret is ever bound to an event.
"""

import sys
from typing import TextIO

import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(*, level: str = "info", json_lines: bool = False, stream: TextIO | None = None) -> None:
    """Set up structlog for the process, once, from the composition root. Raises KeyError for an unknown level."""
    target = sys.stderr if stream is None else stream
    renderer = (
        structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=target.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
