"""Whom rows belong to."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from tenantkit.exceptions import ConfigurationError

__all__ = ["SLUG_MAX_LENGTH", "Tenant", "TenantId", "central_tenant_id", "is_slug"]

_ID_TYPES: Final = (UUID, int, str)
TenantId = UUID | int | str

SLUG_MAX_LENGTH: Final = 63  # a DNS label (RFC 1035), so that every slug can be a host
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def is_slug(text: str) -> bool:
    """
    Whether a text can name a tenant: one lower-case DNS label of 1 to 63 letters, digits and inner hyphens.

    .. versionadded:: 0.1
    """
    return len(text) <= SLUG_MAX_LENGTH and _SLUG.match(text) is not None


_CENTRAL: Final[dict[type, TenantId]] = {UUID: UUID(int=0), int: 0, str: ""}


def central_tenant_id(kind: type) -> TenantId:
    """
    Return the id under which events of no tenant are kept: the nil UUID, 0 or the empty text.

    No tenant has it, so only an unscoped session sees the central trail.

    .. versionadded:: 0.1
    """
    return _CENTRAL[kind]


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    An organization whose rows are kept apart from all others'.

    Args:
        id: the value of the tenant column; a UUID, int or str, one type per application.
        slug: its name in hosts and paths, one DNS label.
        name: its name for people.
        active: whether requests are served.
        plan: the name of its plan.

    Raises:
        ConfigurationError: the id has another type, or the slug is no DNS label.

    .. versionadded:: 0.1
    """

    id: TenantId
    slug: str
    name: str = ""
    active: bool = True
    plan: str = "default"

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
