"""The execution environments of a function version with tenant isolation: a pool for each tenant, and none for others.

So an environment, once it has served a tenant, serves nobody else. Pools are made when a tenant first calls and forgotten
when it has no environment left. How many environments there are, of all tenants, is bounded as AWS bounds it.
Source: https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html
"""

from collections.abc import Callable

from midge.invoke import outcome as outcomes
from midge.invoke.invocation import Invocation
from midge.invoke.pool import EnvironmentPool
from midge.invoke.provisioned import ProvisionedEnvironments
from midge.model.errors import ServiceError, invalid_parameter

MakePool = Callable[[Callable[[EnvironmentPool], None]], EnvironmentPool]
"""Makes the pool of one tenant; it calls what it is given when it has drained."""


class TenantPools:
    """See the module. ``on_drained`` is called when it takes no more; ``throttled`` counts a refusal."""

    per_tenant = True

    def __init__(
        self,
        make: MakePool,
        most_environments: int,
        on_drained: "Callable[[TenantPools], None]",
        throttled: Callable[[Invocation], None],
    ) -> None:
        self._make = make
        self._most = most_environments
        self._on_drained = on_drained
        self._throttled = throttled
        self._pools: dict[bytes, EnvironmentPool] = {}

    def submit(self, invocation: Invocation) -> None:
        """As of a pool, for the invocation's tenant. Raises ServiceError also where it names none."""
        tenant = invocation.tenant_id
        if tenant is None:
            raise tenant_missing()
        pool = self._pools.get(tenant)
        if (pool is None or not pool.idle) and self._environments() >= self._most:
            self._throttled(invocation)
            raise outcomes.throttled()
        if pool is None:
            pool = self._pools[tenant] = self._make(self._emptied)
        pool.submit(invocation)

    def withdraw(self, invocation: Invocation, error: ServiceError) -> None:
        """As of a pool."""
        pool = self._pools.get(invocation.tenant_id or b"")
        if pool is not None:
            pool.withdraw(invocation, error)

    def _environments(self) -> int:
        return sum(len(pool.states()) for pool in self._pools.values())

    def _emptied(self, emptied: EnvironmentPool) -> None:
        for tenant, pool in list(self._pools.items()):
            if pool is emptied:
                del self._pools[tenant]

    def forget_unused(self) -> None:
        """Let go of the tenants that have no environment and wait for none."""
        for pool in list(self._pools.values()):
            if not pool.states() and not pool.waiting:
                pool.drain()

    def drain(self) -> None:
        """As of a pool, for all tenants."""
        self._on_drained(self)
        for pool in list(self._pools.values()):
            pool.drain()

    def provision(self, count: int) -> None:
        """Nothing can be provisioned before its tenant is known; AWS does not take it for such functions either."""
        assert count == 0, "functions with tenant isolation have no provisioned concurrency"

    @property
    def provisioned(self) -> ProvisionedEnvironments:
        return ProvisionedEnvironments(available=0, failed=False)


def tenant_missing() -> ServiceError:
    """The function needs to know for which tenant it is called."""
    return invalid_parameter(
        "The invoked function is enabled with tenancy configuration. "
        "Add a valid tenant ID in your request and try again."
    )


def tenant_unwanted() -> ServiceError:
    """The function knows no tenants."""
    return invalid_parameter(
        "The invoked function is not enabled with tenancy configuration. "
        "Remove the tenant ID from your request and try again."
    )
