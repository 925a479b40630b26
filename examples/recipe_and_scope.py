"""
The same statements through SQLAlchemy's documented recipe and through a scoped session, both working for acme.

The recipe adds ``with_loader_criteria`` to what ``do_orm_execute`` sees. It is a good recipe; it sees ORM statements.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import ColumnElement, create_engine, event, func, insert, literal_column, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)

from tenantkit import Scope, Tenant, new_id
from tenantkit.exceptions import IsolationError
from tenantkit.isolation import ScopedSession, TenantScoped, scope_engine


class Base(DeclarativeBase):
    """Where the tables are declared."""


class Note(TenantScoped, Base):
    """A note of a tenant."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


ACME, BOLT = Tenant(new_id(), "acme"), Tenant(new_id(), "bolt")
notes = Base.metadata.tables["notes"]


def _update(session: Session) -> str:
    changed = session.scalars(update(notes).values(text="mine").returning(notes.c.id))
    return f"rows changed: {len(changed.all())}"


def _insert(session: Session) -> str:
    session.execute(insert(Note).values(text="planted", tenant_id=BOLT.id))
    return "planted at bolt's"


def _move(session: Session) -> str:
    session.scalars(select(Note)).one().tenant_id = BOLT.id
    session.flush()
    return "moved to bolt"


total = select(func.count()).select_from(notes).scalar_subquery()
raw: ColumnElement[str] = literal_column("(SELECT max(text) FROM notes)")
STATEMENTS: dict[str, Callable[[Session], Any]] = {
    "select of the class": lambda session: session.scalars(select(Note.text)).all(),
    "select of the table": lambda session: session.scalars(select(notes.c.text)).all(),
    "the session's connection": lambda session: session.connection().scalars(select(Note.text)).all(),
    "text": lambda session: session.scalars(text("SELECT text FROM notes")).all(),
    "a subquery in a literal": lambda session: session.scalar(select(raw)),
    "count in a scalar subquery": lambda session: session.scalar(select(total)),
    "update of the table": _update,
    "insert for another tenant": _insert,
    "change of the tenant": _move,
}


class RecipeSession(Session):
    """A session with the recipe."""


@event.listens_for(RecipeSession, "do_orm_execute")
def _add_criterion(state: ORMExecuteState) -> None:
    state.statement = state.statement.options(with_loader_criteria(Note, Note.tenant_id == ACME.id))


def _tried(session: Session, statement: Callable[[Session], Any]) -> str:
    try:
        return str(statement(session))
    except IsolationError as error:
        return type(error).__name__
    finally:
        session.rollback()


def main() -> None:
    """Write a note for each tenant, then run every statement in acme's name."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'notes.db'}"
        plain, scoped = create_engine(url), scope_engine(url, metadata=Base.metadata)
        Base.metadata.create_all(plain)
        for tenant in (ACME, BOLT):
            with ScopedSession(scoped, scope=Scope(tenant)) as session, session.begin():
                session.add(Note(text=f"{tenant.slug}'s"))
        with RecipeSession(plain) as recipe, ScopedSession(scoped, scope=Scope(ACME)) as session:
            print(f"{'statement':<27} {'recipe':<21} scoped session")
            for name, statement in STATEMENTS.items():
                print(f"{name:<27} {_tried(recipe, statement):<21} {_tried(session, statement)}")
        plain.dispose()
        scoped.dispose()


if __name__ == "__main__":
    main()
