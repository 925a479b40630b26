"""Abstract models for hosts, whose rows belong to a tenant or are deleted softly; and the kit's tables, to be read."""

from tenantkit.adapters.django.models.credentials import ApiKey, Lockout, Login, RefreshToken, ShareLink
from tenantkit.adapters.django.models.directory import Domain, Invitation, Membership, Slug, Tenant, Workspace
from tenantkit.adapters.django.models.hosts import SoftDeletable, TenantModel, with_deleted
from tenantkit.adapters.django.models.records import AuditEvent, QuotaCounter

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Domain",
    "Invitation",
    "Lockout",
    "Login",
    "Membership",
    "QuotaCounter",
    "RefreshToken",
    "ShareLink",
    "Slug",
    "SoftDeletable",
    "Tenant",
    "TenantModel",
    "Workspace",
    "with_deleted",
]
