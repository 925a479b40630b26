"""What others may implement, each with its promise."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tenantkit.core.tenant import Tenant

if TYPE_CHECKING:
    from tenantkit.directory.model import Membership
    from tenantkit.resolution.model import Named, RequestView, Silent
    from tenantkit.tokens.keys import TokenKey

__all__ = [
    "Clock",
    "DirectoryLookup",
    "FeatureLookup",
    "MembershipLookup",
    "Source",
    "TenantLookup",
    "TokenKeys",
]


@runtime_checkable
class Clock(Protocol):
    """Promises to tell the present moment as an aware datetime in UTC, and never to wait."""

    def now(self) -> datetime:
        """Return the present moment."""
        ...


class TenantLookup(Protocol):
    """Promises to find tenants by the state of the directory, or of seconds ago, suspended ones included."""

    def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of a slug, or None."""
        ...

    def by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id as it stands in a token, or None; a malformed id is an unknown one."""
        ...

    def by_domain(self, domain: str) -> Tenant | None:
        """Return the tenant whose own domain it is known to be, or None."""
        ...


class MembershipLookup(Protocol):
    """Promises to find memberships by the state of the directory, or of seconds ago, and only those that count."""

    def membership(self, tenant: Tenant, user_id: str) -> "Membership | None":
        """Return the active membership of a user, or None; an id that nobody could have is nobody's."""
        ...


class DirectoryLookup(TenantLookup, MembershipLookup, Protocol):
    """
    Promises both. What an application implements that has a table of organizations of its own.

    Each question costs one statement, writes nothing, and may wait. ``tenantkit.testing.contracts.LookupContract``
    holds an implementation to it.
    """


class FeatureLookup(Protocol):
    """Promises to say which features a tenant's plan has, by what is known at once, and never to wait."""

    def has_feature(self, tenant: Tenant, feature: str) -> bool:
        """Whether a tenant has a feature; one that nobody has heard of it has not."""
        ...


class Source(Protocol):
    """
    Promises to read one place of a request and to say which tenant it names, if it names one; never to wait.

    Where the place is there and names no tenant it says why, and None where it is not there. ``authenticated`` is true
    where the place cannot be chosen by the client, as a verified token's claim.
    """

    authenticated: bool

    def read(self, request: "RequestView", claims: Mapping[str, Any]) -> "Named | Silent | None":
        """Return what the place says, or None where there is no such place."""
        ...


class TokenKeys(Protocol):
    """
    Promises to have the keys of one issuer, each of which passed the gate of :class:`~tenantkit.tokens.TokenKey`.

    ``wait`` is true where finding one may wait for somebody's answer.
    """

    @property
    def wait(self) -> bool:
        """Whether finding a key may wait."""
        ...

    def find(self, key_id: str | None) -> "TokenKey | None":
        """
        Return the key of an id, which a stranger wrote, or None; for a token that names none, the only key.

        Raises:
            KeysUnavailable: nobody knows, since they could not be fetched.
        """
        ...
