"""API keys on a database."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from tenantkit.core.ids import new_id
from tenantkit.core.opaque import digest_opaque, make_opaque
from tenantkit.core.scope import Scope
from tenantkit.core.tenant import TenantId
from tenantkit.core.texts import check_text
from tenantkit.exceptions import ConfigurationError, InvalidValue
from tenantkit.protocols import Clock
from tenantkit.tokens.model import ApiKey, NewApiKey
from tenantkit.tokens.tables import TokenTables

__all__ = ["ApiKeys"]

_SHOWN: Final = 4  # characters of the random part, of 43
_MAX_NAME: Final = 200
_LONGEST: Final = 10 * 366 * 86_400  # seconds
_TOUCHED: Final = timedelta(minutes=1)


class ApiKeys:
    """
    API keys, on the session given to each call.

    A key is random, and kept as a digest. Every operation runs in the caller's transaction and commits nothing; finding
    a key by its text needs an unscoped session.

    Args:
        tables: its tables.
        clock: tells the time.
        prefix: what all keys of the application begin with, so that people and scanners know them.
        changed: called with the session, and the id of the tenant of which a key was revoked.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        tables: TokenTables,
        clock: Clock,
        *,
        prefix: str = "tka",
        changed: Callable[[Session, TenantId], object] | None = None,
    ) -> None:
        self.tables, self._clock, self.prefix, self._changed = tables, clock, prefix, changed

    def is_one(self, text: str) -> bool:
        """Whether a text looks like a key of this application, so that no token could."""
        return text.startswith(f"{self.prefix}_")

    def create(
        self,
        session: Session,
        scope: Scope,
        name: str,
        *,
        lifetime: float | None,
        roles: Iterable[str] = (),
        user_id: str | None = None,
        permissions: Iterable[str] | None = None,
    ) -> NewApiKey:
        """
        Insert a key of the scope's tenant, and return it with its text, which is shown once. Costs one statement.

        Args:
            session: the session.
            scope: whose tenant it is good in, and whose actor made it.
            name: what it is for, 1 to 200 characters.
            lifetime: seconds until it expires; None for never, which has to be said.
            roles: its own roles.
            user_id: the member in whose name it works, with that member's roles, instead.
            permissions: the permissions that it is good for; by default all that the roles grant.

        Raises:
            InvalidValue: the name is empty or too long, or the lifetime is not positive.
            ConfigurationError: it has neither roles nor a member, or both.
        """
        held = frozenset(roles)
        if bool(held) == (user_id is not None):
            raise ConfigurationError(
                "An API key has roles of its own, or works for a member with user_id=: say one."
            )
        check_text(name, "name", _MAX_NAME)
        if lifetime is not None and not 0 < lifetime <= _LONGEST:
            raise InvalidValue(
                "The lifetime of an API key is seconds above 0, up to ten years.", field="lifetime"
            )
        text, now = make_opaque(self.prefix), self._clock.now()
        key = ApiKey(
            id=new_id(),
            tenant_id=scope.tenant.id,
            hint=text[: len(self.prefix) + 1 + _SHOWN],
            name=name,
            user_id=user_id,
            roles=held,
            permissions=None if permissions is None else frozenset(permissions),
            created_by=scope.actor.id if scope.actor else None,
            created_at=now,
            expires_at=None if lifetime is None else now + timedelta(seconds=lifetime),
        )
        row = {column: getattr(key, column) for column in key.__slots__}
        row |= {
            "roles": sorted(held),
            "permissions": None if key.permissions is None else sorted(key.permissions),
        }
        row["digest"] = digest_opaque(self.prefix, text)
        session.execute(insert(self.tables.api_keys).values(**row))
        return NewApiKey(key, text)

    def list_of(self, session: Session) -> list[ApiKey]:
        """Return the keys in sight of the session that were not revoked, the newest first. Costs one statement."""
        keys = self.tables.api_keys
        query = select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.id.desc())
        return [_key_of(row) for row in session.execute(query)]

    def revoke(self, session: Session, key_id: UUID) -> bool:
        """Revoke a key in sight of the session, and return whether there was one to revoke. Costs one statement."""
        keys = self.tables.api_keys
        revoked = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        done = session.execute(revoked.values(revoked_at=self._clock.now()).returning(keys.c.tenant_id))
        tenant_id: TenantId | None = done.scalar_one_or_none()
        if tenant_id is not None and self._changed is not None:
            self._changed(session, tenant_id)
        return tenant_id is not None

    def find(self, session: Session, text: str) -> ApiKey | None:
        """
        Return the key of a text, good or not, or None. Costs one statement, and one more a minute, which notes its use.

        What cannot be a key is not looked up.
        """
        digest = digest_opaque(self.prefix, text)
        if digest is None:
            return None
        keys, now = self.tables.api_keys, self._clock.now()
        row = session.execute(select(keys).where(keys.c.digest == digest)).one_or_none()
        if row is None:
            return None
        if _is_stale(row.last_used_at, now):
            session.execute(update(keys).where(keys.c.id == row.id).values(last_used_at=now))
        return _key_of(row)


def _is_stale(moment: datetime | None, now: datetime) -> bool:
    return moment is None or now - moment >= _TOUCHED


def _key_of(row: Row[Any]) -> ApiKey:
    found = {name: row._mapping[name] for name in ApiKey.__slots__}  # noqa: SLF001 - SQLAlchemy's public name
    permissions = found["permissions"]
    found["roles"] = frozenset(found["roles"])
    found["permissions"] = None if permissions is None else frozenset(permissions)
    return ApiKey(**found)
