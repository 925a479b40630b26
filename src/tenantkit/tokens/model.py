"""The nouns of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tenantkit.core.tenant import TenantId

__all__ = ["AccessToken", "ApiKey", "Login", "NewApiKey", "NewShareLink", "Replay", "ShareLink", "TokenPair"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """
    What a token that verified says.

    Args:
        user_id: who it is for.
        issuer: who says so, the ``iss`` of the token.
        claims: what it says further, by the kit's names, whatever its issuer calls them; read-only.
        valid_from: seconds of Unix time, leeway included.
        valid_until: seconds of Unix time, leeway included.
        bound_to: the one tenant that its issuer may speak of, or None for an issuer of all.
        provided: all claims, by the issuer's names; read-only.

    .. versionadded:: 0.1
    """

    user_id: str
    issuer: str
    claims: Mapping[str, Any]
    valid_from: float
    valid_until: float
    bound_to: TenantId | None
    provided: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """
    A user who signed in on a device: what all tokens have in common that follow from it.

    Args:
        id: the ``sid`` of its access tokens.
        user_id: who signed in.
        tenant_id: where; the central tenant's id where it is nowhere.
        device: what the application calls the device.
        client: the address it was used from last.
        user_agent: what the browser called itself last.
        created_at: UTC.
        last_used_at: when it was refreshed last, UTC.
        expires_at: when it ends if it is used before ``idle_until``, UTC.
        idle_until: when it ends if it is not used before, UTC.
        revoked_at: when it was ended, UTC.
        revoked_because: why: ``"signed out"``, ``"replayed"``, or what the caller said.

    .. versionadded:: 0.1
    """

    id: UUID
    user_id: str
    tenant_id: TenantId
    device: str | None
    client: str | None
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    idle_until: datetime
    revoked_at: datetime | None = None
    revoked_because: str | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """
    What a client gets: a token for requests, and one for the next pair.

    Args:
        access_token: for the Authorization header.
        refresh_token: for one use.
        expires_in: seconds until the access token expires.
        login_id: the login that they belong to.

    .. versionadded:: 0.1
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    login_id: UUID


@dataclass(frozen=True, slots=True)
class Replay:
    """
    A refresh token that came a second time: somebody has it who should not. Its login was revoked.

    .. versionadded:: 0.1
    """

    login: Login


@dataclass(frozen=True, slots=True)
class ApiKey:
    """
    A key with which a program works in a tenant, for itself or for a member.

    Args:
        id: which.
        tenant_id: where.
        hint: the beginning of its text, by which people tell it from others.
        name: what it is for.
        user_id: the member in whose name it works, with that member's roles; None for a key with roles of its own.
        roles: its own roles.
        permissions: the permissions that it is good for; None for all that the roles grant.
        created_by: who made it.
        created_at: UTC.
        expires_at: UTC; None for never.
        last_used_at: UTC, by some minutes.
        revoked_at: UTC.

    .. versionadded:: 0.1
    """

    id: UUID
    tenant_id: TenantId
    hint: str
    name: str
    user_id: str | None
    roles: frozenset[str]
    permissions: frozenset[str] | None
    created_by: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it is good at a moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """
    A key that was made, and its text, which is shown once and kept nowhere.

    .. versionadded:: 0.1
    """

    key: ApiKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShareLink:
    """
    Access to one resource of a tenant, for whoever holds the link.

    Args:
        id: which.
        tenant_id: where.
        resource: what, as the application names it: ``"document:42"``.
        level: how far: ``"viewer"``, ``"editor"`` or what the application calls it.
        email: whom it was sent to, if to somebody.
        shared_by: who made it.
        created_at: UTC.
        expires_at: UTC.
        max_uses: how often it may be opened; None for any number.
        uses: how often it was.
        last_used_at: UTC.
        revoked_at: UTC.

    .. versionadded:: 0.1
    """

    id: UUID
    tenant_id: TenantId
    resource: str
    level: str
    email: str | None
    shared_by: str | None
    created_at: datetime
    expires_at: datetime
    max_uses: int | None
    uses: int = 0
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewShareLink:
    """
    A link that was made, and its text, which is shown once and kept nowhere.

    .. versionadded:: 0.1
    """

    link: ShareLink
    text: str = field(repr=False)
