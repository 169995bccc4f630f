"""The cross-origin settings of a function URL, checked beyond what the service model says. Pure.

``*`` with credentials is taken, as on AWS, which then answers with the caller's own origin.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_Cors.html and urls-configuration.html#urls-cors
"""

import re
from collections.abc import Mapping
from typing import Any

from midge.model.errors import invalid_parameter

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "*"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token as HTTP has it; ``*`` is one."""


def check_cors(cors: Mapping[str, Any]) -> None:
    """Raise InvalidParameterValueException for a method that cannot be allowed and for what is no name of a header."""
    for method in cors.get("AllowMethods") or ():
        if method not in _METHODS:
            raise invalid_parameter(f"Cors.AllowMethods: {method} is not one of {', '.join(sorted(_METHODS))}.")
    for member in ("AllowHeaders", "ExposeHeaders"):
        for name in cors.get(member) or ():
            if _HEADER_NAME.fullmatch(name) is None:
                raise invalid_parameter(f"Cors.{member}: {name!r} is not the name of a header.")
