"""SQLite as a database of several writers."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.integration.office import Document, Page, counted, settled

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def test_connections_are_set_up(hands, kit, acme):
    """Each connection writes ahead, checks foreign keys, and waits for other writers."""
    with kit.owner_engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")
        ]
        assert ["wal", 1] == found
        assert 30_000 == connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    bare = create_engine(kit.owner_engine.url)
    with bare.connect() as connection:
        assert "wal" == connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    bare.dispose()


def test_two_writers_queue(kit, acme):
    """A second writer waits until the first has committed, and sees what it wrote."""
    first_wrote, second_began, order = Event(), Event(), []

    def first():
        with kit.scope(acme):
            kit.session().add(Document(name="first"))
            kit.session().flush()
            first_wrote.set()
            second_began.wait(timeout=20)
            order.append("first commits")
            kit.session().commit()

    def second():
        first_wrote.wait(timeout=20)
        with kit.scope(acme):
            session = kit.session()
            assert [] == session.scalars(select(Document)).all()  # readers do not wait
            session.add(Document(name="second"))
            second_began.set()
            session.flush()
            order.append("second writes")
            names = session.scalars(select(Document.name).order_by(Document.id)).all()
            session.commit()
            return names

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first), pool.submit(second)]
        assert [None, ["first", "second"]] == [future.result() for future in futures]
    assert ["first commits", "second writes"] == order


async def test_a_lock_that_does_not_come(hands, kit, acme):
    """A writer that waited in vain gets SQLAlchemy's error, and works again when the other one is gone."""
    for engine in (kit.engine, kit.async_engine.sync_engine):
        event.listen(engine, "connect", _wait_for_nobody)
    other = sqlite3.connect(kit.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with hands.scope(acme):
        with pytest.raises(OperationalError, match="database is locked"):
            await hands.add(Document(name="a"))
        other.close()
        await hands.do("rollback")
        await hands.add(Document(name="b"))
        await hands.do("commit")
        assert ["b"] == await hands.names()


def _wait_for_nobody(connection, _record):
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 0")
    cursor.close()


def test_a_writer_has_its_turn_before_it_looks_up_parents(kit, acme):
    """A parent that is seen cannot go while its child waits to be written."""
    with kit.scope(acme):
        kit.session().add(document := Document(name="a"))
        kit.session().commit()
        parent = document.id
    said = []
    event.listen(kit.engine, "checkout", lambda connection, *_: connection.set_trace_callback(said.append))
    with kit.scope(acme):
        kit.session().add(Page(document_id=parent, text="t"))
        kit.session().flush()
    first = [line.split()[0] for line in said]
    assert ["BEGIN", "SELECT", "INSERT"] == first[:3]


async def test_readers_that_become_writers_do_not_fail(kit, acme):
    """Many threads that read before they write all succeed: none fails for having read too early."""
    start = Barrier(6)

    def work(number):
        start.wait()
        with kit.scope(acme):
            session = kit.session()
            for _ in range(5):
                seen = len(session.scalars(select(Document.id)).all())
                session.add(Document(name=f"{number} after {seen}"))
                session.commit()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert 30 == counted(kit)


async def test_a_savepoint_goes_with_its_transaction(hands, acme, kit):
    """What a savepoint released is undone by the rollback around it."""
    async with hands.scope(acme):
        for name in ("first", "second"):
            savepoint = await hands.do("begin_nested")
            await hands.add(Document(name=name))
            await settled(savepoint.commit())
        assert ["first", "second"] == await hands.names()
        await hands.do("rollback")
        assert [] == await hands.names()
    assert 0 == counted(kit)


async def test_a_savepoint_alone_can_go(hands, acme, kit):
    """What a savepoint rolled back is gone, what was before and after it stays."""
    async with hands.scope(acme):
        savepoint = await hands.do("begin_nested")
        await hands.add(Document(name="within"))
        await settled(savepoint.rollback())
        await hands.add(Document(name="after"))
        await hands.do("commit")
        assert ["after"] == await hands.names()
    assert 1 == counted(kit)


def test_a_savepoint_before_any_write_locks(kit, acme):
    """A savepoint that comes first begins a real transaction: its rollback is not a commit."""
    with kit.scope(acme):
        session = kit.session()
        with session.begin_nested():
            session.add(Document(name="a"))
        session.rollback()
    assert 0 == counted(kit)


async def test_foreign_keys_hold(hands, acme, kit):
    """A deferred foreign key is looked at on commit, whose failure undoes everything."""
    async with hands.scope(acme):
        await hands.add(Document(name="a", country="XX"))
        with pytest.raises(IntegrityError):
            await hands.do("commit")
        await hands.do("rollback")
        assert [] == await hands.names()
    assert (0, 0) == (counted(kit), hands.pool.checkedout())


def test_schema_changes_are_undone(kit):
    """DDL belongs to the transaction too."""
    with kit.owner_engine.connect() as connection:
        connection.execute(text("CREATE TABLE extra (id int)"))
        connection.rollback()
        assert [] == connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'extra'")).all()


def test_reading_takes_no_lock(kit, acme):
    """A scope that only reads begins no transaction that would block a writer."""
    begun = []

    def note(_connection, _cursor, sql, *_):
        begun.append(sql)

    with kit.scope(acme):
        session = kit.session()
        session.scalars(select(Document)).all()
        raw = session.connection().connection.driver_connection
        assert raw.in_transaction is False
        event.listen(kit.engine, "before_cursor_execute", note)
        session.add(Document(name="a"))
        session.flush()
        assert raw.in_transaction is True
    assert begun


def test_other_databases_are_left_alone(database):
    """Preparing an engine of another database changes nothing."""
    from tenantkit.sql.sqlite import prepare_sqlite

    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    prepare_sqlite(engine)
    assert [] == list(engine.dispatch.before_cursor_execute)
