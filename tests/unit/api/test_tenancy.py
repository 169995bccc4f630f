"""Tenant isolation in the API: fixed at creation, shown, and not to be had with what names no tenant."""

import pytest
from api_bench import Bench

ISOLATED = {"TenantIsolationMode": "PER_TENANT"}


def test_isolation_is_kept_and_shown(bench: Bench) -> None:
    """A function with tenant isolation says so, in all of its versions and after updates; others say nothing."""

    async def scenario(bench: Bench) -> None:
        created = await bench.create(TenancyConfig=ISOLATED)
        assert created["TenancyConfig"] == ISOLATED
        await bench.settle()
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        assert (await bench.settle())["TenancyConfig"] == ISOLATED
        assert (await bench.call("PublishVersion", FunctionName="f"))["TenancyConfig"] == ISOLATED
        assert all(version.tenant_isolation == "PER_TENANT" for version in bench.router.versions.values())
        assert "TenancyConfig" not in await bench.created("g")

    bench.run(scenario)


@pytest.mark.parametrize(
    ("operation", "values", "what"),
    [
        ("CreateFunctionUrlConfig", {"AuthType": "NONE"}, "Function URLs"),
        ("PutProvisionedConcurrencyConfig", {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}, "Provisioned Concurrency"),
        ("CreateEventSourceMapping", {"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"}, "Event source mappings"),
    ],
)  # fmt: skip
def test_what_names_no_tenant_is_refused(bench: Bench, operation: str, values: dict[str, object], what: str) -> None:
    """Function URLs, provisioned concurrency and event source mappings are for functions without tenants."""

    async def scenario(bench: Bench) -> None:
        for name, tenancy in (("f", {"TenancyConfig": ISOLATED}), ("g", {})):
            await bench.created(name, **tenancy)
            await bench.call("PublishVersion", FunctionName=name)
        message = await bench.refused(operation, "InvalidParameterValueException", FunctionName="f", **values)
        assert message == f"{what} cannot be used with functions that have tenant isolation enabled."
        await bench.call(operation, FunctionName="g", **values)

    bench.run(scenario)
