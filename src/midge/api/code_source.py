"""Where a function's or a layer's zip comes from: the request itself or an S3 object. Checked before anything is stored.

Source: ``FunctionCode``, https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.checks import check_inline_zip
from midge.api.services import ApiServices, S3Error
from midge.model.errors import invalid_parameter
from midge.model.functions import Code


async def fetch_code(services: ApiServices, values: Mapping[str, Any], operation: str) -> tuple[Code, bytes]:
    """The zip that the members of ``FunctionCode`` in ``values`` name, fit to be a package, and its record.

    Those of ``LayerVersionContentInput`` are the same.
    Raises InvalidParameterValueException, or RequestEntityTooLargeException for an inline zip that is too large.
    """
    of_layer = operation == "PublishLayerVersion"
    members, what = ("LayerVersionContent", "layer content") if of_layer else ("FunctionCode", "function code")
    inline, bucket, key = values.get("ZipFile"), values.get("S3Bucket"), values.get("S3Key")
    version = values.get("S3ObjectVersion")
    if inline is not None:
        if bucket or key or version or values.get("ImageUri"):
            raise invalid_parameter(f"Please do not provide other {members} parameters when providing a ZipFile.")
        check_inline_zip(inline, operation, services.limits)
        data = inline
    elif not bucket and not key:
        raise invalid_parameter(f"Please provide a source for {what}.")
    elif not bucket or not key:
        raise invalid_parameter(f"Please provide both S3Bucket and S3Key as the source for {what}.")
    else:
        data = await _from_s3(services, bucket, key, version)
    return await services.packages.check(data), data


async def _from_s3(services: ApiServices, bucket: str, key: str, version: str | None) -> bytes:
    try:
        return await services.fetch_s3(bucket, key, version)
    except S3Error as error:
        raise invalid_parameter(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        ) from error
