"""How sources settle on one tenant. Decides; the caller looks tenants up."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tenantkit.core.telemetry import counter
from tenantkit.core.tenant import Tenant, check_served
from tenantkit.exceptions import (
    ConfigurationError,
    NotAuthenticated,
    SourcesDisagree,
    TenantRequired,
    UnknownTenant,
)
from tenantkit.protocols import Source, TenantLookup
from tenantkit.resolution.model import Evidence, Named, RequestView, Resolution, Silent
from tenantkit.resolution.sources import Default

__all__ = ["Agreement", "Hearing", "Precedence", "Resolver", "agree", "first"]

logger = logging.getLogger("tenantkit.resolution")


class Hearing:
    """
    One request before its sources: what it shows them, and what was heard so far.

    .. versionadded:: 0.1
    """

    def __init__(self, request: RequestView, claims: Mapping[str, Any], *, vouched: bool) -> None:
        self.request, self.claims, self.vouched = request, claims, vouched
        self.heard: list[tuple[Source, Named | Silent | None]] = []

    def ask(self, source: Source) -> list[Named]:
        """Return what a source says, and note it."""
        said = source.read(self.request, self.claims)
        self.heard.append((source, said))
        return [said] if isinstance(said, Named) else []

    def replace(self, old: Named, new: Named) -> None:
        """Note what was made of what a source said."""
        self.heard = [(source, new if said is old else said) for source, said in self.heard]


class Resolver(ABC):
    """
    Sources, and how they settle on one tenant.

    Made by :func:`agree`, :func:`first` and :func:`changeover`, one inside the other.

    .. versionadded:: 0.1
    """

    _verb: ClassVar[str]

    def __init__(self, parts: Sequence["Source | Resolver"]) -> None:
        if not parts:
            raise ConfigurationError(
                "Nobody would name a tenant: give at least one source, such as TokenClaim('org')."
            )
        self.parts = tuple(parts)
        # told apart here and not at each request
        self._speakers = tuple(part.speak if isinstance(part, Resolver) else _speaker(part) for part in parts)

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
    def speak(self, hearing: Hearing) -> list[Named]:
        """
        Return what the sources that count say, nothing where none does.

        Raises:
            ResolutionError: what a source reads is malformed.
            TokenInvalid: a claim has the wrong shape.
        """

    def read(
        self,
        request: RequestView,
        claims: Mapping[str, Any],
        *,
        vouched: Named | None = None,
        trusted: bool = False,
    ) -> Evidence:
        """
        Return what the sources of a request say.

        Args:
            request: the request.
            claims: what its token says.
            vouched: what somebody says who can be trusted, such as an API key of its tenant: then every source that
                speaks counts, so that it can contradict.
            trusted: whether who asks may name any tenant: then every source that speaks counts, too.

        Raises:
            NotAuthenticated: none says anything, and there is no token.
            TenantRequired: none says anything, and the token is good.
            ResolutionError: what a source reads is malformed.
            TokenInvalid: a claim has the wrong shape.
        """
        hearing = Hearing(request, claims, vouched=trusted or vouched is not None)
        spoken = self.speak(hearing)
        evidence = Evidence((vouched, *spoken) if vouched else tuple(spoken), tuple(hearing.heard))
        if evidence.spoken:
            return evidence
        if not claims:
            raise NotAuthenticated(
                "The request carries no access token. Send `Authorization: Bearer <token>`."
            )
        error = TenantRequired(
            f"Nothing that can be trusted names a tenant. Asked were {'; '.join(evidence.told)}. Sign in to a tenant."
        )
        error.heard = evidence.told
        raise error

    def settle(self, evidence: Evidence, lookup: TenantLookup) -> Resolution:
        """
        Return the one active tenant that all name who decide. Costs one look-up for each source that speaks.

        Raises:
            UnknownTenant: one names a tenant that does not exist.
            SourcesDisagree: two name different tenants.
            TenantProvisioning, TenantSuspended, TenantClosed: the tenant is not served.
        """
        try:
            tenant = _decided(evidence, lookup)
            check_served(tenant)
            _compare(evidence, tenant, lookup)
        except (SourcesDisagree, UnknownTenant) as error:
            error.heard = evidence.told
            raise
        return Resolution(tenant, evidence)


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

    def speak(self, hearing: Hearing) -> list[Named]:
        """Return what all sources say that speak, if one of them is authenticated, or somebody else vouches."""
        spoken: list[Named] = []
        for speak in self._speakers:
            spoken += speak(hearing)
        if hearing.vouched:
            return spoken
        for named in spoken:
            if named.authenticated and named.decides:  # what is only compared carries no agreement
                return spoken
        return []


class Precedence(Resolver):
    """
    Sources of which the first that speaks is believed; made by :func:`first`.

    .. versionadded:: 0.1
    """

    _verb = "first"

    def speak(self, hearing: Hearing) -> list[Named]:
        """Return what the first source says that speaks; those behind it are not asked."""
        for part, speak in zip(self.parts, self._speakers, strict=True):
            if hearing.vouched and isinstance(part, Default):
                continue  # it stands in for whom nobody named
            if spoken := speak(hearing):
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


def _speaker(source: Source) -> Callable[[Hearing], list[Named]]:
    return lambda hearing: hearing.ask(source)


def _sources_of(part: Source | Resolver) -> tuple[Source, ...]:
    return part.sources if isinstance(part, Resolver) else (part,)


def _decided(evidence: Evidence, lookup: TenantLookup) -> Tenant:
    """Return the tenant that all name who decide."""
    tenants = []
    for named in evidence.spoken:
        if not named.decides:
            continue
        tenant = _look_up(named, lookup)
        if tenant is None:
            raise UnknownTenant(f"The {named.source} names a tenant that does not exist.")
        tenants.append(tenant)
    if len(tenants) > 1 and len({tenant.id for tenant in tenants}) > 1:
        counter("source_disagreements", "Requests whose sources named different tenants").add(1)
        raise SourcesDisagree(
            f"The {evidence.resolved_by} name different tenants. Use the host of the tenant you signed in to."
        )
    return tenants[0]


def _compare(evidence: Evidence, tenant: Tenant, lookup: TenantLookup) -> None:
    """Note where a source that does not decide names another tenant, or none that exists."""
    for named in evidence.spoken:
        if named.decides:
            continue
        other = _look_up(named, lookup)
        if other is None or other.id != tenant.id:
            counter("changeover_differences", "Requests whose old source named another tenant").add(1)
            logger.warning(
                "the %s names another tenant than the %s, which counts",
                named.source,
                evidence.resolved_by,
                extra={"tenant": tenant.slug, "other": other.slug if other else None},
            )


def _look_up(named: Named, lookup: TenantLookup) -> Tenant | None:
    match named.by:
        case "slug":
            return lookup.by_slug(named.value)
        case "id":
            return lookup.by_id(named.value)
        case "domain":
            return lookup.by_domain(named.value)
