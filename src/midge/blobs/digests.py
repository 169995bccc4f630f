"""What AWS reports of a zip, computed from its bytes. Pure."""

import base64
import hashlib

from midge.model.functions import Code


def code_of(data: bytes) -> Code:
    """The record of a deployment package with these bytes."""
    hashed = hashlib.sha256(data)
    return Code(
        digest=hashed.hexdigest(), sha256=base64.b64encode(hashed.digest()).decode("ascii"), size_bytes=len(data)
    )
