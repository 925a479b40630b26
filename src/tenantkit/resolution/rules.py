"""How sources settle on one tenant. Decides; the caller looks tenants up."""

from collections.abc import Mapping, Sequence
from typing import Any

from tenantkit.core.tenant import Tenant, check_served
from tenantkit.exceptions import (
    ConfigurationError,
    NotAuthenticated,
    SourcesDisagree,
    TenantRequired,
    UnknownTenant,
)
from tenantkit.protocols import Source, TenantLookup
from tenantkit.resolution.model import Named

__all__ = ["Agreement", "agree"]


class Agreement:
    """
    Sources that must agree; made by :func:`agree`.

    .. versionadded:: 0.1
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if not any(source.authenticated for source in sources):
            raise ConfigurationError(
                "agree() needs a source that the client cannot choose, such as TokenClaim('org'): a host or header "
                "alone would let anybody name any tenant."
            )
        self.sources = tuple(sources)

    def read(self, host: str | None, claims: Mapping[str, Any]) -> list[Named]:
        """
        Return what the sources that speak say.

        Raises:
            NotAuthenticated: none of those that speak is authenticated.
            TenantRequired: the token is good, and no source speaks.
            HostMalformed: the Host header is no host.
            TokenInvalid: a claim has the wrong shape.
        """
        spoken = [named for source in self.sources if (named := source.read(host, claims)) is not None]
        if any(named.authenticated for named in spoken):
            return spoken
        if claims:
            raise TenantRequired(
                f"The token names no tenant. Asked were {', '.join(map(repr, self.sources))}; sign in to a tenant."
            )
        raise NotAuthenticated("The request carries no access token. Send `Authorization: Bearer <token>`.")

    def settle(self, spoken: Sequence[Named], lookup: TenantLookup) -> Tenant:
        """
        Return the one active tenant that all sources name. Costs one look-up a source.

        Raises:
            UnknownTenant: a source names a tenant that does not exist.
            SourcesDisagree: two sources name different tenants.
            TenantProvisioning, TenantSuspended, TenantClosed: the tenant is not served.
        """
        tenants = []
        for named in spoken:
            tenant = lookup.by_slug(named.value) if named.by == "slug" else lookup.by_id(named.value)
            if tenant is None:
                raise UnknownTenant(f"The {named.source} names a tenant that does not exist.")
            tenants.append(tenant)
        if len({tenant.id for tenant in tenants}) > 1:
            places = " and ".join(named.source for named in spoken)
            raise SourcesDisagree(
                f"The {places} name different tenants. Use the host of the tenant you signed in to."
            )
        check_served(tenants[0])
        return tenants[0]


def agree(*sources: Source) -> Agreement:
    """
    Settle a request's tenant by sources that must not contradict each other.

    Those that speak must name the same tenant, at least one must speak, and at least one of those that speak must be
    authenticated.

    Raises:
        ConfigurationError: no source is authenticated.

    .. versionadded:: 0.1
    """
    return Agreement(sources)
