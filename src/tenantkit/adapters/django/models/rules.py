"""The tables of tenants' own rules, to be read."""

from django.db import models

from tenantkit.adapters.django.fields import tenant_id_field

__all__ = ["Grant", "Role", "Rulebook"]


class Rulebook(models.Model):
    """
    How often a tenant's rules were changed. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    tenant_id = tenant_id_field(primary_key=True)
    version = models.IntegerField()
    has_grants = models.BooleanField()
    changed_at = models.DateTimeField()

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_rulebook"

    def __str__(self) -> str:
        return str(self.tenant_id)


class Role(models.Model):
    """
    The roles that tenants defined, and those that they had. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    name = models.CharField(max_length=100)
    current_name = models.CharField(max_length=100, null=True)  # noqa: DJ001 - as the kit declares it
    definition = models.JSONField()
    defined_at = models.DateTimeField()
    defined_by = models.CharField(max_length=200, null=True)  # noqa: DJ001
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_role"
        constraints = (
            models.UniqueConstraint(fields=("tenant_id", "current_name"), name="tenantkit_role_current"),
        )

    def __str__(self) -> str:
        return str(self.name)


class Grant(models.Model):
    """
    What was granted to single members, and what counts no more. To be read: the kit writes them.

    .. versionadded:: 0.1
    """

    id = models.UUIDField(primary_key=True)
    tenant_id = tenant_id_field()
    user_id = models.CharField(max_length=200)
    rule = models.JSONField()
    until = models.DateTimeField(null=True)
    delegated = models.BooleanField()
    given_at = models.DateTimeField()
    given_by = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as the kit declares it
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, null=True)  # noqa: DJ001

    class Meta:
        """As the kit declares it."""

        db_table = "tenantkit_grant"
        indexes = (models.Index(fields=("tenant_id", "user_id"), name="tenantkit_grant_user"),)

    def __str__(self) -> str:
        return str(self.id)
