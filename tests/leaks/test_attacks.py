"""Attacks that need an engine, a schema or tasks of their own; the others are rows of the matrix."""

import asyncio
import copy
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import ObjectNotExecutableError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from tenantkit import Scope, Tenant
from tenantkit.core.scope import enter
from tenantkit.exceptions import (
    ConfigurationError,
    IsolationError,
    UndeclaredTable,
)
from tenantkit.isolation import (
    ScopedSession,
    scope_engine,
    scoped_by,
    scoped_through,
    shared,
)
from tests.leaks.places import scope_of
from tests.leaks.schema import Base, Document, Project, Tag, Task, task_tags
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


@pytest.mark.parametrize("name", PLACES)
def test_attack_01_reconnect_between_two_tasks(places, name):
    """Two tasks of two tenants whose statements reconnect in the middle each read and write their own rows."""
    place = places(name)

    async def rounds():
        for _ in range(ROUNDS):
            pair = (read_after_reconnect(place.async_engine, side) for side in (WORLD.acme, WORLD.bolt))
            yield await asyncio.gather(*pair)

    async def collected():
        return [result async for result in rounds()]

    wanted = [(TITLES[side.slug], [side.say("x")]) for side in (WORLD.acme, WORLD.bolt)]
    assert place.runner.run(collected()) == [wanted] * ROUNDS


@pytest.mark.parametrize("name", PLACES)
def test_attack_01_tasks_with_scopes_of_their_own(places, name):
    """Many tasks, each in a scope that it entered, read their own rows."""
    place = places(name)

    async def work(side):
        with enter(scope_of(side)):
            await asyncio.sleep(0)
            async with AsyncSession(place.async_engine, sync_session_class=ScopedSession) as session:
                return sorted([title async for title in await session.stream_scalars(select(Document.title))])

    async def together():
        sides = (WORLD.acme, WORLD.bolt) * 4
        return [
            (side.slug, found)
            for side, found in zip(sides, await asyncio.gather(*map(work, sides)), strict=True)
        ]

    assert all(found == TITLES[slug] for slug, found in place.runner.run(together()))


@pytest.mark.parametrize("name", PLACES)
def test_attack_01_threads(places, name):
    """Eight threads of two tenants on one engine read their own rows."""
    place = places(name)
    wrong = []

    def work(side):
        for _ in range(ROUNDS):
            with ScopedSession(place.engine, scope=scope_of(side)) as session:
                if sorted(session.scalars(select(Document.title))) != TITLES[side.slug]:
                    wrong.append(side.slug)

    threads = [threading.Thread(target=work, args=(side,)) for side in (WORLD.acme, WORLD.bolt) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_attack_10_key_that_differs_from_the_name():
    """A tenant column whose key is not its name is scoped or refused, when it is declared or when it is read."""
    metadata = MetaData()
    odd = Table(
        "odd",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("org_id", Integer, key="org"),
        info=scoped_by("org"),
    )
    with pytest.raises((IsolationError, ConfigurationError)):  # noqa: PT012 - either place may refuse
        engine = scope_engine("sqlite://", metadata=metadata)
        sql = str(select(odd.c.id).compile(engine))
        if "odd.org_id = " in sql:
            raise UndeclaredTable("scoped by its column")


def test_attack_15_late_declaration():
    """A table that is declared after the engine was scoped is unknown to it, whatever is in the cache."""
    metadata = MetaData()
    early = Table("early", metadata, Column("id", Integer, primary_key=True), info=shared())
    engine = scope_engine("sqlite://", metadata=metadata)
    str(select(early).compile(engine))
    late = Table(
        "late",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("org_id", Integer),
        info=scoped_by("org_id"),
    )
    with pytest.raises(UndeclaredTable):
        str(select(late).compile(engine))
    assert "late.org_id = " in str(select(late).compile(scope_engine("sqlite://", metadata=metadata)))


def test_attack_15_table_without_a_word():
    """A table of the metadata that says nothing of tenants is refused, not read."""
    metadata = MetaData()
    silent = Table("silent", metadata, Column("id", Integer, primary_key=True))
    with pytest.raises((UndeclaredTable, ConfigurationError)):
        str(select(silent).compile(scope_engine("sqlite://", metadata=metadata)))


def test_attack_16_copied_dialect(places):
    """What a copy of the dialect has compiled is scoped, or is not run."""
    place = places("sqlite")
    with ScopedSession(place.engine, scope=scope_of(WORLD.acme)) as session:
        compiled = select(Document.__table__.c.title).compile(dialect=copy.copy(place.engine.dialect))
        try:
            found = sorted(session.connection().execute(compiled).scalars())
        except (IsolationError, ObjectNotExecutableError):
            found = TITLES["acme"]
    assert found == TITLES["acme"]


def test_attack_16_plain_dialect_in_its_place(places):
    """A plain engine over the pool of a scoped one is not taken for scoped."""
    place = places("sqlite")
    plain = create_engine("sqlite://", pool=place.engine.pool)
    with ScopedSession(plain, scope=scope_of(WORLD.acme)) as session, pytest.raises(IsolationError):
        session.scalars(select(Document.title)).all()


def test_attack_17_compiled_for_another_tenant(places):
    """A statement that was compiled here carries no tenant along."""
    place = places("sqlite")
    compiled = select(Document.__table__.c.title).compile(place.engine)
    found = []
    for side in (WORLD.acme, WORLD.bolt):
        with ScopedSession(place.engine, scope=scope_of(side)) as session:
            try:
                found.append(sorted(session.connection().execute(compiled).scalars()))
            except (IsolationError, ObjectNotExecutableError):
                found.append(TITLES[side.slug])
    assert found == [TITLES["acme"], TITLES["bolt"]]


class FakeDriver(SimpleNamespace):
    """As much of a driver as a dialect asks for when it is made."""

    Error = Exception
    paramstyle = "named"
    version = __version__ = "9.0.0"
    defaults = SimpleNamespace()

    def __getattr__(self, name):
        """Whatever else is asked for."""
        if name.startswith("__"):
            raise AttributeError(name)
        return SimpleNamespace


def test_attack_20_oracle_without_ansi_joins():
    """Oracle's joins without ON are refused when the engine is made."""
    with pytest.raises((IsolationError, ConfigurationError)):
        scope_engine("oracle+oracledb://x:y@z/w", metadata=Base.metadata, use_ansi=False, module=FakeDriver())


SCOPED_ELSEWHERE = {
    "select": lambda: select(Document.title),
    "left join": lambda: select(Task.title, Project.name).outerjoin(Task.project),
    "exists": lambda: select(Task.title).where(Task.tags.any()),
    "alias": lambda: select(aliased(Document).title),
    "child": lambda: select(task_tags.c.task_id),
    "update": lambda: update(Document).values(state="x"),
    "delete": lambda: delete(Document),
    "insert": lambda: insert(Tag).values(name="x"),
}


@pytest.mark.parametrize("statement", SCOPED_ELSEWHERE.values(), ids=SCOPED_ELSEWHERE)
def test_other_dialects_are_scoped(statement):
    """MariaDB's dialect renders the tenant into every kind of statement (nothing is run)."""
    pytest.importorskip("pymysql")
    engine = scope_engine("mysql+pymysql://nobody@nowhere/nothing", metadata=Base.metadata)
    sql = str(statement().compile(engine))
    assert "tenant_id" in sql.partition("FROM")[2] or sql.startswith(("INSERT INTO tags (", "UPDATE"))
    assert "tenant_id" in sql


def test_upsert_of_mysql_changes_rows_in_scope():
    """An upsert of MySQL 8 names the new row, and lets any other row keep what it has (nothing is run)."""
    pytest.importorskip("pymysql")
    from sqlalchemy.dialects.mysql import insert as upsert

    engine = scope_engine("mysql+pymysql://nobody@nowhere/nothing", metadata=Base.metadata)
    engine.dialect._requires_alias_for_on_duplicate_key = True  # as it finds out when it connects
    statement = upsert(Tag).values(name="x")
    changed = statement.on_duplicate_key_update(name=statement.inserted.name)
    rendered = str(changed.compile(engine)).partition("AS new ON DUPLICATE KEY UPDATE ")[2]
    assert "name = CASE WHEN (tags.tenant_id = new.tenant_id) THEN new.name ELSE tags.name END" == rendered


@pytest.mark.parametrize(
    ("kind", "own", "foreign"),
    [(Integer, 1, 2), (String, "satb", "satb\n"), (String, "a", "A")],
    ids=["int", "str", "case"],
)
def test_tenants_of_other_types(tmp_path, kind, own, foreign):
    """Tenants that are numbers or texts are told apart exactly."""
    metadata = MetaData()
    parents = Table(
        "parents",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("org", kind, nullable=False),
        info=scoped_by("org"),
    )
    children = Table(
        "children",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("parents.id")),
        info=scoped_through("parent_id"),
    )
    url = f"sqlite:///{tmp_path / 'types.db'}"
    owner, engine = create_engine(url), scope_engine(url, metadata=metadata)
    metadata.create_all(owner)
    with owner.begin() as connection:
        connection.execute(parents.insert(), [{"id": 1, "org": own}, {"id": 2, "org": foreign}])
        connection.execute(children.insert(), [{"id": 10, "parent_id": 1}, {"id": 20, "parent_id": 2}])
    with ScopedSession(engine, scope=Scope(tenant=Tenant(id=own, slug="own"))) as session:
        session.execute(parents.insert(), [{"id": 3}])
        found = session.scalars(select(parents.c.id)).all(), session.scalars(select(children.c.id)).all()
        assert session.scalars(select(parents.c.org).distinct()).all() == [own]
    owner.dispose()
    engine.dispose()
    assert found == ([1, 3], [10])
