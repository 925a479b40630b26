"""Taking an application that knew one tenant to many: rows get their tenant, another database becomes one."""

from tenantkit.retrofit.backfill import Backfill, Progress
from tenantkit.retrofit.copier import Copy, copy_into_tenant

__all__ = ["Backfill", "Copy", "Progress", "copy_into_tenant"]
