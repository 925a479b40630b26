"""Invitations on a database."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.opaque import digest_opaque, make_opaque
from tenantkit.core.tenant import Tenant
from tenantkit.directory.model import Invitation, Membership, NewInvitation
from tenantkit.directory.store import Directory
from tenantkit.exceptions import ConfigurationError, InvalidValue, InvitationInvalid, UnknownTenant
from tenantkit.protocols import Clock

__all__ = ["Invitations"]

_PREFIX: Final = "tki"
_DAYS: Final = range(1, 91)
_MAX_EMAIL: Final = 320  # characters (RFC 5321, 4.5.3.1)


class Invitations:
    """
    Offers to become a member, on the session given to each call.

    An invitation is a random text, kept as a digest, good once and until a day that is stated. Sending it is the
    application's. Every operation runs in the caller's transaction and commits nothing; accepting one needs an
    unscoped session.

    .. versionadded:: 0.1
    """

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._table = directory.tables.invitations

    def invite(
        self,
        session: Session,
        tenant: Tenant,
        email: str,
        roles: Iterable[str],
        *,
        guest: bool = False,
        days: int = 7,
        actor: Actor | None = None,
    ) -> NewInvitation:
        """
        Insert an invitation, and return it with the text to send. Costs three statements.

        An open one to the same address is revoked: who is asked twice answers the second time.

        Args:
            session: the session.
            tenant: where.
            email: to whom.
            roles: at least one role, or one as a text.
            guest: whether as a guest, which the tenant has to allow.
            days: until it expires, 1 to 90.
            actor: who invites.

        Raises:
            ConfigurationError: no role is given, or one that does not exist.
            InvalidValue: the address is none, the days are out of range, or the tenant has no guests.
        """
        if isinstance(days, bool) or days not in _DAYS:
            raise InvalidValue(
                f"An invitation is good for {_DAYS.start} to {_DAYS.stop - 1} days.", field="days"
            )
        address = _checked(email)
        held = self._directory.check_invited(session, tenant, address, roles, guest=guest)
        table, now, text = self._table, self._clock.now(), make_opaque(_PREFIX)
        session.execute(
            update(table)
            .where(*self._open(), table.c.tenant_id == tenant.id, table.c.email == address)
            .values(revoked_at=now)
        )
        invitation = Invitation(
            id=new_id(),
            tenant_id=tenant.id,
            email=address,
            roles=held,
            guest=guest,
            invited_by=actor.id if actor else None,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        row = {name: getattr(invitation, name) for name in invitation.__slots__} | {"roles": sorted(held)}
        session.execute(insert(table).values(**row, digest=digest_opaque(_PREFIX, text)))
        details = {"email": address, "roles": sorted(held), "invitation": str(invitation.id)}
        self._directory.tell(session, tenant.id, "member.invited", actor=actor, details=details)
        return NewInvitation(invitation, text)

    def resend(
        self, session: Session, invitation_id: UUID, *, days: int = 7, actor: Actor | None = None
    ) -> NewInvitation:
        """
        Make an open or expired invitation in sight of the session anew; the text that was sent before is void.

        Costs three statements.

        Raises:
            InvitationInvalid: there is none that was neither accepted nor revoked.
            InvalidValue: the days are out of range.
        """
        if isinstance(days, bool) or days not in _DAYS:
            raise InvalidValue(
                f"An invitation is good for {_DAYS.start} to {_DAYS.stop - 1} days.", field="days"
            )
        table, text, now = self._table, make_opaque(_PREFIX), self._clock.now()
        facts = {"expires_at": now + timedelta(days=days), "sent": table.c.sent + 1}
        sent: Any = session.execute(
            update(table)
            .where(table.c.id == invitation_id, table.c.accepted_at.is_(None), table.c.revoked_at.is_(None))
            .values(digest=digest_opaque(_PREFIX, text), **facts)
        )
        if not sent.rowcount:
            raise InvitationInvalid("There is no such invitation, or it was accepted or revoked.")
        found = _invitation_from(session.execute(select(table).where(table.c.id == invitation_id)).one())
        details = {"email": found.email, "invitation": str(found.id), "sent": found.sent}
        self._directory.tell(session, found.tenant_id, "member.invited", actor=actor, details=details)
        return NewInvitation(found, text)

    def accept(self, session: Session, text: str, user_id: str, *, email: str | None = None) -> Membership:
        """
        Make a user a member by an invitation, and return the membership. Costs seven statements.

        Of many at once one is accepted. Who is a member already stays one, as they are, and uses it up, so that it is
        no way back for who is removed later.

        Args:
            session: the session, unscoped.
            text: the text that was sent.
            user_id: who accepts.
            email: their address, if the application knows that it is theirs; then it has to be the one that was
                invited. Without it, whoever has the text may accept.

        Raises:
            InvitationInvalid: it does not exist, has expired, was accepted or revoked, is to somebody else, or is to a
                role that there is no more.
            UnknownTenant: the tenant is gone.
        """
        table, digest, now = self._table, digest_opaque(_PREFIX, text), self._clock.now()
        if digest is None:
            raise _invalid()
        used = {"accepted_at": now, "accepted_by": user_id}
        with session.begin_nested():  # a refusal uses nothing up
            taken: Any = session.execute(
                update(table).where(table.c.digest == digest, *self._open()).values(**used)
            )
            if not taken.rowcount:
                raise _invalid()
            found = _invitation_from(session.execute(select(table).where(table.c.digest == digest)).one())
            if email is not None and _checked(email) != found.email:
                raise _invalid()
            tenant = self._directory.by_id(session, str(found.tenant_id))
            if tenant is None:
                raise UnknownTenant("The tenant of this invitation does not exist any more.")
            member = self._directory.membership(session, tenant, user_id)
            return member or self._add(session, tenant, user_id, found)

    def _add(self, session: Session, tenant: Tenant, user_id: str, found: Invitation) -> Membership:
        guest, invited_by = found.guest, found.invited_by
        try:
            return self._directory.add_member(
                session,
                tenant,
                user_id,
                found.roles,
                guest=guest,
                invited_by=invited_by,
                actor=Actor(user_id),
            )
        except ConfigurationError as error:
            raise InvitationInvalid(
                "This invitation is to a role that there is no more. Ask for another one."
            ) from error

    def look(self, session: Session, text: str) -> Invitation:
        """
        Return an open invitation by its text, to show what one would accept. Costs one statement.

        Raises:
            InvitationInvalid: as for :meth:`accept`.
        """
        digest, table = digest_opaque(_PREFIX, text), self._table
        query = select(table).where(table.c.digest == digest, *self._open())
        row = session.execute(query).one_or_none() if digest else None
        if row is None:
            raise _invalid()
        return _invitation_from(row)

    def list_of(self, session: Session, tenant: Tenant) -> list[Invitation]:
        """Return a tenant's invitations that can be accepted, the newest first. Costs one statement."""
        table = self._table
        query = select(table).where(table.c.tenant_id == tenant.id, *self._open()).order_by(table.c.id.desc())
        return [_invitation_from(row) for row in session.execute(query)]

    def revoke(self, session: Session, invitation_id: UUID, *, actor: Actor | None = None) -> bool:
        """Revoke an invitation in sight of the session, and return whether there was one. Costs three statements."""
        table = self._table
        query = select(table.c.tenant_id, table.c.email).where(table.c.id == invitation_id)
        row = session.execute(query).one_or_none()
        revoked: Any = row and session.execute(
            update(table)
            .where(table.c.id == invitation_id, table.c.accepted_at.is_(None), table.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now())
        )
        if row is None or not revoked.rowcount:
            return False
        details = {"email": row.email, "invitation": str(invitation_id)}
        self._directory.tell(session, row.tenant_id, "member.uninvited", actor=actor, details=details)
        return True

    def prune(self, session: Session, *, limit: int = 1000) -> int:
        """Delete invitations that expired 90 days ago, at most so many, and return how many. Costs two statements."""
        table, over = self._table, self._clock.now() - timedelta(days=_DAYS.stop - 1)
        found = session.scalars(select(table.c.id).where(table.c.expires_at < over).limit(limit)).all()
        session.execute(delete(table).where(table.c.id.in_(found)))
        return len(found)

    def _open(self) -> tuple[Any, ...]:
        table = self._table.c
        return table.accepted_at.is_(None), table.revoked_at.is_(None), table.expires_at > self._clock.now()


def _checked(email: str) -> str:
    """Return an address as it is compared: without spaces around it, in lower case."""
    address = email.strip().lower()
    local, _, domain = address.rpartition("@")
    if not local or not domain or len(address) > _MAX_EMAIL or not address.isprintable() or " " in address:
        raise InvalidValue("This is no e-mail address.", field="email")
    return address


def _invalid() -> InvitationInvalid:
    return InvitationInvalid(
        "There is no such invitation, or it has expired, or was revoked or accepted before."
    )


def _invitation_from(row: Row[Any]) -> Invitation:
    found: dict[str, Any] = {name: row._mapping[name] for name in Invitation.__slots__}  # noqa: SLF001 - SQLAlchemy's public name
    found["roles"] = frozenset(found["roles"])
    return Invitation(**found)
