"""Whom rows belong to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args
from uuid import UUID

from tenantkit.exceptions import (
    ConfigurationError,
    TenantClosed,
    TenantProvisioning,
    TenantSuspended,
    UnknownTenant,
)

__all__ = [
    "SLUG_MAX_LENGTH",
    "TENANT_STATUSES",
    "EntryRules",
    "Tenant",
    "TenantId",
    "TenantStatus",
    "central_tenant_id",
    "check_served",
    "is_slug",
]

_ID_TYPES: Final = (UUID, int, str)
TenantId = UUID | int | str
TenantStatus = Literal["provisioning", "active", "suspended", "offboarding", "grace", "purging", "purged"]
TENANT_STATUSES: Final[tuple[str, ...]] = get_args(TenantStatus)

SLUG_MAX_LENGTH: Final = 63  # a DNS label (RFC 1035), so that every slug can be a host
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def is_slug(text: str) -> bool:
    """
    Whether a text can name a tenant: one lower-case DNS label of 1 to 63 letters, digits and inner hyphens.

    .. versionadded:: 0.1
    """
    return len(text) <= SLUG_MAX_LENGTH and _SLUG.match(text) is not None


# a UUID of version 8 (RFC 9562, 5.8), which no generator of ids makes; the nil one may be a tenant's
_CENTRAL: Final[dict[type, TenantId]] = {UUID: UUID("63656e74-7261-8c00-8000-74656e616e74"), int: -1, str: ""}


def central_tenant_id(kind: type) -> TenantId:
    """
    Return the id under which rows of no tenant are kept: a UUID of its own, -1 or the empty text.

    No tenant has it, so only an unscoped session sees them.

    .. versionadded:: 0.1
    """
    return _CENTRAL[kind]


@dataclass(frozen=True, slots=True)
class EntryRules:
    """
    Who may enter a tenant, beside its members' roles.

    Args:
        guests: whether it may have guests.
        second_factor: whether its members need one.
        allow: addresses and networks (CIDR) that requests may come from; any, if there are none.
        deny: addresses and networks that they may not come from; these win.
        maintenance: what to tell while nobody may enter; None while they may.

    .. versionadded:: 0.1
    """

    guests: bool = False
    second_factor: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    maintenance: str | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    An organization whose rows are kept apart from all others'.

    Args:
        id: the value of the tenant column; a UUID, int or str, one type per application.
        slug: its name in hosts and paths, one DNS label.
        name: its name for people.
        status: where it is in its life; requests are served while it is ``"active"``.
        plan: the name of its plan.
        region: where its data is, by the application's name for it.
        settings: what the application keeps of it, JSON-able; see :class:`~tenantkit.directory.TenantSettings`.
        entry: who may enter, beside its members' roles.

    Raises:
        ConfigurationError: the id has another type, the slug is no DNS label, or there is no such status.

    .. versionadded:: 0.1
    """

    id: TenantId
    slug: str
    name: str = ""
    status: TenantStatus = "active"
    plan: str = "default"
    region: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    entry: EntryRules = EntryRules()

    @property
    def active(self) -> bool:
        """Whether requests are served."""
        return self.status == "active"

    def __post_init__(self) -> None:
        if isinstance(self.id, bool) or not isinstance(self.id, _ID_TYPES):
            raise ConfigurationError(
                f"A tenant id is a UUID, an int or a str, not {type(self.id).__name__}. Convert it before "
                "you make the Tenant."
            )
        if not is_slug(self.slug):
            shown = self.slug if len(self.slug) <= SLUG_MAX_LENGTH else self.slug[:SLUG_MAX_LENGTH] + "..."
            raise ConfigurationError(
                f"{shown!r} cannot be a slug: use one DNS label of 1 to 63 lower-case letters, digits and "
                "inner hyphens."
            )
        if self.status not in TENANT_STATUSES:
            raise ConfigurationError(
                f"There is no status {self.status!r} of a tenant; known are {', '.join(TENANT_STATUSES)}."
            )


def check_served(tenant: Tenant) -> None:
    """
    Refuse a tenant that is not served.

    Raises:
        TenantProvisioning: it is not served yet.
        TenantSuspended: it is suspended.
        TenantClosed: it is closed, and may be restored.
        UnknownTenant: it is gone.

    .. versionadded:: 0.1
    """
    match tenant.status:
        case "active":
            return
        case "provisioning":
            raise TenantProvisioning(
                f"The tenant {tenant.slug!r} is being made ready. Try again in a minute."
            )
        case "suspended":
            raise TenantSuspended(
                f"The tenant {tenant.slug!r} is suspended. Its owner can have it served again."
            )
        case "offboarding" | "grace":
            raise TenantClosed(
                f"The tenant {tenant.slug!r} is closed. Its owner can have it restored for some days."
            )
        case _:
            raise UnknownTenant("There is no such tenant any more.")
