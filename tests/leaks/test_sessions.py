"""A session keeps its tenant, and an engine without a session has none."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Integer,
    func,
    select,
    update,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tenantkit import Scope, Tenant
from tenantkit.core.scope import enter
from tenantkit.exceptions import (
    ConfigurationError,
    IsolationError,
    ScopeRequired,
)
from tenantkit.isolation import ScopedSession, UnscopedSession, scope_async_engine
from tests.leaks.places import scope_of
from tests.leaks.schema import Base, Document, Task, ledger
from tests.leaks.world import WORLD

ROUNDS = 15
TITLES = {side.slug: sorted(side.says("charter", "notes", "draft")) for side in (WORLD.acme, WORLD.bolt)}
PLACES = ["sqlite", "postgresql"]


async def read_after_reconnect(engine, side):
    """Read documents on a connection that was cut, so that the statement itself reconnects."""
    async with AsyncSession(engine, sync_session_class=ScopedSession, scope=scope_of(side)) as session:
        connection = await session.connection()
        await connection.invalidate()
        await session.rollback()
        await asyncio.sleep(0)
        found = await session.scalars(select(Document.title))
        await session.execute(update(Document).values(state=side.say("x")))
        changed = await session.scalars(select(Document.state).distinct())
        await session.rollback()
        return sorted(found), list(changed)


def test_none_connection_and_begin(places):
    """Neither ``engine.connect`` nor ``engine.begin`` of a scoped engine runs a statement."""
    engine = places("sqlite").engine
    with engine.connect() as connection, pytest.raises(ScopeRequired):
        connection.execute(select(ledger))
    with engine.connect() as connection, pytest.raises(IsolationError):
        connection.exec_driver_sql("SELECT 1")
    with pytest.raises(ScopeRequired), engine.begin() as connection:
        connection.execute(ledger.delete())


def test_none_session_without_scope(places):
    """A scoped session cannot be opened outside of every scope."""
    with pytest.raises(ScopeRequired):
        ScopedSession(places("sqlite").engine)


def test_none_async_connection(places):
    """An async connection without a scope runs no statement, and streams none."""
    place = places("sqlite")

    async def tried():
        async with place.async_engine.connect() as connection:
            with pytest.raises(ScopeRequired):
                await connection.execute(select(ledger))
            with pytest.raises(ScopeRequired):
                await connection.stream(select(ledger))

    place.runner.run(tried())


def test_none_default_that_selects(places):
    """A default that is a SELECT is not run without a scope."""
    with places("sqlite").engine.connect() as connection, pytest.raises(IsolationError):
        connection.scalar(
            Column("n", Integer, default=select(func.count(ledger.c.id)).scalar_subquery()).default
        )


def test_tenant_of_the_wrong_type(places):
    """A tenant id that is not of the column's type is refused, not converted."""
    wrong = Scope(tenant=Tenant(id=str(WORLD.bolt.tenant), slug="acme"))
    with (
        pytest.raises((IsolationError, ConfigurationError, StatementError)),
        ScopedSession(places("sqlite").engine, scope=wrong) as session,
    ):
        session.scalars(select(Document.title)).all()


def test_session_is_pinned_for_life(places):
    """The scope of a session cannot be exchanged."""
    with ScopedSession(places("sqlite").engine, scope=scope_of(WORLD.acme)) as session:
        session.execute(select(Document.title)).all()
        with pytest.raises(AttributeError):
            session.scope = scope_of(WORLD.bolt)
        assert sorted(session.scalars(select(Document.title))) == TITLES["acme"]


def test_session_after_close(places):
    """A session that is closed and used again keeps its tenant, and its connection did not."""
    place = places("sqlite")
    with ScopedSession(place.engine, scope=scope_of(WORLD.acme)) as session:
        session.execute(select(Document.title)).all()
        session.close()
        with ScopedSession(place.engine, scope=scope_of(WORLD.bolt)) as other:
            assert sorted(other.scalars(select(Document.title))) == TITLES["bolt"]
        assert sorted(session.scalars(select(Document.title))) == TITLES["acme"]


def test_suspended_generator(places):
    """A generator that is suspended inside its session does not disturb another tenant's work."""
    place = places("sqlite")

    def titles(side):
        with ScopedSession(place.engine, scope=scope_of(side)) as session:
            yield from session.scalars(select(Document.title).order_by(Document.size))

    first, second = titles(WORLD.acme), titles(WORLD.bolt)
    pairs = [(next(first), next(second)) for _ in range(3)]
    assert [pair[0].partition(":")[0] + pair[1].partition(":")[0] for pair in pairs] == ["acmebolt"] * 3
    assert list(first) == list(second) == []


def test_error_names_no_foreign_value(places):
    """The refusal of a foreign link does not tell whether the row exists."""
    place = places("sqlite")

    def told(project):
        with ScopedSession(place.engine, scope=scope_of(WORLD.acme)) as session:
            row = {"id": WORLD.acme.id("task", 99), "title": "x", "priority": 1, "project_id": project}
            with pytest.raises(IsolationError) as caught:
                session.execute(Task.__table__.insert().values(**row))
            return type(caught.value), str(caught.value).replace(str(project), "?").replace(project.hex, "?")

    assert told(WORLD.bolt.id("project", 1)) == told(UUID(int=7))


def test_async_url_of_its_own(tmp_path):
    """An async engine made from a plain URL is scoped at its first statement."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'async.db'}"

    async def tried():
        engine = scope_async_engine(url, metadata=Base.metadata)
        async with AsyncSession(engine) as session:
            with pytest.raises(ScopeRequired):
                await session.execute(select(Document))
        await engine.dispose()

    asyncio.run(tried())


def test_plain_session_class_under_async(places):
    """An AsyncSession that forgot the scoped class has no scope."""
    place = places("sqlite")

    async def tried():
        async with AsyncSession(place.async_engine, sync_session_class=Session) as session:
            with pytest.raises(ScopeRequired):
                await session.scalars(select(Document.title))

    place.runner.run(tried())


def test_unscoped_session_on_a_scoped_engine(places):
    """A session of all tenants has no scope either: a scoped engine does not answer it."""
    with UnscopedSession(places("sqlite").engine) as session, pytest.raises(ScopeRequired):
        session.scalars(select(Document.title)).all()


def test_plain_session_inside_a_scope(places):
    """A plain session has no scope even where one is entered: forgetting the class is not forgiven."""
    with (
        enter(scope_of(WORLD.acme)),
        Session(places("sqlite").engine) as session,
        pytest.raises(ScopeRequired),
    ):
        session.scalars(select(Document.title)).all()


def test_scope_of_the_moment(places):
    """A session without a scope of its own takes the entered one, and keeps it."""
    place = places("sqlite")
    with enter(scope_of(WORLD.acme)):
        session = ScopedSession(place.engine)
    with session:
        assert sorted(session.scalars(select(Document.title))) == TITLES["acme"]
