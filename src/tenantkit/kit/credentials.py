"""API keys, share links and lockouts as a kit offers them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import RequestFacts, Scope, current
from tenantkit.directory.rules import check_known
from tenantkit.exceptions import InvalidValue, LinkInvalid, PermissionDenied
from tenantkit.kit.admission import admit_from
from tenantkit.kit.logins import pruned
from tenantkit.tokens import ApiKey, ApiKeys, Lockouts, NewApiKey, NewShareLink, ShareLink, ShareLinks

if TYPE_CHECKING:
    from tenantkit.kit.requests import Requests

__all__ = ["KitApiKeys", "KitLockouts", "KitShareLinks"]


class KitApiKeys:
    """
    API keys, on the session of the current scope: of its tenant, in its transaction.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Requests", store: ApiKeys) -> None:
        self._kit = kit
        self.store = store

    def create(
        self,
        name: str,
        *,
        lifetime: float | None,
        roles: Iterable[str] = (),
        user_id: str | None = None,
        permissions: Iterable[str] | None = None,
    ) -> NewApiKey:
        """
        Make a key, and return it with its text, which is shown once; see :meth:`ApiKeys.create`.

        Recorded as ``api_key.created``. Costs three statements, in a request five, or six where the tenant ever granted
        anything; and one more for a member's.

        Raises:
            ConfigurationError: there is no such role or permission; it has neither roles nor a member, or both.
            PermissionDenied: the key would have a permission that the actor has not.
            InvalidValue: the name or the lifetime cannot be used; or it would work for who is no member, or, in a
                request, for somebody else than the actor.
        """
        session = self._kit.session()
        held, limits = self._checked(session, roles, permissions, user_id)
        made = self.store.create(
            session,
            current(),
            name,
            lifetime=lifetime,
            roles=held,
            user_id=user_id,
            permissions=limits,
        )
        self._kit.audit.record("api_key.created", f"api_key:{made.key.id}", details=_told(made.key))
        return made

    async def acreate(
        self,
        name: str,
        *,
        lifetime: float | None,
        roles: Iterable[str] = (),
        user_id: str | None = None,
        permissions: Iterable[str] | None = None,
    ) -> NewApiKey:
        """Make a key on the async session; see :meth:`create`."""
        scope, session = current(), self._kit.async_session()
        held, limits = await session.run_sync(self._checked, roles, permissions, user_id)
        made = await session.run_sync(
            self.store.create, scope, name, lifetime=lifetime, roles=held, user_id=user_id, permissions=limits
        )
        await self._kit.audit.arecord("api_key.created", f"api_key:{made.key.id}", details=_told(made.key))
        return made

    def list_of(self) -> list[ApiKey]:
        """Return the tenant's keys that were not revoked, the newest first. Costs one statement."""
        return self.store.list_of(self._kit.session())

    async def alist_of(self) -> list[ApiKey]:
        """Return the tenant's keys, on the async session; see :meth:`list_of`."""
        return await self._kit.async_session().run_sync(self.store.list_of)

    def revoke(self, key_id: UUID) -> bool:
        """
        Revoke a key, and return whether there was one to revoke. Recorded as ``api_key.revoked``.

        It is refused from the commit on in this process, and within ``directory_cache_lifetime`` seconds in others.
        """
        revoked = self.store.revoke(self._kit.session(), key_id)
        if revoked:
            self._kit.audit.record("api_key.revoked", f"api_key:{key_id}")
        return revoked

    async def arevoke(self, key_id: UUID) -> bool:
        """Revoke a key on the async session; see :meth:`revoke`."""
        revoked = await self._kit.async_session().run_sync(self.store.revoke, key_id)
        if revoked:
            await self._kit.audit.arecord("api_key.revoked", f"api_key:{key_id}")
        return revoked

    def _checked(
        self,
        session: Session,
        roles: Iterable[str],
        permissions: Iterable[str] | None,
        user_id: str | None,
    ) -> tuple[frozenset[str], frozenset[str] | None]:
        matrix, scope, is_request = self._kit.roles, current(), current().is_bounded
        held = frozenset(roles)
        limits = None if permissions is None else frozenset(permissions)
        access = self._kit.access
        if is_request:
            giver, made = access.locked(session, scope)
        else:
            giver, made = scope, access.store.rulebook(session, scope.tenant.id).rules
        tenants = [name for name, role in matrix.roles.items() if role.side == "tenant"]
        check_known("role", held, [*tenants, *made.roles])
        for permission in limits or ():
            matrix.check_declared(permission)
        if user_id is not None:
            self._check_member(session, scope, user_id, is_request=is_request)
        lacked = None
        if is_request and user_id is not None and scope.limits is not None:
            # it works with the member's own roles and grants, of which these credentials may be good for a few
            lacked = min(
                (matrix.permissions.keys() if limits is None else limits) - scope.limits, default=None
            )
        elif is_request:
            given = replace(scope, roles=held, permissions=frozenset(), limits=limits, rules=made)
            lacked = access.authorizer.lacked(giver, given)
        if lacked is not None:
            raise PermissionDenied(
                f"The key would have the permission {lacked!r}, which you do not have.", permission=lacked
            )
        return held, limits

    def _check_member(self, session: Session, scope: Scope, user_id: str, *, is_request: bool) -> None:
        """Refuse whoever is no member in whose name a key could work."""
        if is_request and (scope.actor is None or scope.actor.kind != "user" or scope.actor.id != user_id):
            raise InvalidValue(
                "In a request a key works in nobody's name but your own: roles change, and with them what it may.",
                field="user_id",
            )
        if self._kit.organizations(session).membership(scope.tenant, user_id) is None:
            raise InvalidValue(f"{user_id[:80]!r} is not an active member here.", field="user_id")


def _told(key: ApiKey) -> dict[str, object]:
    expires_at = key.expires_at.isoformat() if key.expires_at else None
    return {"name": key.name, "hint": key.hint, "roles": sorted(key.roles), "expires_at": expires_at}


class KitShareLinks:
    """
    Share links: made on the session of the current scope, opened by whoever holds them.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Requests", store: ShareLinks) -> None:
        self._kit = kit
        self.store = store

    def create(
        self,
        resource: str,
        level: str,
        *,
        email: str | None = None,
        days: int = 30,
        max_uses: int | None = None,
    ) -> NewShareLink:
        """
        Make a link, and return it with its text, which is shown once; see :meth:`ShareLinks.create`.

        Recorded as ``share_link.created``. Costs two statements. Whether the actor may share it is for you to check.
        """
        made = self.store.create(
            self._kit.session(), current(), resource, level, email=email, days=days, max_uses=max_uses
        )
        self._kit.audit.record("share_link.created", resource, details=_shared(made.link))
        return made

    async def acreate(
        self,
        resource: str,
        level: str,
        *,
        email: str | None = None,
        days: int = 30,
        max_uses: int | None = None,
    ) -> NewShareLink:
        """Make a link on the async session; see :meth:`create`."""
        made = await self._kit.async_session().run_sync(
            self.store.create, current(), resource, level, email=email, days=days, max_uses=max_uses
        )
        await self._kit.audit.arecord("share_link.created", resource, details=_shared(made.link))
        return made

    def list_of(self, resource: str | None = None) -> list[ShareLink]:
        """Return the tenant's links that can be opened, to one resource or all; see :meth:`ShareLinks.list_of`."""
        return self.store.list_of(self._kit.session(), resource)

    async def alist_of(self, resource: str | None = None) -> list[ShareLink]:
        """Return the tenant's links, on the async session; see :meth:`ShareLinks.list_of`."""
        return await self._kit.async_session().run_sync(self.store.list_of, resource)

    def revoke(self, link_id: UUID) -> bool:
        """Revoke a link, and return whether there was one to revoke. Recorded as ``share_link.revoked``."""
        revoked = self.store.revoke(self._kit.session(), link_id)
        if revoked:
            self._kit.audit.record("share_link.revoked", f"share_link:{link_id}")
        return revoked

    async def arevoke(self, link_id: UUID) -> bool:
        """Revoke a link on the async session; see :meth:`revoke`."""
        revoked = await self._kit.async_session().run_sync(self.store.revoke, link_id)
        if revoked:
            await self._kit.audit.arecord("share_link.revoked", f"share_link:{link_id}")
        return revoked

    @contextmanager
    def opened(self, text: str, *, request: RequestFacts | None = None) -> Iterator[tuple[Scope, ShareLink]]:
        """
        Enter the scope of a link's tenant for whoever holds it; see :meth:`ShareLinks.open`.

        The actor is the link, without roles and good for no permission: **show the resource that the link names, and
        nothing else**. The use is counted and recorded as ``share_link.opened``, with the address, in a transaction of
        its own. Costs four statements.

        Raises:
            LinkInvalid: it does not exist, has expired, was revoked, or is used up.
            ResolutionError: the tenant is not served, or does not let anybody in from there.
        """
        scope, link = self._open(text, request or RequestFacts())
        with self._kit.entered(scope):
            yield scope, link

    @asynccontextmanager
    async def aopened(
        self, text: str, *, request: RequestFacts | None = None
    ) -> AsyncIterator[tuple[Scope, ShareLink]]:
        """Enter the scope of a link's tenant, opening it in a thread; see :meth:`opened`."""
        scope, link = await asyncio.to_thread(self._open, text, request or RequestFacts())
        async with self._kit.aentered(scope):
            yield scope, link

    def prune(self, *, batch: int = 1000) -> int:
        """Delete links that have expired, of all tenants, batch by batch; return how many. Two statements a batch."""
        return pruned(lambda: Session(self._kit.owner_engine), self.store, batch)

    def _open(self, text: str, request: RequestFacts) -> tuple[Scope, ShareLink]:
        with Session(self._kit.owner_engine) as session:
            link = self.store.open(session, text)
            tenant = self._kit.organizations(session).by_id(str(link.tenant_id))
            if tenant is None:
                raise LinkInvalid("The tenant of this link does not exist any more.")
            admit_from(self._kit.served(tenant), request, self._kit.settings.regions)
            actor = Actor(str(link.id), kind="link")
            self._kit.audit.trail.record_for(
                session,
                tenant.id,
                "share_link.opened",
                actor=actor,
                request=request,
                details={**_shared(link), "resource": link.resource, "client": request.client},
            )
            session.commit()
        scope = Scope(tenant=tenant, actor=actor, request=request, limits=frozenset())
        return scope, link


def _shared(link: ShareLink) -> dict[str, object]:
    return {
        "link": str(link.id),
        "level": link.level,
        "email": link.email,
        "expires_at": link.expires_at.isoformat(),
    }


class KitLockouts:
    """
    Attempts to sign in, each call in a transaction of its own.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Requests", store: Lockouts) -> None:
        self._kit = kit
        self.store = store

    def attempt(self, account: str, address: str | None) -> None:
        """
        Count an attempt before the password is looked at; see :meth:`Lockouts.attempt`.

        Raises:
            LockedOut: too many failed; answered with 429 and the seconds to wait.
        """
        with Session(self._kit.owner_engine) as session:
            self.store.attempt(session, account, address)
            session.commit()

    async def aattempt(self, account: str, address: str | None) -> None:
        """Count an attempt, in a thread; see :meth:`attempt`."""
        await asyncio.to_thread(self.attempt, account, address)

    def clear(self, account: str, address: str | None) -> None:
        """Forget the attempts at an account, since one succeeded; see :meth:`Lockouts.clear`."""
        with Session(self._kit.owner_engine) as session:
            self.store.clear(session, account, address)
            session.commit()

    def prune(self, *, batch: int = 1000) -> int:
        """Delete counters that are forgotten, batch by batch; return how many. Two statements a batch."""
        return pruned(lambda: Session(self._kit.owner_engine), self.store, batch)

    async def aclear(self, account: str, address: str | None) -> None:
        """Forget the attempts at an account, in a thread; see :meth:`clear`."""
        await asyncio.to_thread(self.clear, account, address)
