"""The nouns of the directory."""

from dataclasses import dataclass

from tenantkit.core.tenant import TenantId

__all__ = ["Membership"]


@dataclass(frozen=True, slots=True)
class Membership:
    """
    A user's place in a tenant: the roles held there.

    .. versionadded:: 0.1
    """

    tenant_id: TenantId
    user_id: str
    roles: frozenset[str]
