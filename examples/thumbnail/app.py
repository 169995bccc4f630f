"""Makes a thumbnail of a photograph in S3: the function itself, as it would be deployed to AWS.

It uses boto3 with no special settings, which is part of the runtime, and Pillow, which comes with the package and is
compiled code.
"""

import io
from typing import Any

import boto3
from PIL import Image, ImageOps

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Read ``event["bucket"]``/``event["key"]``, write the thumbnail to ``event["thumbnail"]`` of the same bucket."""
    photograph = s3.get_object(Bucket=event["bucket"], Key=event["key"])["Body"].read()
    with Image.open(io.BytesIO(photograph)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((256, 256))
    output = io.BytesIO()
    upright.save(output, "JPEG", quality=85)
    s3.put_object(Bucket=event["bucket"], Key=event["thumbnail"], Body=output.getvalue(), ContentType="image/jpeg")
    return {"width": upright.width, "height": upright.height, "bytes": output.tell()}
