"""Counters on a database."""

from sqlalchemy.orm import Session

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError, QuotaExceeded
from tenantkit.quotas import statements
from tenantkit.quotas.plans import Plan, Plans
from tenantkit.quotas.tables import QuotaTables

__all__ = ["Quotas", "check_units"]


def check_units(units: object) -> None:
    """
    Refuse what cannot be counted.

    Raises:
        ConfigurationError: it is no whole number from 1 up.

    .. versionadded:: 0.1
    """
    if isinstance(units, bool) or not isinstance(units, int) or units < 1:
        raise ConfigurationError(f"Units are counted in whole numbers from 1 up, not as {units!r}.")


class Quotas:
    """
    Counts what tenants use, in the caller's transaction, and refuses at the limit of their plan.

    .. versionadded:: 0.1
    """

    def __init__(self, tables: QuotaTables, plans: Plans) -> None:
        self.tables = tables
        self.plans = plans

    def consume(self, session: Session, scope: Scope, meter: str, units: int = 1) -> int:
        """
        Add units and return the new total; the units come back if the transaction rolls back.

        One guarded UPDATE, which is the whole check: competitors wait for the row and see its new value. Costs one
        statement, two more at a tenant's first use, three more when refused.

        Raises:
            QuotaExceeded: the plan's limit would be passed; nothing was counted.
            ConfigurationError: the units are no whole number from 1 up, or the meter or the tenant's plan is unknown.
        """
        check_units(units)
        self.plans.check_meter(meter)
        plan = self.plans.of(scope.tenant.plan)
        limit = plan.limits.get(meter)
        add = statements.guarded_add(self.tables, meter, units, limit)
        total = session.scalar(add)
        if total is None:  # refused, or there is no counter yet: only the second try tells
            dialect = session.get_bind().dialect.name
            session.execute(statements.open_counter(dialect, self.tables, scope.tenant.id, meter))
            total = session.scalar(add)
        if total is None:
            raise _exceeded(plan, meter, units, self.used(session, meter) or 0)
        return int(total)

    def used(self, session: Session, meter: str) -> int | None:
        """Return the units used, or None before the first use. Costs one statement."""
        used: int | None = session.scalar(statements.used(self.tables, meter))
        return used


def _exceeded(plan: Plan, meter: str, units: int, used: int) -> QuotaExceeded:
    limit = plan.limits[meter]
    return QuotaExceeded(
        f"The plan {plan.name!r} allows {limit} {meter}; {used} are used and {units} more were asked for. Nothing was "
        "counted." + (f" More can be had at {plan.upgrade_url}." if plan.upgrade_url else ""),
        meter=meter,
        usage=used,
        limit=limit,
        plan=plan.name,
        upgrade_url=plan.upgrade_url,
    )
