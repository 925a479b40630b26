"""What a request asks of a kit: who and whose it is, and whether the row is theirs."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import RequestFacts, Scope, current
from tenantkit.core.tenant import Tenant
from tenantkit.directory import CachedLookup, DirectoryCache, NotCached
from tenantkit.exceptions import ForeignIssuer, NotAMember, NotAuthenticated, WorkspaceRequired
from tenantkit.kit.logins import KitLogins
from tenantkit.kit.scopes import Scopes
from tenantkit.kit.trust import Trust
from tenantkit.rbac import Matrix, Ownership
from tenantkit.resolution import Agreement, Claim
from tenantkit.tokens import AccessToken, TrustedIssuers, VerifiedTokens

__all__ = ["RequestCredentials", "Requests"]


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """
    What a request says of itself: its host, its bearer token, and facts worth remembering.

    .. versionadded:: 0.1
    """

    host: str | None
    token: str | None
    facts: RequestFacts


class Requests(Scopes):
    """
    The part of a kit that answers for requests; see :class:`TenantKit`.

    .. versionadded:: 0.1
    """

    resolve: Agreement
    roles: Matrix
    trust: Trust
    logins: KitLogins
    issuers: TrustedIssuers
    verified_tokens: VerifiedTokens
    dimensions: Mapping[str, Claim]
    directory_cache: DirectoryCache

    def identify(self, request: RequestCredentials) -> Scope:
        """
        Return the scope of a request: verify its token, settle its tenant, find the actor's membership.

        Costs one statement for each source that speaks and one for the membership, on a connection of the owner, and
        none for what the directory's cache knows.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, is suspended, or the actor is no member.
        """
        with ExitStack() as opened:
            lookup = self._lookup(lambda: opened.enter_context(Session(self.owner_engine)))
            return self._scope_of(request, self._token(request), lookup)

    def recall(self, request: RequestCredentials) -> Scope | None:
        """
        Return the scope of a request that :meth:`identify` would return, if that can be told without waiting.

        Opens and asks nothing, so that it may be called on an event loop. Where tokens can be revoked, or a kit of the
        application's own identifies in its own way, it returns None: they may wait for their answers.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, or is suspended.
        """
        if self.trust.is_revoked is not None or type(self).identify is not Requests.identify:
            return None
        try:
            return self._scope_of(request, self._recalled(request), self._lookup())
        except NotCached:
            return None

    def _recalled(self, request: RequestCredentials) -> AccessToken | None:
        """Return what the token of a request says, if nobody has to be asked for keys or for what was revoked."""
        if request.token is None:
            return None
        known = self.verified_tokens
        token = known.recall(request.token) if self.issuers.wait else known.read(request.token)
        if token is None or self.logins.revoked.waits_for(token):
            raise NotCached
        known.check(token)
        return token

    def _lookup(self, open_session: Callable[[], Session] | None = None) -> CachedLookup:
        return CachedLookup(self.directory, self.directory_cache, open_session)

    def _scope_of(
        self, request: RequestCredentials, token: AccessToken | None, lookup: CachedLookup
    ) -> Scope:
        claims = token.claims if token is not None else {}
        spoken = self.resolve.read(request.host, claims)
        actor = _actor(token)
        tenant = self.resolve.settle(spoken, lookup)
        _check_issuer(token, tenant)
        membership = lookup.membership(tenant, actor.id)
        if membership is None:
            raise NotAMember(
                f"You are not an active member of {tenant.slug!r}. Ask its owner for an invitation."
            )
        found = {name: claim.read(claims) for name, claim in self.dimensions.items()}
        dimensions = {name: value for name, value in found.items() if value is not None}
        return Scope(
            tenant=tenant,
            actor=actor,
            roles=membership.roles,
            request=request.facts,
            dimensions=dimensions,
        )

    def authenticate(self, request: RequestCredentials) -> Actor:
        """
        Return who asks, of whatever tenant or none: the token is verified, and nothing is looked up.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ForeignIssuer: it is by the provider of one tenant, which speaks of nobody else's users.
        """
        token = self._token(request)
        _check_issuer(token, None)
        return _actor(token)

    def require_workspace(self) -> None:
        """
        Refuse unless the current scope names a workspace.

        Raises:
            WorkspaceRequired: it does not.
        """
        if "workspace" not in current().dimensions:
            raise WorkspaceRequired(
                "This is done in a workspace, and the token names none. Choose one first."
            )

    def require_owner(self, ownership: Ownership, key: str) -> None:
        """Refuse unless a row is the actor's, on the session of the current scope; see :meth:`Ownership.find`."""
        ownership.find(self.session(), current(), self.roles, key)

    async def arequire_owner(self, ownership: Ownership, key: str) -> None:
        """Refuse unless a row is the actor's, on the async session; see :meth:`Ownership.find`."""
        await self.async_session().run_sync(ownership.find, current(), self.roles, key)

    def _is_revoked(self, token: AccessToken) -> bool:
        return self.logins.revoked(token) or (
            self.trust.is_revoked is not None and self.trust.is_revoked(token)
        )

    def _token(self, request: RequestCredentials) -> AccessToken | None:
        return None if request.token is None else self.verified_tokens.verify(request.token)


def _actor(token: AccessToken | None) -> Actor:
    if token is None:
        raise NotAuthenticated("The request does not say who asks. Send `Authorization: Bearer <token>`.")
    return Actor(token.user_id)


def _check_issuer(token: AccessToken | None, tenant: Tenant | None) -> None:
    """Refuse a token by the provider of another tenant than the request's."""
    if token is not None and token.bound_to is not None and (tenant is None or tenant.id != token.bound_to):
        raise ForeignIssuer(
            "The identity provider of one tenant signed the token, and the request is not that tenant's. Sign in "
            "where you want to go."
        )
