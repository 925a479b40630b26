"""Abstract models for hosts, whose rows belong to a tenant or are deleted softly."""

from typing import Any, ClassVar

from django.db import models

from tenantkit.adapters.django.db.scoping import LIFTED
from tenantkit.isolation import SOFT_DELETE, scoped_by, soft_deletable

__all__ = ["SoftDeletable", "TenantModel", "with_deleted"]


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
