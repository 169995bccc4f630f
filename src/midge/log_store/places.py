"""Which files belong to which log group and stream. Pure.

``<root>/<account>/<region>/<group>/``: ``group.json``, and of each stream ``<stream>.log``, which is appended to, and
``<stream>@<base>.log``, which are full. Names are percent-encoded, so that none can leave its directory; of a name that
is too long for a file the end is a digest, and the file itself says the whole name.
"""

import hashlib
from pathlib import Path
from urllib.parse import quote

from midge.model.logs import LogGroupId

GROUP_FILE = "group.json"
SUFFIX = ".log"
_NAME_BYTES = 200
_BASE_DIGITS = 15


def encode_name(name: str) -> str:
    """A file name that stands for ``name`` alone and has neither ``@`` nor ``=`` in it, but ``=`` if it was cut."""
    encoded = quote(name, safe="$[]", errors="surrogatepass")
    if encoded in {"", ".", ".."}:
        encoded = "%" + encoded.encode().hex()
    if len(encoded) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        encoded = f"{encoded[: _NAME_BYTES - 40]}={digest}"
    return encoded


def region_directory(root: Path, account: str, region: str) -> Path:
    """Where the log groups of an account and region are."""
    return root / encode_name(account) / encode_name(region)


def group_directory(root: Path, group: LogGroupId) -> Path:
    """Where the files of a log group are."""
    return region_directory(root, group.account, group.region) / encode_name(group.name)


def current_name(stream: str) -> str:
    """The name of the file that a stream is appended to."""
    return encode_name(stream) + SUFFIX


def full_name(stream: str, base: int) -> str:
    """The name of a full file of a stream."""
    return f"{encode_name(stream)}@{base:0{_BASE_DIGITS}d}{SUFFIX}"


def stream_key(file_name: str) -> str | None:
    """What the files of one stream have in common; None if the file is no stream's."""
    if not file_name.endswith(SUFFIX):
        return None
    return file_name.removesuffix(SUFFIX).partition("@")[0]
