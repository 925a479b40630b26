"""Tests on a real PostgreSQL: one server for all, an empty database for each."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit import Scope, Tenant, new_id
from tenantkit.exceptions import ForeignTenant
from tenantkit.isolation import ScopedSession, TenantScoped, scope_engine
from tenantkit.testing.services import PostgresServer, find_postgres


class Base(DeclarativeBase):
    """Stands for your application's tables."""


class Note(TenantScoped, Base):
    """A note of a tenant."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


ACME, BOLT = Scope(Tenant(new_id(), "acme")), Scope(Tenant(new_id(), "bolt"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Find a server: the one you name, the machine's, or a private one that ends with the tests."""
    with find_postgres() as server:
        yield server


@pytest.fixture
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    """Make a database; the owner creates the tables, the engine works as a role that owns nothing."""
    with postgres.database() as database:
        owner = create_engine(database.owner_url)
        Base.metadata.create_all(owner)
        owner.dispose()
        scoped = scope_engine(database.app_url, metadata=Base.metadata)
        yield scoped
        scoped.dispose()


def test_notes_stay_with_their_tenant(engine: Engine) -> None:
    """What acme writes, bolt does not see."""
    with ScopedSession(engine, scope=ACME) as session, session.begin():
        session.add(Note(text="acme's"))
    with ScopedSession(engine, scope=BOLT) as session:
        assert session.scalars(select(Note.text)).all() == []  # noqa: S101 - pytest's way


def test_notes_cannot_be_planted(engine: Engine) -> None:
    """Nobody writes in another tenant's name."""
    with ScopedSession(engine, scope=ACME) as session, pytest.raises(ForeignTenant):
        session.add(Note(text="planted", tenant_id=BOLT.tenant.id))
