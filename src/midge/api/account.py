"""GetAccountSettings: the account's limits, and what its functions use of them in this region.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.control_plane import ControlPlane
from midge.api.services import CallContext


async def get_account_settings(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Every version counts with the whole of its code, as on AWS, also where versions share a zip on disk."""
    del values
    limits = plane.services.limits
    usage = await plane.services.store.usage(context.account, context.region)
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.code_storage_bytes,
            "CodeSizeUnzipped": limits.package_unzipped_bytes,
            "CodeSizeZipped": limits.zip_inline_bytes,
            "ConcurrentExecutions": limits.account_concurrency,
            "UnreservedConcurrentExecutions": max(0, limits.account_concurrency - usage.reserved_concurrency),
        },
        "AccountUsage": {"TotalCodeSize": usage.code_bytes, "FunctionCount": usage.functions},
    }
