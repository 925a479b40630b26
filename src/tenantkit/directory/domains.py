"""Domains of tenants on a database."""

import secrets
from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.tenant import Tenant
from tenantkit.directory.model import Domain
from tenantkit.directory.rules import normalize_domain
from tenantkit.directory.store import Directory
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue
from tenantkit.protocols import Clock

__all__ = ["Domains"]

_CHALLENGE_BYTES: Final = 24


class Domains:
    """
    Domains that tenants bring, on the session given to each call.

    Whoever says that a domain is theirs is asked to put a record into its DNS; only then requests to it are theirs, and
    until then several may say it. Every operation runs in the caller's transaction and commits nothing.

    Args:
        directory: whose tenants.
        clock: tells the time.
        reserved: the application's own domains: neither they nor what is below them can be a tenant's.

    Raises:
        ConfigurationError: a reserved domain is none.

    .. versionadded:: 0.1
    """

    def __init__(self, directory: Directory, clock: Clock, *, reserved: Iterable[str] = ()) -> None:
        self._directory, self._clock = directory, clock
        self._table = directory.tables.domains
        try:
            self._reserved = tuple(map(normalize_domain, reserved))
        except InvalidValue as error:
            raise ConfigurationError(f"One of the reserved domains is none. {error.message}") from None

    def add(self, session: Session, tenant: Tenant, domain: str, *, actor: Actor | None = None) -> Domain:
        """
        Insert a domain that a tenant says is its own, and return it with the record to make. Costs three statements.

        Raises:
            InvalidValue: it is no domain, or is the application's.
            AlreadyTaken: the tenant has it already, or it is known to be another one's.
        """
        name = normalize_domain(domain)
        if any(name == own or name.endswith(f".{own}") for own in self._reserved):
            raise InvalidValue(f"{name!r} is a domain of this application.", field="domain")
        if session.scalar(select(self._table.c.name).where(self._table.c.verified_name == name)) is not None:
            raise _taken(name)
        made = Domain(tenant.id, name, secrets.token_urlsafe(_CHALLENGE_BYTES), self._clock.now())
        row = {column: getattr(made, column) for column in made.__slots__}
        try:
            with session.begin_nested():
                session.execute(insert(self._table).values(**row))
        except IntegrityError:
            raise _taken(name) from None
        self._directory.tell(session, tenant.id, "domain.added", actor=actor, details={"domain": name})
        return made

    def verify(
        self,
        session: Session,
        tenant: Tenant,
        domain: str,
        records: Collection[str],
        *,
        actor: Actor | None = None,
    ) -> Domain:
        """
        Note that a domain is the tenant's, since the record is in its DNS. Costs four statements.

        Args:
            session: the session.
            tenant: whose.
            domain: which.
            records: the texts of the TXT records of ``Domain.record_name``, as you looked them up just now.
            actor: who asks.

        Raises:
            InvalidValue: the tenant did not add it, or the record is not among them.
            AlreadyTaken: it is known to be another one's.
        """
        found = self._one(session, tenant, domain)
        if not any(
            secrets.compare_digest(found.record.encode(), text.strip().encode("utf-8", "replace"))
            for text in records
        ):
            raise InvalidValue(
                f"The DNS has no TXT record {found.record_name} that says {found.record}. It can take some hours until "
                "a new one is seen.",
                field="domain",
            )
        now = self._clock.now()
        changes = {"verified_at": now, "verified_name": found.name}
        try:
            with session.begin_nested():
                session.execute(update(self._table).where(*self._of(tenant, found.name)).values(**changes))
        except IntegrityError:
            raise _taken(found.name) from None
        self._directory.changed(session, tenant.id)
        self._directory.tell(
            session, tenant.id, "domain.verified", actor=actor, details={"domain": found.name}
        )
        return Domain(tenant.id, found.name, found.challenge, found.created_at, now)

    def remove(self, session: Session, tenant: Tenant, domain: str, *, actor: Actor | None = None) -> None:
        """
        Delete a tenant's domain; requests to it are nobody's. Costs three statements.

        Raises:
            InvalidValue: the tenant has no such domain.
        """
        found = self._one(session, tenant, domain)
        session.execute(delete(self._table).where(*self._of(tenant, found.name)))
        self._directory.changed(session, tenant.id)
        self._directory.tell(
            session, tenant.id, "domain.removed", actor=actor, details={"domain": found.name}
        )

    def list_of(self, session: Session, tenant: Tenant) -> list[Domain]:
        """Return a tenant's domains, verified or not, by name. Costs one statement."""
        query = select(self._table).where(self._table.c.tenant_id == tenant.id).order_by(self._table.c.name)
        return [_domain_from(row) for row in session.execute(query)]

    def by_domain(self, session: Session, domain: str) -> Tenant | None:
        """Return the tenant whose domain it is known to be, or None. Costs one statement."""
        return self._directory.by_domain(session, domain)

    def _one(self, session: Session, tenant: Tenant, domain: str) -> Domain:
        name = normalize_domain(domain)
        row = session.execute(select(self._table).where(*self._of(tenant, name))).one_or_none()
        if row is None:
            raise InvalidValue(f"{tenant.slug!r} has no domain {name!r}. Add it first.", field="domain")
        return _domain_from(row)

    def _of(self, tenant: Tenant, name: str) -> tuple[Any, Any]:
        return self._table.c.tenant_id == tenant.id, self._table.c.name == name


def _taken(name: str) -> AlreadyTaken:
    return AlreadyTaken(f"The domain {name!r} is taken.", field="domain")


def _domain_from(row: Row[Any]) -> Domain:
    return Domain(**{name: row._mapping[name] for name in Domain.__slots__})  # noqa: SLF001 - SQLAlchemy's public name
