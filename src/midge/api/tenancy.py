"""Tenant isolation of functions, and what cannot be had together with it.

Source: https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.members import part
from midge.model.errors import invalid_parameter
from midge.model.functions import FunctionVersion


def isolation_of(values: Mapping[str, Any]) -> str:
    """``TenantIsolationMode`` in a request to create a function; empty if it has none."""
    return part(values, "TenancyConfig").get("TenantIsolationMode") or ""


def render(version: FunctionVersion) -> dict[str, Any] | None:
    """``TenancyConfig``; None for a function that knows no tenants."""
    return {"TenantIsolationMode": version.tenant_isolation} if version.tenant_isolation else None


def refuse_with_tenants(version: FunctionVersion | None, what: str) -> None:
    """Raise InvalidParameterValueException if ``version`` is of a function with tenant isolation: nobody would name one."""
    if version is not None and version.tenant_isolation:
        raise invalid_parameter(f"{what} cannot be used with functions that have tenant isolation enabled.")
