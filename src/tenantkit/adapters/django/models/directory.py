"""The directory's tables, to be read."""

from django.db import models

from tenantkit.adapters.django.fields import tenant_id_field

__all__ = ["Domain", "Invitation", "Membership", "Slug", "Tenant", "Workspace"]


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
