"""Abstract models for hosts, whose rows belong to a tenant or are deleted softly; and the kit's tables, to be read."""

from tenantkit.adapters.django.models.credentials import ApiKey, Lockout, Login, RefreshToken, ShareLink
from tenantkit.adapters.django.models.directory import Domain, Invitation, Membership, Slug, Tenant, Workspace
from tenantkit.adapters.django.models.hosts import SoftDeletable, TenantModel, with_deleted
from tenantkit.adapters.django.models.records import AuditEvent, QuotaCounter
from tenantkit.adapters.django.models.rules import Grant, Role, Rulebook

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Domain",
    "Grant",
    "Invitation",
    "Lockout",
    "Login",
    "Membership",
    "QuotaCounter",
    "RefreshToken",
    "Role",
    "Rulebook",
    "ShareLink",
    "Slug",
    "SoftDeletable",
    "Tenant",
    "TenantModel",
    "Workspace",
    "with_deleted",
]
