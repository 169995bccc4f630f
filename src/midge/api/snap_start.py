"""Which functions may have SnapStart: what AWS refuses, and what midge cannot restore. Pure.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html (Supported features and limitations)
"""

from collections.abc import Mapping
from typing import Any

from midge.api.members import part
from midge.model.errors import invalid_parameter
from midge.model.functions import FunctionVersion

RESTORED = frozenset({"python3.12", "python3.13", "python3.14"})
_OF_AWS = frozenset({"java11", "java17", "java21", "java25", "dotnet8", "dotnet10"})
_EPHEMERAL_STORAGE_MB = 512


def check(version: FunctionVersion) -> None:
    """Raise InvalidParameterValueException if ``version``, as it would be, has SnapStart and may not."""
    if version.snap_start:
        _check(
            image=version.image is not None,
            runtime=version.runtime,
            ephemeral_storage_mb=version.ephemeral_storage_mb,
            file_systems=bool(version.kept.get("FileSystemConfigs")),
            tenants=bool(version.tenant_isolation),
        )


def check_create(values: Mapping[str, Any]) -> None:
    """The same of a function that is about to be created, from the members given."""
    if part(values, "SnapStart").get("ApplyOn") == "PublishedVersions":
        _check(
            image=values.get("PackageType") == "Image",
            runtime=values.get("Runtime") or "",
            ephemeral_storage_mb=part(values, "EphemeralStorage").get("Size", 0),
            file_systems=bool(values.get("FileSystemConfigs")),
            tenants=bool(values.get("TenancyConfig")),
        )


def _check(*, image: bool, runtime: str, ephemeral_storage_mb: int, file_systems: bool, tenants: bool) -> None:
    if image:
        raise invalid_parameter("SnapStart is not supported for functions with package type Image.")
    if runtime in _OF_AWS:
        raise invalid_parameter(
            f"midge does not support SnapStart for {runtime}: it restores processes with one thread only."
        )
    if runtime not in RESTORED:
        raise invalid_parameter(f"{runtime} is not supported for SnapStart enabled functions.")
    if ephemeral_storage_mb > _EPHEMERAL_STORAGE_MB:
        raise invalid_parameter("SnapStart is not supported for functions with ephemeral storage above 512 MB.")
    if file_systems:
        raise invalid_parameter("SnapStart is not supported for functions with file system configurations.")
    if tenants:
        raise invalid_parameter("SnapStart cannot be used with functions that have tenant isolation enabled.")
