"""Tenants on a database."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.tenant import (
    SLUG_MAX_LENGTH,
    EntryRules,
    Tenant,
    TenantId,
    TenantStatus,
    central_tenant_id,
    is_slug,
)
from tenantkit.core.texts import check_text
from tenantkit.directory import statements
from tenantkit.directory.model import Page
from tenantkit.directory.networks import check_networks
from tenantkit.directory.rules import (
    check_known,
    check_transition,
    normalize_domain,
    slug_candidates,
    slugify,
)
from tenantkit.directory.tables import DirectoryTables
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue, StatusRefused, UnknownTenant
from tenantkit.protocols import Clock
from tenantkit.sql.spelling import read_key

__all__ = ["Tenants", "Told"]

_MAX_NAME = 200


class Told(Protocol):
    """Promises to take notice of what happened in the directory, in the session's transaction."""

    def __call__(
        self,
        session: Session,
        tenant_id: TenantId,
        action: str,
        *,
        actor: Actor | None,
        details: Mapping[str, Any],
    ) -> object:
        """Take notice."""
        ...


class Tenants:
    """
    The part of a directory that knows tenants; see :class:`Directory`.

    .. versionadded:: 0.1
    """

    tables: DirectoryTables
    _clock: Clock
    _plans: Collection[str]
    _reserved: frozenset[str]
    _strict_slugs: bool
    _changed: Callable[[Session, TenantId], object]
    _told: Told

    def create_tenant(  # noqa: PLR0913
        self,
        session: Session,
        slug: str | None = None,
        *,
        name: str = "",
        plan: str = "default",
        status: TenantStatus = "active",
        region: str | None = None,
        settings: Mapping[str, Any] | None = None,
        entry: EntryRules | None = None,
        tenant_id: TenantId | None = None,
        actor: Actor | None = None,
    ) -> Tenant:
        """
        Insert a tenant and return it. Costs three statements, within a savepoint.

        Args:
            session: the session.
            slug: its slug; by default one made of the name, with a number behind it where that is taken.
            name: its name for people, up to 200 characters; the slug by default.
            plan: the name of its plan.
            status: ``"active"``, or ``"provisioning"`` where something has to be made ready first.
            region: where its data is.
            settings: what the application keeps of it, JSON-able.
            entry: who may enter.
            tenant_id: its id; a new UUID by default, which applications with int or str ids must override.
            actor: who creates it.

        Raises:
            InvalidValue: the slug is no DNS label, is reserved, or is not the name's where it has to be; the name is
                missing or too long; a network is none.
            AlreadyTaken: another tenant has, or had, the slug, or has the id.
            ConfigurationError: there is no such plan; the id has not the type of this application's, or is the central
                one.
        """
        self._check_id(tenant_id)
        check_known("plan", [plan], self._plans)
        if status not in ("active", "provisioning"):
            raise StatusRefused(f"A tenant begins as active or provisioning, not as {status!r}.")
        check_networks(entry)
        given = name or slug or ""
        if slug is None and self._strict_slugs and not slugify(name):
            raise InvalidValue(f"Of the name {name[:80]!r} no slug can be made.", field="name")
        check_text(given, "name", _MAX_NAME)
        for candidate in slug_candidates(given) if slug is None else (slug,):
            tenant = Tenant(
                id=new_id() if tenant_id is None else tenant_id,
                slug=self._checked_slug(candidate, given, derived=slug is None),
                name=given,
                status=status,
                plan=plan,
                region=region,
                settings=dict(settings or {}),
                entry=entry or EntryRules(),
            )
            taken = "slug" if candidate in self._reserved else self._insert(session, tenant)
            if taken is None:
                self._tell(
                    session,
                    tenant,
                    "tenant.created",
                    actor=actor,
                    details={"slug": tenant.slug, "plan": plan},
                )
                return tenant
            if taken == "id" or slug is not None or self._strict_slugs:
                raise AlreadyTaken(f"Another tenant has this {taken}. Choose another one.", field=taken)
        raise AlreadyTaken(f"There are too many tenants called {given!r}. Choose a slug.", field="slug")

    def change_status(
        self,
        session: Session,
        tenant: Tenant,
        status: TenantStatus,
        *,
        reason: str = "",
        actor: Actor | None = None,
    ) -> Tenant:
        """
        Take a tenant a step on in its life, and return it. Costs three statements, one where it is there already.

        ``provisioning`` -> ``active`` <-> ``suspended`` -> ``offboarding`` -> ``grace`` -> ``purging`` -> ``purged``;
        until it is purged, a tenant that is closed can be restored to ``active``. Of two who take different steps at
        once the second one is refused.

        Args:
            session: the session.
            tenant: the tenant; what counts is its status in the database.
            status: where to.
            reason: why, for the trail.
            actor: who.

        Raises:
            StatusRefused: it is no step from where the tenant is.
            UnknownTenant: there is no such tenant.
        """
        now = self.by_id(session, str(tenant.id))
        if now is None:
            raise UnknownTenant(f"There is no tenant {tenant.slug!r}.")
        if now.status == status:
            return now
        check_transition(now, status)
        table = self.tables.tenants
        step = update(table).where(table.c.id == now.id, table.c.status == now.status)
        result: Any = session.execute(step.values(status=status, status_since=self._clock.now()))
        if not result.rowcount:
            raise StatusRefused(f"The tenant {now.slug!r} took another step meanwhile. Look again.")
        details = {"from": now.status, "to": status, "reason": reason}
        self._tell(session, now, f"tenant.{status}", actor=actor, details=details)
        return replace(now, status=status)

    def rename(
        self,
        session: Session,
        tenant: Tenant,
        *,
        name: str | None = None,
        slug: str | None = None,
        actor: Actor | None = None,
    ) -> Tenant:
        """
        Give a tenant another name, another slug, or both, and return it. Costs three statements.

        Its old slugs stay its own: they lead to it, and nobody else can have them.

        Raises:
            InvalidValue: as for :meth:`create_tenant`.
            AlreadyTaken: another tenant has, or had, the slug.
        """
        named = replace(tenant, name=tenant.name if name is None else name)
        check_text(named.name, "name", _MAX_NAME)
        wanted = slug if slug is not None else slugify(named.name) if self._strict_slugs else tenant.slug
        changed = replace(named, slug=self._checked_slug(wanted, named.name, derived=False))
        if changed.slug in self._reserved:
            raise InvalidValue(f"The slug {changed.slug!r} is reserved. Choose another one.", field="slug")
        tenants = self.tables.tenants
        row = {"name": changed.name, "slug": changed.slug}
        if changed.slug != tenant.slug and not self._own_slug(session, changed):
            raise AlreadyTaken("Another tenant has this slug, or had it. Choose another one.", field="slug")
        session.execute(update(tenants).where(tenants.c.id == tenant.id).values(**row))
        before = {"name": tenant.name, "slug": tenant.slug}
        self._tell(session, tenant, "tenant.renamed", actor=actor, details={"from": before, "to": row})
        return changed

    def change_tenant(
        self,
        session: Session,
        tenant: Tenant,
        *,
        plan: str | None = None,
        region: str | None = None,
        settings: Mapping[str, Any] | None = None,
        entry: EntryRules | None = None,
        actor: Actor | None = None,
    ) -> Tenant:
        """
        Change what a tenant has beside its names and status, and return it. Costs two statements.

        Args:
            session: the session.
            tenant: the tenant, as it was looked up.
            plan: the name of its plan.
            region: where its data is.
            settings: all that the application keeps of it; what is not in it is gone.
            entry: who may enter.
            actor: who changes it.

        Raises:
            ConfigurationError: there is no such plan.
            InvalidValue: a network is none.
        """
        given: dict[str, Any] = {"plan": plan, "region": region, "settings": settings, "entry": entry}
        changes = {key: value for key, value in given.items() if value is not None}
        check_known("plan", [plan] if plan is not None else (), self._plans)
        check_networks(entry)
        changed = replace(tenant, **changes)
        row = {key: getattr(changed, key) for key in changes} | ({"entry": asdict(entry)} if entry else {})
        table = self.tables.tenants
        session.execute(update(table).where(table.c.id == tenant.id).values(**row))
        told = {key: value for key, value in row.items() if key != "settings"}  # they may hold secrets
        self._tell(
            session, tenant, "tenant.changed", actor=actor, details={"changed": sorted(changes), **told}
        )
        return changed

    def by_slug(self, session: Session, slug: str) -> Tenant | None:
        """
        Return the tenant that has a slug, or had it, or None. Costs one statement.

        What cannot be a slug is not looked up. One that had the slug has another one now, which its ``slug`` says.
        """
        if not is_slug(slug):
            return None
        row = session.execute(statements.tenant_by_slug(self.tables, slug)).one_or_none()
        return statements.tenant_from(row) if row else None

    def by_id(self, session: Session, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id in text form, or None; a malformed id is unknown. Costs one statement."""
        key = read_key(self.tables.tenants.c.id.type, tenant_id)
        if key is None:
            return None
        query = statements.tenants(self.tables).where(self.tables.tenants.c.id == key)
        row = session.execute(query).one_or_none()
        return statements.tenant_from(row) if row else None

    def by_domain(self, session: Session, domain: str) -> Tenant | None:
        """
        Return the tenant whose domain it is known to be, or None. Costs one statement; needs an unscoped session.

        What is no domain is not looked up.
        """
        try:
            name = normalize_domain(domain)
        except InvalidValue:
            return None
        domains = self.tables.domains
        query = statements.tenants(self.tables).join(domains).where(domains.c.verified_name == name)
        row = session.execute(query).one_or_none()
        return statements.tenant_from(row) if row else None

    def tenants(
        self,
        session: Session,
        *,
        status: TenantStatus | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Tenant]:
        """
        Return a page of the tenants in sight of the session, by slug. Costs one statement.

        Args:
            session: the session.
            status: only those of a status.
            after: ``Page.after`` of the page before.
            limit: how many at the most, 1 to 1000.
        """
        table = self.tables.tenants.c
        query = statements.tenants(self.tables).order_by(table.slug)
        if status is not None:
            query = query.where(table.status == status)
        if after is not None:
            check_text(after, "after", SLUG_MAX_LENGTH)
            query = query.where(table.slug > after)
        size = max(1, min(limit, 1000))
        rows = session.execute(query.limit(size + 1)).all()
        items = [statements.tenant_from(row) for row in rows[:size]]
        return Page(items, items[-1].slug if len(rows) > size else None)

    def _checked_slug(self, slug: str, name: str, *, derived: bool) -> str:
        if not is_slug(slug):
            raise InvalidValue(
                "A slug is one DNS label of 1 to 63 lower-case letters, digits and inner hyphens.",
                field="slug",
            )
        if self._strict_slugs and slug != slugify(name):
            raise InvalidValue(f"The slug of {name[:80]!r} has to be {slugify(name)!r}.", field="slug")
        if slug in self._reserved and not derived:
            raise InvalidValue(f"The slug {slug!r} is reserved. Choose another one.", field="slug")
        return slug

    def _insert(self, session: Session, tenant: Tenant) -> str | None:
        """Insert a tenant and its slug; return what another one has of it, if anything."""
        now, row = self._clock.now(), asdict(tenant)
        try:
            with session.begin_nested():
                session.execute(insert(self.tables.tenants).values(**row, created_at=now, status_since=now))
                self._insert_slug(session, tenant)
        except IntegrityError:
            table = self.tables.tenants.c
            return (
                "id" if session.scalar(select(table.id).where(table.id == tenant.id)) is not None else "slug"
            )
        return None

    def _insert_slug(self, session: Session, tenant: Tenant) -> None:
        slug = {"slug": tenant.slug, "tenant_id": tenant.id, "since": self._clock.now()}
        session.execute(insert(self.tables.slugs).values(**slug))

    def _own_slug(self, session: Session, tenant: Tenant) -> bool:
        """Whether a slug is, or becomes, one of the tenant's."""
        try:
            with session.begin_nested():
                self._insert_slug(session, tenant)
        except IntegrityError:
            owner = self.tables.slugs.c
            query = select(owner.tenant_id).where(owner.slug == tenant.slug)
            return bool(session.scalar(query) == tenant.id)
        return True

    def _tell(
        self,
        session: Session,
        tenant: Tenant,
        action: str,
        *,
        actor: Actor | None,
        details: Mapping[str, Any],
    ) -> None:
        self._changed(session, tenant.id)
        self.tell(session, tenant.id, action, actor=actor, details=details)

    def changed(self, session: Session, tenant_id: TenantId) -> None:
        """Have forgotten what was looked up of a tenant, once the session's transaction ends."""
        self._changed(session, tenant_id)

    def tell(
        self,
        session: Session,
        tenant_id: TenantId,
        action: str,
        *,
        actor: Actor | None,
        details: Mapping[str, Any],
    ) -> None:
        """Have it recorded that something happened, in the session's transaction."""
        self._told(session, tenant_id, action, actor=actor, details=details)

    def _check_id(self, tenant_id: TenantId | None) -> None:
        kind = self.tables.tenants.c.id.type.python_type
        if tenant_id is None and kind is UUID:
            return
        if (
            not isinstance(tenant_id, kind)
            or isinstance(tenant_id, bool)
            or tenant_id == central_tenant_id(kind)
        ):
            raise ConfigurationError(
                f"A tenant of this application needs an id of type {kind.__name__}, not {tenant_id!r}; "
                f"{central_tenant_id(kind)!r} is the central trail's. Give it as tenant_id=."
            )
