"""How sources settle on one tenant. Decides; the caller looks tenants up."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tenantkit.core.tenant import Tenant, check_served
from tenantkit.exceptions import (
    ConfigurationError,
    NotAuthenticated,
    SourcesDisagree,
    TenantRequired,
    UnknownTenant,
)
from tenantkit.protocols import Source, TenantLookup
from tenantkit.resolution.model import Named, RequestView
from tenantkit.resolution.sources import Default

__all__ = ["Agreement", "Precedence", "Resolver", "agree", "first"]


class Resolver(ABC):
    """
    Sources, and how they settle on one tenant; made by :func:`agree` and :func:`first`, one inside the other.

    .. versionadded:: 0.1
    """

    _verb: ClassVar[str]

    def __init__(self, parts: Sequence["Source | Resolver"]) -> None:
        if not parts:
            raise ConfigurationError(
                "Nobody would name a tenant: give at least one source, such as TokenClaim('org')."
            )
        self.parts = tuple(parts)

    def __repr__(self) -> str:
        return f"{self._verb}({', '.join(map(repr, self.parts))})"

    @property
    def sources(self) -> tuple[Source, ...]:
        """All sources, in the order in which they are asked."""
        found: list[Source] = []
        for part in self.parts:
            found += part.sources if isinstance(part, Resolver) else (part,)
        return tuple(found)

    @abstractmethod
    def speak(self, request: RequestView, claims: Mapping[str, Any], *, vouched: bool = False) -> list[Named]:
        """
        Return what the sources that count say, nothing where none does.

        Args:
            request: the request.
            claims: what its token says.
            vouched: whether somebody else names the tenant who can be trusted, such as an API key: then every source
                that speaks counts, so that it can contradict.

        Raises:
            ResolutionError: what a source reads is malformed.
            TokenInvalid: a claim has the wrong shape.
        """

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> list[Named]:
        """
        Return what the sources that count say.

        Raises:
            NotAuthenticated: none says anything, and there is no token.
            TenantRequired: none says anything, and the token is good.
            ResolutionError: what a source reads is malformed.
            TokenInvalid: a claim has the wrong shape.
        """
        spoken = self.speak(request, claims)
        if spoken:
            return spoken
        if claims:
            asked = ", ".join(map(repr, self.sources))
            raise TenantRequired(f"Nothing names a tenant. Asked were {asked}; sign in to a tenant.")
        raise NotAuthenticated("The request carries no access token. Send `Authorization: Bearer <token>`.")

    def settle(self, spoken: Sequence[Named], lookup: TenantLookup) -> Tenant:
        """
        Return the one active tenant that all name. Costs one look-up for each.

        Raises:
            UnknownTenant: one names a tenant that does not exist.
            SourcesDisagree: two name different tenants.
            TenantProvisioning, TenantSuspended, TenantClosed: the tenant is not served.
        """
        tenants = []
        for named in spoken:
            tenant = _look_up(named, lookup)
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


class Agreement(Resolver):
    """
    Sources that must agree; made by :func:`agree`.

    .. versionadded:: 0.1
    """

    _verb = "agree"

    def __init__(self, parts: Sequence[Source | Resolver]) -> None:
        if not any(source.authenticated for part in parts for source in _sources_of(part)):
            raise ConfigurationError(
                "agree() needs a source that the client cannot choose, such as TokenClaim('org'): a host or header "
                "alone would let anybody name any tenant. Where the membership of who asks is enough, use first()."
            )
        super().__init__(parts)

    def speak(self, request: RequestView, claims: Mapping[str, Any], *, vouched: bool = False) -> list[Named]:
        """Return what all sources say that speak, if one of them is authenticated, or somebody else vouches."""
        spoken = [named for part in self.parts for named in _spoken(part, request, claims, vouched=vouched)]
        return spoken if vouched or any(named.authenticated for named in spoken) else []


class Precedence(Resolver):
    """
    Sources of which the first that speaks is believed; made by :func:`first`.

    .. versionadded:: 0.1
    """

    _verb = "first"

    def speak(self, request: RequestView, claims: Mapping[str, Any], *, vouched: bool = False) -> list[Named]:
        """Return what the first source says that speaks; those behind it are not asked."""
        for part in self.parts:
            if vouched and isinstance(part, Default):
                continue  # it stands in for whom nobody named
            spoken = _spoken(part, request, claims, vouched=vouched)
            if spoken:
                return spoken
        return []


def agree(*parts: Source | Resolver) -> Agreement:
    """
    Settle a request's tenant by sources that must not contradict each other.

    Those that speak must name the same tenant, at least one must speak, and at least one of those that speak must be
    authenticated.

    Raises:
        ConfigurationError: no source is authenticated.

    .. versionadded:: 0.1
    """
    return Agreement(parts)


def first(*parts: Source | Resolver) -> Precedence:
    """
    Settle a request's tenant by the first source that speaks.

    A source that the client can choose is believed only so far: whoever asks has to be an active member of the tenant
    that it names, which a kit looks up at each request.

    Raises:
        ConfigurationError: there is no source.

    .. versionadded:: 0.1
    """
    return Precedence(parts)


def _sources_of(part: Source | Resolver) -> tuple[Source, ...]:
    return part.sources if isinstance(part, Resolver) else (part,)


def _spoken(
    part: Source | Resolver, request: RequestView, claims: Mapping[str, Any], *, vouched: bool
) -> list[Named]:
    if isinstance(part, Resolver):
        return part.speak(request, claims, vouched=vouched)
    named = part.read(request, claims)
    return [] if named is None else [named]


def _look_up(named: Named, lookup: TenantLookup) -> Tenant | None:
    match named.by:
        case "slug":
            return lookup.by_slug(named.value)
        case "id":
            return lookup.by_id(named.value)
        case "domain":
            return lookup.by_domain(named.value)
