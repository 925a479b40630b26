"""Logins on a database: pairs of tokens that follow from one another."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Update, insert, or_, select, update
from sqlalchemy.orm import Session

from tenantkit.core.ids import new_id
from tenantkit.core.opaque import SALT_BYTES, derive_opaque, digest_opaque, make_opaque
from tenantkit.core.scope import RequestFacts
from tenantkit.core.tenant import Tenant, central_tenant_id
from tenantkit.core.texts import storable
from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.protocols import Clock
from tenantkit.tokens.access import AccessTokens
from tenantkit.tokens.claims import LOGIN_CLAIM
from tenantkit.tokens.model import Login, Replay, TokenPair
from tenantkit.tokens.tables import TokenTables

__all__ = ["Logins"]

_PREFIX: Final = "tkr"
_SIGNED_OUT: Final = "signed out"
_REPLAYED: Final = "replayed"


class Logins:
    """
    Logins and their refresh tokens, on the session given to each call.

    A refresh token is random, kept as a digest, and good once: it is exchanged for the next pair. One that comes again
    was copied, so its login ends, and with it every token that follows from it. Since clients with several tabs, and
    lost answers, send one token twice in good faith, an exact repetition within the grace gets the same pair again.

    Every operation runs in the caller's transaction and commits nothing. Signing in, refreshing and pruning need an
    unscoped session; what lists and revokes sees and ends the logins of the scope's tenant on a scoped one.

    The algorithm is that of RFC 9700, 4.14.2 (rotation, and detection of replay).

    Args:
        tables: its tables.
        tokens: issues the access tokens, which carry the login's id in the claim ``sid``.
        clock: tells the time.
        lifetime: seconds after which a login ends however much it is used.
        idle_lifetime: seconds after which a login ends that is not refreshed.
        grace: seconds for which a repetition gets the same answer. 0 forgives nothing.
        changed: called with the session when logins were ended.

    Raises:
        ConfigurationError: a time is negative, or a login would end before its first access token.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        tables: TokenTables,
        tokens: AccessTokens,
        clock: Clock,
        *,
        lifetime: float = 30 * 86_400,
        idle_lifetime: float = 7 * 86_400,
        grace: float = 10,
        changed: Callable[[Session], object] | None = None,
    ) -> None:
        if not 0 < tokens.lifetime <= idle_lifetime <= lifetime or not 0 <= grace <= idle_lifetime:
            raise ConfigurationError(
                "A login lives longer than its access tokens: token_lifetime <= login_idle_lifetime <= "
                "login_lifetime, in seconds; and its grace is not negative."
            )
        self.tables, self._tokens, self._clock = tables, tokens, clock
        self._lifetime, self._idle = timedelta(seconds=lifetime), timedelta(seconds=idle_lifetime)
        self._grace, self._changed = timedelta(seconds=grace), changed

    def sign_in(
        self,
        session: Session,
        user_id: str,
        tenant: Tenant | None = None,
        *,
        request: RequestFacts | None = None,
        device: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> TokenPair:
        """
        Begin a login of somebody whom the application has recognized, and return its first pair. Costs two statements.

        Args:
            user_id: who.
            tenant: where; without one the tokens open central routes only.
            request: where it comes from, which is shown to the user.
            device: what the application calls the device; of longer names the first 200 characters are kept.
            claims: further claims of all its access tokens, such as ``workspace``; JSON-able.

        Raises:
            ConfigurationError: a further claim has the name of one that every token has.
        """
        now = self._now()
        facts = request or RequestFacts()
        login = Login(
            id=new_id(),
            user_id=user_id,
            tenant_id=self._central if tenant is None else tenant.id,
            device=_kept(device, 200),
            client=_kept(facts.client, 64),
            user_agent=_kept(facts.user_agent, 300),
            created_at=now,
            last_used_at=now,
            expires_at=now + self._lifetime,
            idle_until=now + self._idle,
        )
        given = dict(claims or {})
        pair = self._pair(login, given, make_opaque(_PREFIX), token_id=str(new_id()), at=now)
        row = {name: getattr(login, name) for name in login.__slots__}
        session.execute(insert(self.tables.logins).values(**row, claims=given))
        self._keep(session, login, pair.refresh_token, now)
        return pair

    def refresh(
        self, session: Session, refresh_token: str, *, request: RequestFacts | None = None
    ) -> TokenPair | Replay:
        """
        Exchange a refresh token for the next pair. Costs four statements; a repetition within the grace three.

        Of many at once with one token, the first one's transaction decides, the others wait for it and get the same
        pair. A replay outside of the grace, or after the next token was used, ends the login, and is returned, not
        raised: **commit it**.

        Raises:
            TokenInvalid: it is no refresh token, is not known, or its login has ended. Nothing was changed that a
                rollback should keep.
        """
        digest = digest_opaque(_PREFIX, refresh_token)
        if digest is None:
            raise TokenInvalid("This is no refresh token.")
        now, tokens = self._now(), self.tables.refresh_tokens
        used = {"used_at": now, "salt": secrets.token_hex(SALT_BYTES), "access_token_id": str(new_id())}
        # first the write: it waits for whoever is exchanging the same token, and settles who is the first
        is_first = _changed(
            session,
            update(tokens).where(tokens.c.digest == digest, tokens.c.used_at.is_(None)).values(**used),
        )
        row = session.execute(self._select_used(digest)).one_or_none()
        if row is None:
            raise TokenInvalid("The refresh token is not known.")
        login = _login_of(row)
        _check_alive(login, now)
        following = derive_opaque(_PREFIX, bytes.fromhex(row.salt), refresh_token)
        if not is_first and (row.used_at + self._grace <= now or self._is_used(session, following)):
            self._revoke(session, self.tables.logins.c.id == login.id, _REPLAYED)
            return Replay(login)
        pair = self._pair(login, row.claims, following, token_id=row.access_token_id, at=row.used_at)
        if is_first:
            self._keep(session, login, following, now)
            self._used(session, login, now, request or RequestFacts())
        return pair

    def list_of(self, session: Session, user_id: str) -> list[Login]:
        """Return the logins of a user in sight of the session that have not ended, the newest first. One statement."""
        logins, now = self.tables.logins.c, self._now()
        alive = select(self.tables.logins).where(
            logins.user_id == user_id,
            logins.revoked_at.is_(None),
            logins.idle_until > now,
            logins.expires_at > now,
        )
        return [_login_of(row) for row in session.execute(alive.order_by(logins.id.desc()))]

    def revoke(
        self, session: Session, login_id: UUID, *, user_id: str | None = None, because: str = _SIGNED_OUT
    ) -> bool:
        """
        End a login in sight of the session, and return whether it had not ended. Costs one statement.

        Its refresh token is good no more at once; its access tokens where it is asked for them, see
        :class:`RevokedLogins`.

        Args:
            login_id: which.
            user_id: whose it has to be.
            because: why; up to 32 characters.
        """
        logins = self.tables.logins.c
        its = (
            logins.id == login_id
            if user_id is None
            else (logins.id == login_id) & (logins.user_id == user_id)
        )
        return self._revoke(session, its, because) == 1

    def revoke_all(
        self, session: Session, user_id: str, *, keep: UUID | None = None, because: str = _SIGNED_OUT
    ) -> int:
        """
        End all logins of a user in sight of the session, and return how many. Costs one statement.

        Args:
            keep: one that stays, such as the one that asks.
            because: why; up to 32 characters.
        """
        logins = self.tables.logins.c
        others = (
            logins.user_id == user_id if keep is None else (logins.user_id == user_id) & (logins.id != keep)
        )
        return self._revoke(session, others, because)

    def revoked_since(self, session: Session, moment: datetime) -> set[UUID]:
        """Return the logins that were revoked at a moment or later. Costs one statement."""
        logins = self.tables.logins.c
        return set(session.scalars(select(logins.id).where(logins.revoked_at >= moment)))

    def prune(self, session: Session, *, limit: int = 1000) -> int:
        """
        Delete logins, with their refresh tokens, whose last access token has expired, and return how many.

        Costs two statements.

        Args:
            limit: how many at the most; call again while as many are returned.
        """
        logins = self.tables.logins.c
        over = self._now() - timedelta(seconds=self._tokens.lifetime + self._tokens.issuer.leeway)
        ended = or_(logins.idle_until < over, logins.expires_at < over, logins.revoked_at < over)
        found = session.scalars(select(logins.id).where(ended).limit(limit)).all()
        session.execute(self.tables.logins.delete().where(logins.id.in_(found)))
        return len(found)

    @property
    def _central(self) -> Any:
        return central_tenant_id(self.tables.logins.c.tenant_id.type.python_type)

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)  # as tokens count, and as every database keeps

    def _is_used(self, session: Session, refresh_token: str) -> bool:
        """Whether a token was exchanged: then who has the one before it is late, or a thief."""
        tokens = self.tables.refresh_tokens.c
        used_at = select(tokens.used_at).where(tokens.digest == digest_opaque(_PREFIX, refresh_token))
        return session.scalar(used_at) is not None

    def _select_used(self, digest: str) -> Any:
        logins, tokens = self.tables.logins, self.tables.refresh_tokens
        used = (tokens.c.used_at, tokens.c.salt, tokens.c.access_token_id)
        return select(logins, *used).join(tokens).where(tokens.c.digest == digest)

    def _pair(
        self, login: Login, claims: Mapping[str, Any], refresh_token: str, *, token_id: str, at: datetime
    ) -> TokenPair:
        second, end = int(at.timestamp()), int(login.expires_at.timestamp())
        access_token = self._tokens.issue_again(
            login.user_id,
            None if login.tenant_id == self._central else str(login.tenant_id),
            token_id=token_id,
            at=second,
            until=end,
            further={**claims, LOGIN_CLAIM: str(login.id)},
        )
        return TokenPair(access_token, refresh_token, min(self._tokens.lifetime, end - second), login.id)

    def _keep(self, session: Session, login: Login, refresh_token: str, now: datetime) -> None:
        row = {
            "digest": digest_opaque(_PREFIX, refresh_token),
            "tenant_id": login.tenant_id,
            "login_id": login.id,
        }
        session.execute(insert(self.tables.refresh_tokens).values(**row, issued_at=now))

    def _used(self, session: Session, login: Login, now: datetime, request: RequestFacts) -> None:
        facts: dict[str, Any] = {"last_used_at": now, "idle_until": now + self._idle}
        facts |= {"client": _kept(request.client, 64) or login.client}
        facts |= {"user_agent": _kept(request.user_agent, 300) or login.user_agent}
        logins = self.tables.logins
        session.execute(update(logins).where(logins.c.id == login.id).values(**facts))

    def _revoke(self, session: Session, which: ColumnElement[bool], because: str) -> int:
        logins = self.tables.logins
        ended = update(logins).where(which, logins.c.revoked_at.is_(None))
        facts = {"revoked_at": self._now(), "revoked_because": because[:32]}
        count = _changed(session, ended.values(**facts))
        if count and self._changed is not None:
            self._changed(session)
        return count


def _login_of(row: Row[Any]) -> Login:
    return Login(**{name: row._mapping[name] for name in Login.__slots__})  # noqa: SLF001 - SQLAlchemy's public name


def _changed(session: Session, statement: Update) -> int:
    """Run an UPDATE and return how many rows it changed."""
    result: Any = session.execute(statement)
    return int(result.rowcount)


def _kept(text: str | None, length: int) -> str | None:
    return None if text is None else storable(text, length)


def _check_alive(login: Login, now: datetime) -> None:
    if login.revoked_at is not None:
        raise TokenInvalid(f"The login was ended ({login.revoked_because}). Sign in again.")
    if min(login.idle_until, login.expires_at) <= now:
        raise TokenInvalid("The login has expired. Sign in again.")
