"""Can they afford it? Plans, their limits, and counters that never pass them."""

from tenantkit.quotas.plans import Plan, Plans
from tenantkit.quotas.store import Quotas, check_units
from tenantkit.quotas.tables import QuotaTables

__all__ = ["Plan", "Plans", "QuotaTables", "Quotas", "check_units"]
