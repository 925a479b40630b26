"""Share links on a database."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.orm import Session

from tenantkit.core.ids import new_id
from tenantkit.core.opaque import digest_opaque, make_opaque
from tenantkit.core.scope import Scope
from tenantkit.core.texts import check_text
from tenantkit.exceptions import InvalidValue, LinkInvalid
from tenantkit.protocols import Clock
from tenantkit.tokens.model import NewShareLink, ShareLink
from tenantkit.tokens.tables import TokenTables

__all__ = ["ShareLinks"]

_PREFIX: Final = "tks"
_DAYS: Final = range(1, 91)
_USES: Final = range(1, 1_000_001)
_LENGTHS: Final = {"resource": 300, "level": 32, "email": 320}


class ShareLinks:
    """
    Links that give whoever holds them access to one resource, on the session given to each call.

    A link is random, and kept as a digest. Every operation runs in the caller's transaction and commits nothing;
    opening a link needs an unscoped session.

    .. versionadded:: 0.1
    """

    def __init__(self, tables: TokenTables, clock: Clock) -> None:
        self.tables, self._clock = tables, clock

    def create(
        self,
        session: Session,
        scope: Scope,
        resource: str,
        level: str,
        *,
        email: str | None = None,
        days: int = 30,
        max_uses: int | None = None,
    ) -> NewShareLink:
        """
        Insert a link to a resource of the scope's tenant, and return it with its text. Costs one statement.

        Whether the actor may share the resource is for the caller to say.

        Args:
            session: the session.
            scope: whose tenant the resource is, and whose actor shares it.
            resource: what, as the application names it, such as ``"document:42"``; up to 300 characters.
            level: how far; up to 32 characters.
            email: whom it is sent to, if to somebody.
            days: until it expires, 1 to 90.
            max_uses: how often it may be opened; by default any number.

        Raises:
            InvalidValue: a value is empty, too long, or out of its range.
        """
        if isinstance(days, bool) or days not in _DAYS:
            raise InvalidValue(f"A link is good for {_DAYS.start} to {_DAYS.stop - 1} days.", field="days")
        if max_uses is not None and max_uses not in _USES:
            raise InvalidValue(f"A link has {_USES.start} to {_USES.stop - 1} uses.", field="max_uses")
        for field, value in (("resource", resource), ("level", level), ("email", email)):
            if value is not None:
                check_text(value, field, _LENGTHS[field])
        text, now = make_opaque(_PREFIX), self._clock.now()
        link = ShareLink(
            id=new_id(),
            tenant_id=scope.tenant.id,
            resource=resource,
            level=level,
            email=email,
            shared_by=scope.actor.id if scope.actor else None,
            created_at=now,
            expires_at=now + timedelta(days=days),
            max_uses=max_uses,
        )
        row = {name: getattr(link, name) for name in link.__slots__}
        session.execute(insert(self.tables.share_links).values(**row, digest=digest_opaque(_PREFIX, text)))
        return NewShareLink(link, text)

    def list_of(self, session: Session, resource: str | None = None) -> list[ShareLink]:
        """Return the links in sight of the session that can be opened, to one resource or all. Costs one statement."""
        links = self.tables.share_links
        query = select(links).where(*self._open()).order_by(links.c.id.desc())
        if resource is not None:
            check_text(resource, "resource", _LENGTHS["resource"])
            query = query.where(links.c.resource == resource)
        return [_link_of(row) for row in session.execute(query)]

    def revoke(self, session: Session, link_id: UUID) -> bool:
        """Revoke a link in sight of the session, and return whether there was one to revoke. Costs one statement."""
        links = self.tables.share_links
        revoked = update(links).where(links.c.id == link_id, links.c.revoked_at.is_(None))
        result: Any = session.execute(revoked.values(revoked_at=self._clock.now()))
        return bool(result.rowcount)

    def open(self, session: Session, text: str) -> ShareLink:
        """
        Count one use of a link and return it. Costs two statements.

        Of many at once no more are let in than the link has uses left.

        Raises:
            LinkInvalid: there is none of this text, it has expired, was revoked, or is used up.
        """
        digest, links = digest_opaque(_PREFIX, text), self.tables.share_links
        used = {"uses": links.c.uses + 1, "last_used_at": self._clock.now()}
        result: Any = digest and session.execute(
            update(links).where(links.c.digest == digest, *self._open()).values(**used)
        )
        if not result or not result.rowcount:
            raise LinkInvalid("This link does not exist, has expired, was revoked, or is used up.")
        return _link_of(session.execute(select(links).where(links.c.digest == digest)).one())

    def prune(self, session: Session, *, limit: int = 1000) -> int:
        """Delete links that have expired, at most so many, and return how many. Costs two statements."""
        links = self.tables.share_links
        found = session.scalars(
            select(links.c.id).where(links.c.expires_at < self._clock.now()).limit(limit)
        ).all()
        session.execute(links.delete().where(links.c.id.in_(found)))
        return len(found)

    def _open(self) -> tuple[Any, ...]:
        links = self.tables.share_links.c
        has_uses = or_(links.max_uses.is_(None), links.uses < links.max_uses)
        return links.revoked_at.is_(None), links.expires_at > self._clock.now(), has_uses


def _link_of(row: Row[Any]) -> ShareLink:
    return ShareLink(**{name: row._mapping[name] for name in ShareLink.__slots__})  # noqa: SLF001 - its public name
