"""The composition root: all mechanisms of an application, built from one configuration."""

from tenantkit.kit.facades import KitAudit, KitQuotas
from tenantkit.kit.root import RequestCredentials, TenantKit
from tenantkit.kit.scopes import Scopes

__all__ = ["KitAudit", "KitQuotas", "RequestCredentials", "Scopes", "TenantKit"]
