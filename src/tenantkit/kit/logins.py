"""Logins as a kit offers them: in transactions of their own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import RequestFacts
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import RefreshTokenReplayed
from tenantkit.tokens import Login, Logins, Replay, RevokedLogins, TokenPair

if TYPE_CHECKING:
    from tenantkit.kit.scopes import Scopes

__all__ = ["KitLogins", "pruned"]


class KitLogins:
    """
    Logins, each operation in a transaction of its own, as the owner: who signs in has no scope yet.

    To do the same in a transaction of yours, and to see one tenant's logins only, use ``store`` on your session.
    The twins with ``a`` work in a thread.

    Attributes:
        store: the logins, on the session given to each call.
        revoked: which were ended lately.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Scopes", store: Logins, revoked: RevokedLogins) -> None:
        self._kit = kit
        self.store, self.revoked = store, revoked

    def sign_in(
        self,
        user_id: str,
        tenant: Tenant | None = None,
        *,
        request: RequestFacts | None = None,
        device: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> TokenPair:
        """Begin a login of somebody whom the application has recognized; see :meth:`Logins.sign_in`."""
        with self._opened() as session:
            pair = self.store.sign_in(session, user_id, tenant, request=request, device=device, claims=claims)
            session.commit()
        return pair

    async def asign_in(
        self,
        user_id: str,
        tenant: Tenant | None = None,
        *,
        request: RequestFacts | None = None,
        device: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> TokenPair:
        """Begin a login of somebody whom the application has recognized; see :meth:`Logins.sign_in`."""
        return await asyncio.to_thread(
            self.sign_in, user_id, tenant, request=request, device=device, claims=claims
        )

    def refresh(self, refresh_token: str, *, request: RequestFacts | None = None) -> TokenPair:
        """
        Exchange a refresh token for the next pair; see :meth:`Logins.refresh`.

        A replay is recorded as the event ``login.replayed``, in the trail of the login's tenant.

        Raises:
            TokenInvalid: it is none, is not known, or its login has ended.
            RefreshTokenReplayed: it came a second time, outside of the grace; its login was ended.
        """
        with self._opened() as session:
            found = self.store.refresh(session, refresh_token, request=request)
            if isinstance(found, Replay):
                self._kit.audit.trail.record_for(
                    session,
                    found.login.tenant_id,
                    "login.replayed",
                    actor=Actor(found.login.user_id),
                    request=request,
                    outcome="refused",
                    details={"login": str(found.login.id)},
                )
            session.commit()
        if isinstance(found, Replay):
            raise RefreshTokenReplayed(
                f"The refresh token of login {found.login.id} came a second time. The login was ended; sign in again."
            )
        return found

    async def arefresh(self, refresh_token: str, *, request: RequestFacts | None = None) -> TokenPair:
        """Exchange a refresh token for the next pair; see :meth:`refresh`."""
        return await asyncio.to_thread(self.refresh, refresh_token, request=request)

    def list_of(self, user_id: str) -> list[Login]:
        """Return the logins of a user that have not ended, of all tenants, newest first. Costs one statement."""
        with self._opened() as session:
            return self.store.list_of(session, user_id)

    async def alist_of(self, user_id: str) -> list[Login]:
        """Return the logins of a user that have not ended; see :meth:`list_of`."""
        return await asyncio.to_thread(self.list_of, user_id)

    def sign_out(self, user_id: str, login_id: UUID, *, because: str = "signed out") -> bool:
        """
        End one login of a user, and return whether there was one that had not ended. Costs one statement.

        Its access tokens are refused at once in this process, and within ``revocation_lag`` seconds in others.
        """
        with self._opened() as session:
            ended = self.store.revoke(session, login_id, user_id=user_id, because=because)
            session.commit()
        return ended

    async def asign_out(self, user_id: str, login_id: UUID, *, because: str = "signed out") -> bool:
        """End one login of a user; see :meth:`sign_out`."""
        return await asyncio.to_thread(self.sign_out, user_id, login_id, because=because)

    def sign_out_everywhere(
        self, user_id: str, *, keep: UUID | None = None, because: str = "signed out"
    ) -> int:
        """
        End all logins of a user, and return how many. Costs one statement.

        Args:
            user_id: whose.
            keep: one that stays, such as the one that asks.
            because: why; up to 32 characters.
        """
        with self._opened() as session:
            ended = self.store.revoke_all(session, user_id, keep=keep, because=because)
            session.commit()
        return ended

    async def asign_out_everywhere(
        self, user_id: str, *, keep: UUID | None = None, because: str = "signed out"
    ) -> int:
        """End all logins of a user; see :meth:`sign_out_everywhere`."""
        return await asyncio.to_thread(self.sign_out_everywhere, user_id, keep=keep, because=because)

    def prune(self, *, batch: int = 1000) -> int:
        """
        Delete logins whose last access token has expired, batch by batch, each in a transaction; return how many.

        Costs two statements a batch.
        """
        return pruned(self._opened, self.store, batch)

    def _opened(self) -> Session:
        return Session(self._kit.owner_engine)


class Prunable(Protocol):
    """Promises to delete what is over, at most so many rows, and to return how many it deleted."""

    def prune(self, session: Session, *, limit: int) -> int:
        """Delete what is over."""
        ...


def pruned(open_session: Callable[[], Session], store: Prunable, batch: int) -> int:
    """Delete what is over, batch by batch, each in a transaction; return how many rows it was."""
    count = 0
    while True:
        with open_session() as session:
            found = store.prune(session, limit=batch)
            session.commit()
        count += found
        if found < batch:
            return count
