"""The trail and the counters, to be read."""

from django.db import models

from tenantkit.adapters.django.fields import tenant_id_field

__all__ = ["AuditEvent", "QuotaCounter"]


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
