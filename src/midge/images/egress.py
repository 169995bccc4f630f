"""What midge may reach for the sake of images, and with which credentials: the configuration's word, made into answers.

Function code can create functions, so whatever an image's name makes midge read or contact is what function code can make
it read or contact. So nothing is allowed by default but registries on this machine itself.
"""

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult

import msgspec

from midge.images.errors import ImageError, Trouble

_PLAIN = "http://"


class CredentialsError(Exception):
    """The file with credentials cannot be used; the text names it and does not quote it."""


class Egress:
    """``registries``: ``host``, ``host:port`` or ``*.domain``; behind ``http://`` those that speak plain HTTP.

    ``directories``: where local images may lie. ``credentials``: by registry, ``user:password``.
    """

    def __init__(
        self,
        registries: Sequence[str] = (),
        directories: Sequence[Path] = (),
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self.registries = tuple(registries)
        self.directories = tuple(directories)
        self.all_credentials = dict(credentials or {})
        self._plain = tuple(name.removeprefix(_PLAIN).lower() for name in registries if name.startswith(_PLAIN))
        self._secure = tuple(name.lower() for name in registries if not name.startswith(_PLAIN))

    @classmethod
    def of_settings(cls, registries: Sequence[str], directories: Sequence[str], auth_file: str) -> "Egress":
        """As the configuration has them; without an ``auth_file`` there are no credentials. Raises CredentialsError."""
        places = [Path(directory).expanduser().absolute() for directory in directories]
        credentials = read_credentials(Path(auth_file).expanduser()) if auth_file else {}
        return cls(registries, places, credentials)

    def scheme(self, host: str) -> str:
        """How to speak to a registry."""
        return "http" if _on_this_machine(host) or _matches(host, self._plain) else "https"

    def check(self, url: SplitResult) -> None:
        """Raise ImageError unless ``url`` may be contacted."""
        host = url.netloc.lower()
        plain = url.scheme == "http" and (_on_this_machine(host) or _matches(host, self._plain))
        if "@" in host or not (plain or (url.scheme == "https" and _matches(host, self._secure))):
            raise ImageError(
                Trouble.NOT_ALLOWED,
                f"midge may not contact {url.scheme}://{host.rpartition('@')[2]}: its setting images.registries does not name it",
            )

    def credentials(self, host: str) -> str | None:
        """``user:password`` for a registry, if there is one."""
        return self.all_credentials.get(host)

    def local(self, path: str) -> Path:
        """Where a local image really is. Raises ImageError unless it may be read."""
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(directory)) for directory in self.directories):
            raise ImageError(
                Trouble.NOT_ALLOWED, f"midge may not read {path}: it is not below any of its setting images.directories"
            )
        return real


def _on_this_machine(host: str) -> bool:
    """Whether ``host``, with or without a port, is a name or address of the loopback interface."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _matches(host: str, patterns: Sequence[str]) -> bool:
    return any(
        host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) >= len(pattern))
        for pattern in patterns
    )


def read_credentials(path: Path) -> dict[str, str]:
    """By registry, from a file of the form that ``docker login`` and ``skopeo login`` write. Raises CredentialsError.

    Of the forms only ``auths`` is read: helpers would be programs to run.
    """
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
        entries = msgspec.convert(document.get("auths", {}), dict[str, dict[str, object]])
    except (OSError, msgspec.MsgspecError) as error:
        raise CredentialsError(f"{path} is no file with credentials: {type(error).__name__}") from None
    found: dict[str, str] = {}
    for registry, entry in entries.items():
        encoded = entry.get("auth")
        try:
            text = base64.b64decode(str(encoded), validate=True).decode("utf-8") if encoded else ""
        except (binascii.Error, UnicodeDecodeError):
            raise CredentialsError(f"{path}: the entry for {registry} is not in base64") from None
        if text:
            host = registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
            found[host.lower()] = text
    return found
