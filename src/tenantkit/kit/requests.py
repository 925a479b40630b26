"""What a request asks of a kit: who and whose it is, and whether the row is theirs."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.opaque import digest_text
from tenantkit.core.scope import RequestFacts, Scope, current
from tenantkit.core.tenant import Tenant
from tenantkit.directory import CachedLookup, DirectoryCache, NotCached
from tenantkit.exceptions import (
    ForeignCredentials,
    NotAMember,
    NotAuthenticated,
    ResolutionError,
    SupportRequired,
    TenantMoved,
    TokenInvalid,
    WorkspaceRequired,
)
from tenantkit.kit.access import KitAccess
from tenantkit.kit.admission import admit
from tenantkit.kit.credentials import KitApiKeys, KitLockouts, KitShareLinks
from tenantkit.kit.logins import KitLogins
from tenantkit.kit.scopes import Scopes
from tenantkit.kit.trust import Trust, recognized
from tenantkit.protocols import Clock
from tenantkit.rbac import Matrix, MemberRules, Ownership, Rulebook
from tenantkit.resolution import Claim, Evidence, Named, RequestView, Resolution, Resolver
from tenantkit.tokens import AccessToken, AccessTokens, ApiKey, TrustedIssuers, VerifiedTokens

__all__ = ["RequestCredentials", "Requests"]

_PERMISSIONS: Final = "perm"


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """
    What a request says of itself: its host, its bearer token, facts worth remembering, and what sources see besides.

    .. versionadded:: 0.1
    """

    host: str | None
    token: str | None
    facts: RequestFacts
    view: RequestView | None = None

    @property
    def seen(self) -> RequestView:
        """What sources see of it; the host alone, if nothing else is given."""
        return self.view or RequestView(host=self.host)


class Requests(Scopes):
    """
    The part of a kit that answers for requests; see :class:`TenantKit`.

    .. versionadded:: 0.1
    """

    resolve: Resolver
    roles: Matrix
    access: KitAccess
    trust: Trust
    tokens: AccessTokens
    logins: KitLogins
    api_keys: KitApiKeys
    share_links: KitShareLinks
    lockouts: KitLockouts
    clock: Clock
    issuers: TrustedIssuers
    verified_tokens: VerifiedTokens
    dimensions: Mapping[str, Claim]
    directory_cache: DirectoryCache

    def identify(self, request: RequestCredentials) -> Scope:
        """
        Return the scope of a request: verify its token, settle its tenant, find the actor's membership.

        Costs one statement for each source that speaks, one for the tenant's rules, one for the membership, and where
        the tenant granted anything to single members one for that: on a connection of the owner, and none for what the
        cache knows.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, is suspended, or the actor is no member.
        """
        with ExitStack() as opened:
            lookup = self._lookup(lambda: opened.enter_context(Session(self.owner_engine)))
            found = self._credentials(request, lookup)
            scope = self._scope_of(request, found, lookup)
        support = self.trust.support_of(found)
        if support is not None:
            self.record_impersonation(scope, support.reason(request.seen))
        return scope

    def recall(self, request: RequestCredentials) -> Scope | None:
        """
        Return the scope of a request that :meth:`identify` would return, if that can be told without waiting.

        Opens and asks nothing, so that it may be called on an event loop. Where tokens can be revoked, a kit of the
        application's own identifies in its own way, or the support enters, it returns None: they may wait.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, or is suspended.
        """
        if self.trust.is_revoked is not None or type(self).identify is not Requests.identify:
            return None
        lookup = self._lookup()
        try:
            scope = self._scope_of(request, self._credentials(request, lookup, wait=False), lookup)
        except NotCached:
            return None
        return scope if scope.impersonator is None else None

    def _lookup(self, open_session: Callable[[], Session] | None = None) -> CachedLookup:
        return CachedLookup(self.organizations, self.directory_cache, open_session)

    def _scope_of(
        self, request: RequestCredentials, found: AccessToken | ApiKey | None, lookup: CachedLookup
    ) -> Scope:
        claims = self._claims(found)
        evidence = self._evidence(request.seen, found, claims)
        if found is None:
            raise _unknown()
        resolution = self.resolve.settle(evidence, lookup)
        tenant = resolution.tenant
        try:
            _check_bounds(found, tenant)
            actor, roles, permissions = self._member(found, tenant, lookup)
            admit(tenant, found, request.facts, self.settings.regions)
        except ResolutionError as error:
            error.heard = evidence.told
            raise
        _redirect(resolution, lookup)  # who may not enter learns no new name
        read = {name: claim.read(claims) for name, claim in self.dimensions.items()}
        return Scope(
            tenant=tenant,
            actor=actor,
            roles=roles,
            request=_resolved(request.facts, resolution.resolved_by),
            impersonator=None if actor is not None else Actor(str(found.user_id)),
            dimensions={name: value for name, value in read.items() if value is not None},
            limits=_limits(found),
            permissions=permissions,
            rules=self._rules(tenant, actor, lookup),
        )

    def _rules(self, tenant: Tenant, actor: Actor | None, lookup: CachedLookup) -> MemberRules | None:
        """Return what the tenant says of the actor beside the matrix, if it says anything; nothing of the support."""
        if actor is None:
            return None
        access = self.access
        book: Rulebook | None = lookup.find(
            ("rulebook", tenant.id), lambda session: access.store.rulebook(session, tenant.id)
        )
        if book is None or book.version == 0:
            return None
        if actor.kind != "user" or not book.has_grants:
            return book.rules
        return lookup.find(
            ("rules", tenant.id, actor.id, book),  # no longer than the roles that they come with
            lambda session: access.member_rules(
                session, tenant, actor.id, members=self.organizations(session), book=book
            ),
        )

    def _evidence(
        self, request: RequestView, found: AccessToken | ApiKey | None, claims: Mapping[str, Any]
    ) -> Evidence:
        if isinstance(found, ApiKey):
            own = Named("id", str(found.tenant_id), "API key", authenticated=True)
            return self.resolve.read(request, claims, vouched=own)
        return self.resolve.read(request, claims, trusted=self.trust.support_of(found) is not None)

    def member_scope(
        self, tenant: Tenant | str, user_id: str, *, dimensions: Mapping[str, Any] | None = None
    ) -> Scope:
        """
        Return the scope that a member's request would have.

        For deciding about somebody else, and for working in a member's name where there is no request. Costs what the
        cache does not know: a statement for the membership, one for the tenant's rules, and one for what was granted; a
        slug one more.

        Args:
            tenant: where: the tenant, or its slug.
            user_id: who.
            dimensions: what further row rules ask for, such as a workspace.

        Raises:
            NotAMember: they are no active member.
            UnknownTenant: there is no tenant of this slug.
            ResolutionError: it is not served.
        """
        found, actor = self.served(tenant), Actor(user_id)
        with ExitStack() as opened:
            lookup = self._lookup(lambda: opened.enter_context(Session(self.owner_engine)))
            membership = lookup.membership(found, user_id)
            if membership is None:
                raise NotAMember(f"{user_id[:80]!r} is no active member of {found.slug!r}.")
            return Scope(
                found,
                actor,
                roles=membership.roles,
                request=RequestFacts(resolved_by="membership"),  # so that it is bounded, also without roles
                permissions=membership.permissions,
                dimensions=dimensions or {},
                rules=self._rules(found, actor, lookup),
            )

    def require_support(self, request: RequestCredentials) -> tuple[Actor, str]:
        """
        Return who of the support asks for all tenants, and why.

        Raises:
            NotAuthenticated: there is no token, or it does not verify.
            SupportRequired: the token is not the support's.
            ReasonRequired: the request does not say why.
        """
        with ExitStack() as opened:
            lookup = self._lookup(lambda: opened.enter_context(Session(self.owner_engine)))
            found = self._credentials(request, lookup)
        if found is None:
            raise _unknown()
        support = self.trust.support_of(found)
        if support is None or _limits(found) is not None:
            raise SupportRequired(
                "This shows all tenants, and your credentials are good for your own, or for some permissions."
            )
        return Actor(str(found.user_id)), support.reason(request.seen)

    def _member(
        self, found: AccessToken | ApiKey, tenant: Tenant, lookup: CachedLookup
    ) -> tuple[Actor | None, frozenset[str], frozenset[str]]:
        """Return who acts, in which roles, and with which permissions beside them; no member for the support."""
        support = self.trust.support_of(found)
        if support is not None:
            return None, frozenset(support.roles), frozenset()
        if isinstance(found, ApiKey) and found.user_id is None:
            return Actor(str(found.id), kind="key"), found.roles, frozenset()
        actor = Actor(str(found.user_id))
        membership = lookup.membership(tenant, actor.id)
        if membership is None:
            raise NotAMember("You are not an active member of this tenant. Ask its owner for an invitation.")
        return actor, membership.roles, membership.permissions

    def authenticate(self, request: RequestCredentials) -> Actor:
        """
        Return who asks, of whatever tenant or none: the token is verified, and nothing is looked up.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ForeignCredentials: it is an API key, or by the provider of one tenant, and good there alone.
        """
        with ExitStack() as opened:
            lookup = self._lookup(lambda: opened.enter_context(Session(self.owner_engine)))
            found = self._credentials(request, lookup)
        if found is None:
            raise _unknown()
        _check_bounds(found, None)
        return Actor(str(found.user_id))

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
        ownership.find(self.session(), current(), self.access.authorizer, key)

    async def arequire_owner(self, ownership: Ownership, key: str) -> None:
        """Refuse unless a row is the actor's, on the async session; see :meth:`Ownership.find`."""
        await self.async_session().run_sync(ownership.find, current(), self.access.authorizer, key)

    def _credentials(
        self, request: RequestCredentials, lookup: CachedLookup, *, wait: bool = True
    ) -> AccessToken | ApiKey | None:
        """Return what a request's token or API key says, if it is good, or None where there is none."""
        text = request.token
        if text is None:
            return self._recognized(request.seen, wait=wait)
        if self.api_keys.store.is_one(text):
            return self._api_key(text, lookup)
        if wait:
            return self.verified_tokens.verify(text)
        known = self.verified_tokens
        token = known.recall(text) if self.issuers.wait else known.read(text)
        if token is None or self.logins.revoked.waits_for(token):  # for keys, or for what was revoked lately
            raise NotCached
        known.check(token)
        return token

    def _recognized(self, request: RequestView, *, wait: bool) -> AccessToken | None:
        if self.trust.recognize is None:
            return None
        if not wait:
            raise NotCached
        claims = self.trust.recognize(request)
        if claims is None:
            return None
        found = recognized(claims)
        self.verified_tokens.check(found)  # of a login, perhaps, that has ended
        return found

    def recognizes(self, request: RequestCredentials) -> bool:
        """Whether it is known who sends a request that carries no token. Asks the application, which may wait."""
        return self._recognized(request.seen, wait=True) is not None

    def _api_key(self, text: str, lookup: CachedLookup) -> ApiKey:
        def ask(session: Session) -> ApiKey | None:
            found = self.api_keys.store.find(session, text)
            session.commit()  # that it was used
            return found

        key = lookup.find(("api key", digest_text(text)), ask)
        if key is None or not key.is_good(self.clock.now()):
            raise TokenInvalid("The API key is not known, has expired, or was revoked.")
        return key

    def _claims(self, found: AccessToken | ApiKey | None) -> Mapping[str, Any]:
        return found.claims if isinstance(found, AccessToken) else {}

    def _is_revoked(self, token: AccessToken) -> bool:
        return self.logins.revoked(token) or (
            self.trust.is_revoked is not None and self.trust.is_revoked(token)
        )


def _unknown() -> NotAuthenticated:
    return NotAuthenticated("The request does not say who asks. Send `Authorization: Bearer <token>`.")


def _resolved(facts: RequestFacts, by: str) -> RequestFacts:
    # dataclasses.replace takes five times as long, and every request comes by
    return RequestFacts(facts.request_id, facts.client, facts.user_agent, by)


def _limits(found: AccessToken | ApiKey) -> frozenset[str] | None:
    """Return the permissions that credentials are good for; None for all that the roles grant."""
    if isinstance(found, ApiKey):
        return found.permissions
    said = found.claims.get(_PERMISSIONS)
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise TokenInvalid(f"The claim {_PERMISSIONS!r} is no list of permissions.")
    return frozenset(said)


def _redirect(resolution: Resolution, lookup: CachedLookup) -> None:
    """
    Send a request on that names its tenant by a slug of before.

    What is remembered may be older than the name: another process would send the request back.

    Raises:
        TenantMoved: it does, and the tenant has another one now.
        NotCached: the directory has to be asked, and may not be.
    """
    named = resolution.by_old_slug
    if named is None or named.moved is None:
        return
    tenant = lookup.by_slug_now(named.value)
    if tenant is not None and tenant.slug != named.value:
        raise TenantMoved(f"The tenant is called {tenant.slug!r} now.", location=named.moved(tenant.slug))


def _check_bounds(found: AccessToken | ApiKey, tenant: Tenant | None) -> None:
    """Refuse credentials that are good in another tenant than the request's."""
    bound_to = found.tenant_id if isinstance(found, ApiKey) else found.bound_to
    if bound_to is not None and (tenant is None or tenant.id != bound_to):
        raise ForeignCredentials(
            "These credentials are good in one tenant, and the request is another's, or none's. Sign in where you want "
            "to go."
        )
