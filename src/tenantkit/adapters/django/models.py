"""Abstract models for hosts, whose rows belong to a tenant or are deleted softly; and the kit's tables, to be read."""

from typing import Any, ClassVar

from django.db import models

from tenantkit.adapters.django.db.scoping import LIFTED
from tenantkit.adapters.django.fields import tenant_id_field
from tenantkit.isolation import SOFT_DELETE, scoped_by, soft_deletable

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


class TenantModel(models.Model):
    """
    A model whose rows belong to a tenant: adds ``tenant_id``, a UUID, indexed, not null.

    The tenant is stamped when a row is inserted, never passed, and never changes. For other names or types declare
    the field yourself and say ``tenancy = scoped_by("organization")``.

    .. versionadded:: 0.1
    """

    tenant_id = models.UUIDField(editable=False, db_index=True)

    tenancy: ClassVar[dict[str, Any]] = scoped_by("tenant_id")

    class Meta:
        """Not a table of its own."""

        abstract = True


class SoftDeletable(models.Model):
    """
    A model whose rows are deleted softly: adds ``deleted_at``, NULL while a row lives.

    Rows with a moment in it are out of sight of every query, whatever its shape; :func:`with_deleted` shows them.

    .. versionadded:: 0.1
    """

    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    tenancy: ClassVar[dict[str, Any]] = soft_deletable("deleted_at")

    class Meta:
        """Not a table of its own."""

        abstract = True


def with_deleted(queryset: Any) -> Any:
    """
    Return a queryset that sees rows that were deleted softly, too, and may change them: ``update(deleted_at=None)``.

    It holds for the queryset's own statement with its joins; for subqueries, and for what is prefetched, say it there.

    .. versionadded:: 0.1
    """
    shown = queryset.all()
    setattr(shown.query, LIFTED, getattr(shown.query, LIFTED, frozenset()) | {SOFT_DELETE.name})
    return shown


class Tenant(models.Model):
    """
    The directory's tenants; a scope sees its own. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = tenant_id_field(primary_key=True)
    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16)
    plan = models.CharField(max_length=64)
    region = models.CharField(max_length=64, null=True)  # noqa: DJ001 - as the kit declares it
    settings = models.JSONField()
    entry = models.JSONField()
    created_at = models.DateTimeField()
    status_since = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_tenant"
        constraints = (models.UniqueConstraint(fields=("slug",), name="tenantkit_tenant_slug"),)
        indexes = (models.Index(fields=("status", "status_since"), name="tenantkit_tenant_status"),)

    def __str__(self) -> str:
        return str(self.slug)


class Slug(models.Model):
    """
    The slugs that a tenant has and had; each leads to it. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    slug = models.CharField(max_length=63, primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="slugs", db_index=False)
    since = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_slug"
        indexes = (models.Index(fields=("tenant",), name="tenantkit_slug_tenant"),)

    def __str__(self) -> str:
        return str(self.slug)


class Membership(models.Model):
    """
    Who is a member of a tenant, and in which roles. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    pk = models.CompositePrimaryKey("tenant_id", "user_id")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user_id = models.CharField(max_length=200)
    roles = models.JSONField()
    permissions = models.JSONField()
    guest = models.BooleanField()
    owner = models.BooleanField()
    status = models.CharField(max_length=16)
    invited_by = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    joined_at = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_membership"
        indexes = (models.Index(fields=("user_id", "tenant_id"), name="tenantkit_membership_user"),)

    def __str__(self) -> str:
        return str(self.user_id)


class Invitation(models.Model):
    """
    Offers to become a member, as digests. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations", db_index=False)
    digest = models.CharField(max_length=64)
    email = models.CharField(max_length=320)
    roles = models.JSONField()
    guest = models.BooleanField()
    invited_by = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent = models.IntegerField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_invitation"
        constraints = (models.UniqueConstraint(fields=("digest",), name="tenantkit_invitation_digest"),)
        indexes = (
            models.Index(fields=("tenant", "email"), name="tenantkit_invitation_tenant"),
            models.Index(fields=("expires_at",), name="tenantkit_invitation_expiry"),
        )

    def __str__(self) -> str:
        return str(self.email)


class Domain(models.Model):
    """
    Domains that a tenant brought, and whether they are known to be its own. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    pk = models.CompositePrimaryKey("tenant_id", "name")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253)
    challenge = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    verified_name = models.CharField(max_length=253, null=True)  # noqa: DJ001 - as the kit declares it

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_domain"
        constraints = (models.UniqueConstraint(fields=("verified_name",), name="tenantkit_domain_verified"),)

    def __str__(self) -> str:
        return str(self.name)


class Workspace(models.Model):
    """
    Parts of a tenant. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="workspaces", db_index=False)
    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_workspace"
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="tenantkit_workspace_slug"),)

    def __str__(self) -> str:
        return str(self.slug)


class AuditEvent(models.Model):
    """
    The trail of a tenant. To be read: the kit writes it, and nobody changes it.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    occurred_at = models.DateTimeField()
    actor = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    actor_kind = models.CharField(max_length=16, null=True)  # noqa: DJ001
    impersonator = models.CharField(max_length=200, null=True)  # noqa: DJ001
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=300, null=True)  # noqa: DJ001
    outcome = models.CharField(max_length=16)
    details = models.JSONField()
    request_id = models.CharField(max_length=100, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_audit_event"
        indexes = (
            models.Index(fields=("tenant_id", "occurred_at", "id"), name="tenantkit_audit_event_time"),
        )

    def __str__(self) -> str:
        return str(self.action)


class QuotaCounter(models.Model):
    """
    Units that a tenant used of a meter. To be read: the kit counts.

    .. versionadded:: 0.1
    """

    pk = models.CompositePrimaryKey("tenant_id", "meter")
    tenant_id = tenant_id_field()
    meter = models.CharField(max_length=64)
    used = models.BigIntegerField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_quota_counter"
        constraints = (
            models.CheckConstraint(condition=models.Q(used__gte=0), name="tenantkit_quota_counter_used"),
        )

    def __str__(self) -> str:
        return str(self.meter)


class Login(models.Model):
    """
    Who signed in where, on which device. To be read: the kit writes it.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    user_id = models.CharField(max_length=200)
    claims = models.JSONField()
    device = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    client = models.CharField(max_length=64, null=True)  # noqa: DJ001
    user_agent = models.CharField(max_length=300, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    idle_until = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_because = models.CharField(max_length=32, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_login"
        indexes = (
            models.Index(fields=("user_id", "tenant_id"), name="tenantkit_login_user"),
            models.Index(fields=("idle_until",), name="tenantkit_login_idle"),
            models.Index(fields=("revoked_at",), name="tenantkit_login_revoked"),
        )

    def __str__(self) -> str:
        return str(self.user_id)


class RefreshToken(models.Model):
    """
    Digests of the refresh tokens of a login. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    digest = models.CharField(max_length=64, primary_key=True)
    tenant_id = tenant_id_field()
    login = models.ForeignKey(Login, on_delete=models.CASCADE, related_name="refresh_tokens", db_index=False)
    issued_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    salt = models.CharField(max_length=64, null=True)  # noqa: DJ001 - as the kit declares it
    access_token_id = models.CharField(max_length=36, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_refresh_token"
        indexes = (models.Index(fields=("login",), name="tenantkit_refresh_token_login"),)

    def __str__(self) -> str:
        return str(self.digest)


class ApiKey(models.Model):
    """
    API keys of a tenant, as digests. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    digest = models.CharField(max_length=64)
    hint = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    roles = models.JSONField()
    permissions = models.JSONField(null=True)
    created_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_api_key"
        constraints = (models.UniqueConstraint(fields=("digest",), name="tenantkit_api_key_digest"),)
        indexes = (models.Index(fields=("tenant_id",), name="tenantkit_api_key_tenant"),)

    def __str__(self) -> str:
        return str(self.name)


class ShareLink(models.Model):
    """
    Links to single resources of a tenant, as digests. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    digest = models.CharField(max_length=64)
    resource = models.CharField(max_length=300)
    level = models.CharField(max_length=32)
    email = models.CharField(max_length=320, null=True)  # noqa: DJ001 - as the kit declares it
    shared_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    max_uses = models.IntegerField(null=True)
    uses = models.IntegerField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_share_link"
        constraints = (models.UniqueConstraint(fields=("digest",), name="tenantkit_share_link_digest"),)
        indexes = (
            models.Index(fields=("tenant_id", "resource"), name="tenantkit_share_link_resource"),
            models.Index(fields=("expires_at",), name="tenantkit_share_link_expiry"),
        )

    def __str__(self) -> str:
        return str(self.resource)


class Lockout(models.Model):
    """
    Attempts to sign in, by digests of accounts and addresses. No scope sees them; the kit writes them.

    .. versionadded:: 0.1
    """

    subject = models.CharField(max_length=64, primary_key=True)
    tenant_id = tenant_id_field()
    attempts = models.IntegerField()
    last_at = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_lockout"
        indexes = (models.Index(fields=("last_at",), name="tenantkit_lockout_last"),)

    def __str__(self) -> str:
        return str(self.subject)
