"""The composition root: all mechanisms of an application, built from one configuration."""

from tenantkit.kit.access import KitAccess
from tenantkit.kit.authzen import AuthZen
from tenantkit.kit.credentials import KitApiKeys, KitLockouts, KitShareLinks
from tenantkit.kit.facades import KitAudit, KitQuotas
from tenantkit.kit.health import Health
from tenantkit.kit.logins import KitLogins
from tenantkit.kit.questions import KitQuestions
from tenantkit.kit.requests import RequestCredentials, Requests
from tenantkit.kit.root import TenantKit
from tenantkit.kit.scopes import Scopes
from tenantkit.kit.support import Support
from tenantkit.kit.trust import Trust
from tenantkit.kit.user_context import user_context

__all__ = [
    "AuthZen",
    "Health",
    "KitAccess",
    "KitApiKeys",
    "KitAudit",
    "KitLockouts",
    "KitLogins",
    "KitQuestions",
    "KitQuotas",
    "KitShareLinks",
    "RequestCredentials",
    "Requests",
    "Scopes",
    "Support",
    "TenantKit",
    "Trust",
    "user_context",
]
