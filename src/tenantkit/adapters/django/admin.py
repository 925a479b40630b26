"""Pages of the admin for what the kit keeps of a tenant; they show and change nothing."""

from typing import Any

from django.contrib import admin

from tenantkit.adapters.django.models import AuditEvent, Tenant

__all__ = ["AuditEventAdmin", "TenantAdmin"]


class _ReadOnly(admin.ModelAdmin):
    """A page that shows rows of the scope, and changes none."""

    def has_add_permission(self, request: Any) -> bool:  # noqa: ARG002 - as Django calls it
        """Whether rows are added here: the kit does it."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:  # noqa: ARG002
        """Whether rows are changed here: the kit does it."""
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:  # noqa: ARG002
        """Whether rows are deleted here: nobody does it."""
        return False


@admin.register(Tenant)
class TenantAdmin(_ReadOnly):
    """The tenant of the scope, with its members."""

    list_display = ("slug", "name", "plan", "status", "created_at")
    exclude = ("settings",)
    readonly_fields = ("members",)

    @admin.display(description="members")
    def members(self, tenant: Tenant) -> str:
        """Return who is a member, and in which roles."""
        found = tenant.memberships.order_by("user_id").values_list("user_id", "roles")
        return "\n".join(f"{user_id}: {', '.join(roles)}" for user_id, roles in found)


@admin.register(AuditEvent)
class AuditEventAdmin(_ReadOnly):
    """The trail of the scope's tenant, newest first."""

    list_display = ("occurred_at", "action", "outcome", "actor", "target")
    list_filter = ("outcome", "action")
    ordering = ("-occurred_at", "-id")
