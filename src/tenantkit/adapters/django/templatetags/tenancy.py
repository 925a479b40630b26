"""What templates ask: ``{% load tenancy %}{% if "documents:create"|allowed %}``, ``{% tenant as tenant %}``."""

from typing import Any

from django import template

from tenantkit.adapters.django.nouns import tenancy
from tenantkit.core.scope import current_or_none

__all__ = ["allowed", "register", "tenant", "used"]

register = template.Library()


@register.filter
def allowed(permission: str) -> bool:
    """Whether the actor of the scope may do something; outside of any scope nobody may."""
    tenancy.kit.roles.check_declared(permission)
    scope = current_or_none()
    return scope is not None and tenancy.kit.access.check(permission)


@register.simple_tag
def tenant() -> Any:
    """Return the tenant of the scope, or None."""
    scope = current_or_none()
    return None if scope is None else scope.tenant


@register.simple_tag
def used(meter: str) -> int:
    """Return the units that the scope's tenant used. Costs one statement."""
    return tenancy.kit.quotas.used(meter)
