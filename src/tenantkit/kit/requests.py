"""What a request asks of a kit: who and whose it is, and whether the row is theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import RequestFacts, Scope, current
from tenantkit.core.tenant import Tenant
from tenantkit.directory import Directory
from tenantkit.exceptions import NotAMember, NotAuthenticated, WorkspaceRequired
from tenantkit.kit.scopes import Scopes
from tenantkit.rbac import Matrix, Ownership
from tenantkit.resolution import Agreement, Claim
from tenantkit.tokens import VerifiedTokens

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
    verified_tokens: VerifiedTokens
    dimensions: Mapping[str, Claim]

    def identify(self, request: RequestCredentials) -> Scope:
        """
        Return the scope of a request: verify its token, settle its tenant, find the actor's membership.

        Costs one statement for each source that speaks and one for the membership, on a connection of the owner.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, is suspended, or the actor is no member.
        """
        claims = self._claims(request)
        spoken = self.resolve.read(request.host, claims)
        actor = _actor(claims)
        with Session(self.owner_engine) as session:
            tenant = self.resolve.settle(spoken, _Lookup(self.directory, session))
            membership = self.directory.membership(session, tenant, actor.id)
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
        """
        return _actor(self._claims(request))

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

    def _claims(self, request: RequestCredentials) -> Mapping[str, Any]:
        return {} if request.token is None else self.verified_tokens.verify(request.token)


def _actor(claims: Mapping[str, Any]) -> Actor:
    if "sub" not in claims:
        raise NotAuthenticated("The request does not say who asks. Send `Authorization: Bearer <token>`.")
    return Actor(claims["sub"])


class _Lookup:
    """The directory on one session, as resolution asks for it."""

    def __init__(self, directory: Directory, session: Session) -> None:
        self._directory, self._session = directory, session

    def by_slug(self, slug: str) -> Tenant | None:
        return self._directory.by_slug(self._session, slug)

    def by_id(self, tenant_id: str) -> Tenant | None:
        return self._directory.by_id(self._session, tenant_id)
