"""What happened? Events, written in the caller's transaction."""

from tenantkit.audit.model import Event, Outcome
from tenantkit.audit.store import AuditTrail
from tenantkit.audit.tables import AuditTables
from tenantkit.core.tenant import central_tenant_id

__all__ = ["AuditTables", "AuditTrail", "Event", "Outcome", "central_tenant_id"]
