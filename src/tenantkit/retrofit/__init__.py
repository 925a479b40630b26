"""Taking an application that knew one tenant to many: rows get their tenant, another database becomes one."""

from tenantkit.retrofit.backfill import Backfill, Progress
from tenantkit.retrofit.copier import Copy, copy_into_tenant
from tenantkit.retrofit.crossings import Crossing, find_crossings

__all__ = ["Backfill", "Copy", "Crossing", "Progress", "copy_into_tenant", "find_crossings"]
