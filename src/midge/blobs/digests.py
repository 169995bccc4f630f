"""What AWS reports of a zip, computed from its bytes, and what unpacked zips are called. Pure."""

import base64
import hashlib
from collections.abc import Sequence

from midge.model.functions import Code


def code_of(data: bytes) -> Code:
    """The record of a deployment package with these bytes."""
    hashed = hashlib.sha256(data)
    return Code(
        digest=hashed.hexdigest(), sha256=base64.b64encode(hashed.digest()).decode("ascii"), size_bytes=len(data)
    )


def layers_name(digests: Sequence[str]) -> str:
    """The name of the directory that holds these zips laid over each other, in order: no zip's digest, also of one."""
    return hashlib.sha256("\n".join(digests).encode("ascii")).hexdigest()
