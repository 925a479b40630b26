"""What a front end asks once, so that it can show what its user may do."""

from typing import TYPE_CHECKING, Any

from tenantkit.core.scope import current

if TYPE_CHECKING:
    from tenantkit.kit.root import TenantKit

__all__ = ["user_context"]


def user_context(kit: "TenantKit") -> dict[str, Any]:
    """
    Return who the actor of the current scope is there, and what they may do, as JSON-able data.

    ``permissions`` are those on every resource; ``some_permissions`` those that there can be on some, about each of
    which the server is asked. ``features`` are those of the tenant's that permissions ask for. What is shown by it
    decides nothing: the server refuses whatever the front end shows. Costs no statement.

    .. versionadded:: 0.1
    """
    scope, authorizer = current(), kit.access.authorizer
    declared = authorizer.matrix.permissions
    allowed = authorizer.allowed_actions(scope)
    some = {name for name in declared if name not in allowed and authorizer.check_some(scope, name)}
    tenant, who = scope.tenant, scope.actor or scope.impersonator
    return {
        "tenant": {"id": str(tenant.id), "slug": tenant.slug, "name": tenant.name, "plan": tenant.plan},
        "user": {"id": who.id, "kind": who.kind} if who is not None else None,
        "impersonator": scope.impersonator.id if scope.impersonator is not None else None,
        "dimensions": {name: _plain(value) for name, value in sorted(scope.dimensions.items())},
        "roles": sorted(scope.roles),
        "permissions": sorted(allowed),
        "some_permissions": sorted(some),
        "features": sorted(authorizer.features_of(tenant)),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
