"""Workspaces of tenants on a database."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.tenant import Tenant, is_slug
from tenantkit.core.texts import check_text
from tenantkit.directory.model import Workspace
from tenantkit.directory.rules import slug_candidates
from tenantkit.directory.store import Directory
from tenantkit.exceptions import AlreadyTaken, InvalidValue
from tenantkit.protocols import Clock

__all__ = ["Workspaces"]

_MAX_NAME: Final = 200


class Workspaces:
    """
    Parts of tenants, on the session given to each call; see the dimension ``workspace``.

    Every operation runs in the caller's transaction and commits nothing.

    .. versionadded:: 0.1
    """

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._table = directory.tables.workspaces

    def create(
        self,
        session: Session,
        tenant: Tenant,
        name: str,
        *,
        slug: str | None = None,
        actor: Actor | None = None,
    ) -> Workspace:
        """
        Insert a workspace and return it. Costs two statements, within a savepoint.

        Args:
            session: the session.
            tenant: of which.
            name: its name, 1 to 200 characters.
            slug: its slug; by default one made of the name, with a number behind it where that is taken.
            actor: who creates it.

        Raises:
            InvalidValue: the name is empty or too long, or the slug is no DNS label.
            AlreadyTaken: the tenant has one of this slug.
        """
        check_text(name, "name", _MAX_NAME)
        if slug is not None and not is_slug(slug):
            raise InvalidValue(
                "A slug is 1 to 63 lower-case letters, digits and inner hyphens.", field="slug"
            )
        for candidate in slug_candidates(name, "workspace") if slug is None else (slug,):
            made = Workspace(new_id(), tenant.id, candidate, name, self._clock.now())
            row = {column: getattr(made, column) for column in made.__slots__}
            try:
                with session.begin_nested():
                    session.execute(insert(self._table).values(**row))
            except IntegrityError:
                continue
            details = {"workspace": str(made.id), "slug": candidate}
            self._directory.tell(session, tenant.id, "workspace.created", actor=actor, details=details)
            return made
        raise AlreadyTaken("The tenant has a workspace of this slug. Choose another one.", field="slug")

    def rename(
        self, session: Session, tenant: Tenant, workspace: Workspace, name: str, *, actor: Actor | None = None
    ) -> Workspace:
        """
        Give a workspace another name, and return it; its slug stays. Costs two statements.

        Raises:
            InvalidValue: the name is empty or too long, or there is no such workspace.
        """
        check_text(name, "name", _MAX_NAME)
        self._change(session, tenant, workspace, {"name": name})
        details = {"workspace": str(workspace.id), "from": workspace.name, "to": name}
        self._directory.tell(session, tenant.id, "workspace.renamed", actor=actor, details=details)
        return replace(workspace, name=name)

    def archive(
        self, session: Session, tenant: Tenant, workspace: Workspace, *, actor: Actor | None = None
    ) -> Workspace:
        """Have nobody work in a workspace any more, and return it; its rows stay. Costs two statements."""
        archived = replace(workspace, archived_at=self._clock.now())
        self._change(session, tenant, workspace, {"archived_at": archived.archived_at})
        self._directory.tell(
            session, tenant.id, "workspace.archived", actor=actor, details={"workspace": str(workspace.id)}
        )
        return archived

    def restore(
        self, session: Session, tenant: Tenant, workspace: Workspace, *, actor: Actor | None = None
    ) -> Workspace:
        """Have people work in an archived workspace again, and return it. Costs two statements."""
        self._change(session, tenant, workspace, {"archived_at": None})
        self._directory.tell(
            session, tenant.id, "workspace.restored", actor=actor, details={"workspace": str(workspace.id)}
        )
        return replace(workspace, archived_at=None)

    def by_slug(self, session: Session, tenant: Tenant, slug: str) -> Workspace | None:
        """Return the workspace of a slug, archived or not, or None. Costs one statement."""
        if not is_slug(slug):
            return None
        query = select(self._table).where(self._table.c.tenant_id == tenant.id, self._table.c.slug == slug)
        row = session.execute(query).one_or_none()
        return _workspace_from(row) if row else None

    def list_of(self, session: Session, tenant: Tenant, *, with_archived: bool = False) -> list[Workspace]:
        """Return a tenant's workspaces, by slug. Costs one statement."""
        query = select(self._table).where(self._table.c.tenant_id == tenant.id).order_by(self._table.c.slug)
        if not with_archived:
            query = query.where(self._table.c.archived_at.is_(None))
        return [_workspace_from(row) for row in session.execute(query)]

    def is_open(self, session: Session, tenant: Tenant, workspace_id: UUID) -> bool:
        """Whether a tenant has a workspace in which people work. Costs one statement."""
        table = self._table.c
        its = table.id == workspace_id, table.tenant_id == tenant.id, table.archived_at.is_(None)
        return session.scalar(select(table.id).where(*its)) is not None

    def _change(self, session: Session, tenant: Tenant, workspace: Workspace, values: dict[str, Any]) -> None:
        its = self._table.c.id == workspace.id, self._table.c.tenant_id == tenant.id
        result: Any = session.execute(update(self._table).where(*its).values(**values))
        if not result.rowcount:
            raise InvalidValue(f"{tenant.slug!r} has no such workspace.", field="workspace")


def _workspace_from(row: Row[Any]) -> Workspace:
    return Workspace(**{name: row._mapping[name] for name in Workspace.__slots__})  # noqa: SLF001 - its public name
