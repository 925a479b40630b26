"""The nouns of the directory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID

from tenantkit.core.tenant import TenantId

__all__ = ["Domain", "Invitation", "Membership", "MembershipStatus", "NewInvitation", "Page", "Workspace"]

MembershipStatus = Literal["active", "suspended"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Membership:
    """
    A user's place in a tenant.

    Args:
        tenant_id: where.
        user_id: who.
        roles: the roles held there.
        permissions: permissions beside those that the roles grant.
        guest: whether it is a guest's.
        status: whether it counts.
        invited_by: who invited them, if anybody did.
        joined_at: since when, UTC.

    .. versionadded:: 0.1
    """

    tenant_id: TenantId
    user_id: str
    roles: frozenset[str]
    permissions: frozenset[str] = frozenset()
    guest: bool = False
    status: MembershipStatus = "active"
    invited_by: str | None = None
    joined_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Invitation:
    """
    An offer to somebody, by e-mail, to become a member.

    Args:
        id: which.
        tenant_id: where.
        email: to whom.
        roles: the roles that they would hold.
        guest: whether as a guest.
        invited_by: who offers.
        created_at: UTC.
        expires_at: UTC.
        sent: how often it was made anew to be sent.
        accepted_at: UTC.
        accepted_by: the id of the user who accepted.
        revoked_at: UTC.

    .. versionadded:: 0.1
    """

    id: UUID
    tenant_id: TenantId
    email: str
    roles: frozenset[str]
    guest: bool
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    sent: int = 1
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """
    An invitation that was made, and the text to send, which is kept nowhere.

    .. versionadded:: 0.1
    """

    invitation: Invitation
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Domain:
    """
    A domain that a tenant says is its own, and shows by a record in the DNS.

    Args:
        tenant_id: whose.
        name: the domain, in lower case, as the DNS has it (``xn--...``).
        challenge: what the tenant puts into the DNS.
        created_at: UTC.
        verified_at: since when it is known to be the tenant's, UTC.

    .. versionadded:: 0.1
    """

    tenant_id: TenantId
    name: str
    challenge: str
    created_at: datetime
    verified_at: datetime | None = None

    @property
    def record_name(self) -> str:
        """The name of the TXT record that the tenant makes."""
        return f"_tenantkit.{self.name}"

    @property
    def record(self) -> str:
        """What the TXT record holds."""
        return f"tenantkit-verification={self.challenge}"


@dataclass(frozen=True, slots=True)
class Workspace:
    """
    A part of a tenant.

    Args:
        id: the value of the dimension ``workspace``.
        tenant_id: of which.
        slug: its name in paths, unique in the tenant.
        name: its name for people.
        created_at: UTC.
        archived_at: since when nobody works in it, UTC.

    .. versionadded:: 0.1
    """

    id: UUID
    tenant_id: TenantId
    slug: str
    name: str
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """
    A part of a list, in its order.

    Args:
        items: what is on it.
        after: what to ask the next page with, None on the last one.

    .. versionadded:: 0.1
    """

    items: Sequence[Item]
    after: str | None
