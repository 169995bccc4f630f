"""Tenant isolation on a real server: what functions see of their tenants, and what callers are told."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip

pytestmark = pytest.mark.needs("namespaces")
PYTHON = """
seen = []
def handler(event, context):
    seen.append(context.tenant_id)
    return seen
"""
NODE = """
const seen = [];
exports.handler = async (event, context) => { seen.push(context.tenantId); return seen; };
"""
ISOLATED: dict[str, Any] = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}


def ask(client: Any, name: str, tenant: str) -> Any:
    answer = client.invoke(FunctionName=name, TenantId=tenant)
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def done_with_events(midge: Midge) -> bool:
    """Whether every event that was accepted has been run."""
    with urllib.request.urlopen(f"{midge.endpoint}/_midge/metrics", timeout=10) as answer:
        return "\nmidge_async_events 0" in answer.read().decode()


@pytest.mark.parametrize(
    ("name", "files", "settings"),
    [
        ("python", {"app.py": PYTHON}, {}),
        pytest.param(
            "node", {"app.js": NODE}, {"Runtime": "nodejs20.x"}, marks=pytest.mark.needs("node")
        ),
    ],
)  # fmt: skip
def test_a_function_sees_one_tenant_for_ever(
    midge: Midge, deploy: Callable[..., str], name: str, files: dict[str, str], settings: dict[str, Any]
) -> None:
    """Its context has the tenant, and what it remembers is of that tenant alone."""
    client = midge.client()
    deploy(name, files, **settings, **ISOLATED)
    for tenant in ("blue", "green one", "blue", "green one"):
        assert set(ask(client, name, tenant)) == {tenant}
    assert ask(client, name, "blue") == ["blue"] * 3


def test_callers_are_told_about_tenants(midge: Midge, deploy: Callable[..., str]) -> None:
    """A missing, an unwanted and an impossible tenant id are refused, by an invocation as by a dry run."""
    client = midge.client()
    deploy("isolated", {"app.py": PYTHON}, **ISOLATED)
    deploy("shared", {"app.py": PYTHON})
    invalid = client.exceptions.InvalidParameterValueException
    for kind in ("RequestResponse", "DryRun"):
        with pytest.raises(invalid, match=r"enabled with tenancy configuration\. Add a valid tenant ID"):
            client.invoke(FunctionName="isolated", InvocationType=kind)
        with pytest.raises(invalid, match="not enabled with tenancy configuration"):
            client.invoke(FunctionName="shared", InvocationType=kind, TenantId="blue")
        with pytest.raises(invalid, match="Add a valid tenant ID"):
            client.invoke(FunctionName="isolated", InvocationType="Event")
    for wrong in ("a,b", "x" * 257):
        with pytest.raises(client.exceptions.ClientError, match="'tenantId' failed to satisfy constraint"):
            client.invoke(FunctionName="isolated", TenantId=wrong)
    answer = client.invoke(FunctionName="shared")
    assert json.loads(answer["Payload"].read()) == [None]


def test_an_asynchronous_invocation_keeps_its_tenant(midge: Midge, deploy: Callable[..., str]) -> None:
    """An event is run in an environment of the tenant that it was accepted for, and that has seen nobody else."""
    client = midge.client()
    deploy("later", {"app.py": PYTHON}, **ISOLATED)
    assert client.invoke(FunctionName="later", InvocationType="Event", TenantId="blue")["StatusCode"] == 202
    deadline = time.monotonic() + 30
    while not done_with_events(midge):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ask(client, "later", "blue") == ["blue"] * 2
    assert ask(client, "later", "green") == ["green"]


def test_the_first_invocation_after_a_start_knows_tenants(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """A function that has to be loaded first is as strict, and as isolated."""
    data = tmp_path / "data"
    first = start_midge(data_dir=data, MIDGE_LIMITS_FUNCTIONS_LOADED_AT_START="0")
    client = first.client()
    for name, settings in (("isolated", ISOLATED), ("shared", {})):
        code = {"ZipFile": make_zip({"app.py": PYTHON})}
        client.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code=code, **settings
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    first.stop()
    client = start_midge(data_dir=data, MIDGE_LIMITS_FUNCTIONS_LOADED_AT_START="0").client()
    invalid = client.exceptions.InvalidParameterValueException
    with pytest.raises(invalid, match="Add a valid tenant ID"):
        client.invoke(FunctionName="isolated")
    with pytest.raises(invalid, match="Remove the tenant ID"):
        client.invoke(FunctionName="shared", TenantId="blue")
    assert ask(client, "isolated", "blue") == ["blue"]
