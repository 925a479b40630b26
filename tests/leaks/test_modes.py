"""A table's way to being enforced: what each mode does with reads, writes, links, children and policies."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError, ForeignTenant
from tenantkit.isolation import (
    Policies,
    ScopedSession,
    TenantScoped,
    difference,
    scope_async_engine,
    scope_engine,
    scoped_by,
    scoped_through,
    shared,
)
from tenantkit.isolation.doctor import examine
from tests.leaks.conftest import mariadb_database, postgres_database

OURS, THEIRS = Scope(Tenant(1, "ours")), Scope(Tenant(2, "theirs"))


def models(mode):
    """Give the classes of an application on its way: notes, remarks on them, and pins, which are enforced."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"
        __table_args__ = {"info": scoped_by("org_id", mode=mode)}
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int | None]
        text: Mapped[str] = mapped_column(String(40))

    class Remark(Base):
        __tablename__ = "remarks"
        __table_args__ = {"info": scoped_through("note_id")}
        id: Mapped[int] = mapped_column(primary_key=True)
        note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))
        note: Mapped[Note] = relationship()

    class Pin(Base):
        __tablename__ = "pins"
        __table_args__ = {"info": scoped_by("org_id")}
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int]
        note_id: Mapped[int | None] = mapped_column(ForeignKey("notes.id"))

    Base.Note, Base.Remark, Base.Pin = Note, Remark, Pin
    return Base


class World:
    """A database with a note of each of two tenants and one of nobody's, and an engine in some mode."""

    def __init__(self, mode, owner_url, app_url, stack):
        self.models, self.app_url = models(mode), app_url
        self.owner = create_engine(owner_url)
        self.models.metadata.create_all(self.owner)
        self.engine = scope_engine(app_url, metadata=self.models.metadata)
        stack.callback(self.owner.dispose)
        stack.callback(self.engine.dispose)
        with Session(self.owner) as session:
            note, remark, pin = self.models.Note, self.models.Remark, self.models.Pin
            session.add_all([note(id=n, org_id=org, text="x") for n, org in ((1, 1), (2, 2), (3, None))])
            session.flush()
            session.add_all([remark(id=n, note_id=n) for n in (1, 2, 3)])
            session.add_all([pin(id=n, org_id=n) for n in (1, 2)])
            session.commit()

    def session(self, scope=OURS):
        """Open a session."""
        return ScopedSession(self.engine, scope=scope)

    def stored(self, *columns):
        """Give what the owner finds."""
        with self.owner.connect() as connection:
            return connection.execute(select(*columns).order_by(columns[0])).all()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def world(request, tmp_path):
    """Make worlds in a mode."""
    with ExitStack() as stack:

        def made(mode):
            if request.param == "sqlite":
                url = f"sqlite:///{tmp_path}/{mode}.db"
                return World(mode, url, url, stack)
            database = stack.enter_context(
                mariadb_database() if request.param == "mariadb" else postgres_database()
            )
            return World(mode, database.owner_url, database.owner_url, stack)

        yield made


@pytest.fixture
def reported(caplog):
    """Give the differences that were reported."""
    caplog.set_level(logging.WARNING, "tenantkit.shadow")
    difference._seen.clear()
    return lambda: [record.difference for record in caplog.records if record.name == "tenantkit.shadow"]


@pytest.mark.parametrize("mode", ["shadow", "write_only"])
def test_reads_see_all(world, mode):
    """Before a table is enforced, its rows and its children's are read as ever; other tables hold already."""
    here = world(mode)
    note, remark, pin = here.models.Note, here.models.Remark, here.models.Pin
    with here.session() as session:
        assert sorted(session.scalars(select(note.id))) == [1, 2, 3]
        assert sorted(session.scalars(select(remark.id))) == [1, 2, 3]
        assert session.get(note, 2) is not None
        assert session.get_one(remark, 2).note.org_id == 2
        assert session.scalars(select(pin.id)).all() == [1]


@pytest.mark.parametrize("mode", ["shadow", "write_only"])
def test_new_rows_are_stamped(world, mode):
    """Whichever way a row comes, it gets the tenant where the caller leaves it out."""
    here = world(mode)
    note = here.models.Note
    with here.session() as session:
        session.add(note(id=10, text="a"))
        session.flush()
        session.execute(insert(note).values(id=11, text="b"))
        session.execute(insert(note), [{"id": 12, "text": "c"}, {"id": 13, "text": "d"}])
        session.execute(insert(note).values([{"id": 14, "text": "e"}, {"id": 15, "text": "f"}]))
        source = select(note.id + 100, note.text).where(note.id == 10)
        session.execute(insert(note).from_select(["id", "text"], source))
        session.execute(insert(note), [{"id": 16, "org_id": None, "text": "g"}])
        session.commit()
    assert {org for n, org in here.stored(note.id, note.org_id) if n >= 10} == {1}
    assert len(here.stored(note.id)) == 3 + 8


def test_write_only_refuses_to_write_what_is_anothers(world):
    """Rows of the other tenant stay as they are, by UPDATE and DELETE of any width; nobody's can be written."""
    here = world("write_only")
    note, remark = here.models.Note, here.models.Remark
    with here.session() as session:
        assert session.execute(update(note).values(text="new")).rowcount == 2
        assert session.execute(delete(remark).where(remark.id > 1)).rowcount == 1
        session.commit()
    assert here.stored(note.id, note.text) == [(1, "new"), (2, "x"), (3, "new")]
    assert here.stored(remark.id) == [(1,), (2,)]


@pytest.mark.parametrize(
    "write",
    [
        lambda m, s: s.execute(insert(m.Note).values(id=20, org_id=2, text="x")),
        lambda m, s: s.execute(insert(m.Note), [{"id": 20, "org_id": 2, "text": "x"}]),
        lambda m, s: s.add(m.Note(id=20, org_id=2, text="x")),
        lambda m, s: s.execute(update(m.Note).values(org_id=1)),
        lambda m, s: s.add(m.Remark(id=20, note_id=2)),
        lambda m, s: s.execute(insert(m.Remark).values(id=20, note_id=2)),
        lambda m, s: s.execute(update(m.Remark).where(m.Remark.id == 1).values(note_id=2)),
        lambda m, s: s.execute(update(m.Pin).values(note_id=2)),
        lambda m, s: s.add(m.Pin(id=20, note_id=2)),
    ],
)
def test_write_only_refuses_foreign_tenants_and_links(world, write):
    """Another tenant's id, a changed one, and a link to another tenant's row are refused."""
    here = world("write_only")

    def written(session):
        write(here.models, session)
        session.flush()

    with here.session() as session, pytest.raises(ForeignTenant):
        written(session)


def test_write_only_links_to_rows_that_nobody_owns_yet(world):
    """A row that the backfill has not reached can be pointed to."""
    here = world("write_only")
    with here.session() as session:
        session.add_all([here.models.Remark(id=20, note_id=3), here.models.Pin(id=20, note_id=3)])
        session.commit()
    assert (20,) in here.stored(here.models.Remark.id)


def test_shadow_refuses_nothing_and_reports_it(world, reported):
    """What would be refused is written as ever, and each of it is reported."""
    here = world("shadow")
    note, remark = here.models.Note, here.models.Remark
    with here.session() as session:
        session.add(note(id=20, org_id=2, text="x"))
        session.flush()
        session.execute(insert(note).values(id=21, org_id=2, text="x"))
        session.execute(update(note).where(note.id == 1).values(org_id=2))
        session.add(remark(id=20, note_id=2))
        session.commit()
    assert dict(here.stored(note.id, note.org_id)) == {1: 2, 2: 2, 3: None, 20: 2, 21: 2}
    told = [one.what for one in reported()]
    assert len(told) == 5
    assert all("ForeignTenant" in one for one in told)


def test_a_difference_says_where_and_what(world, reported):
    """A report names table, tenant, what would change, the SQL without its values, and the line that asked."""
    here = world("shadow")
    with here.session() as session:
        session.scalars(select(here.models.Note).where(here.models.Note.text == "x")).all()
    (one,) = reported()
    assert (one.tables, one.tenant) == (("notes",), "ours")
    assert one.what == "2 of the 3 rows it read would be missing"
    assert one.statement.startswith("SELECT notes.id")
    assert one.place.startswith(f"{__file__}:")


def test_the_same_difference_is_logged_ever_more_seldom(world, reported):
    """A loop that asks the same a hundred times is logged three times, with how often it was seen."""
    here = world("shadow")
    with here.session() as session:
        for _ in range(120):
            session.execute(select(here.models.Note.id)).all()
    assert [one.times for one in reported()] == [1, 10, 100]


def test_reports_do_not_touch_what_is_fetched(world, reported):
    """Streams, partial fetches and RETURNING give their rows one by one, and are judged by what was fetched."""
    here = world("shadow")
    note = here.models.Note
    with here.session() as session:
        stream = session.scalars(select(note.id).order_by(note.id).execution_options(yield_per=2))
        assert list(stream) == [1, 2, 3]
        core = session.connection()
        assert core.execute(select(note.id).order_by(note.id)).first() == (1,)  # the first would be the same
        assert core.execute(select(note.id).where(note.id > 1).order_by(note.id)).first() == (2,)
        result = session.execute(select(note.id).order_by(note.id))
        assert [result.fetchmany(2), result.fetchmany(2), result.fetchmany(2)] == [[(1,), (2,)], [(3,)], []]
    assert [one.what for one in reported()] == [
        "2 of the 3 rows it read would be missing",
        "1 of the 1 rows it read would be missing",
        "2 of the 3 rows it read would be missing",
    ]


@pytest.mark.parametrize("streams", [False, True])
def test_what_does_not_fit_into_memory_is_not_compared(world, reported, monkeypatch, streams):
    """A read of very many rows is reported as not compared, keeps none of them, and returns all."""
    monkeypatch.setattr("tenantkit.isolation.hooks.rehearsal._MOST", 2)
    here = world("shadow")
    note = here.models.Note
    with Session(here.owner) as session:
        session.add_all([note(id=n, org_id=1, text="x") for n in range(10, 15)])
        session.commit()
    options = {"yield_per": 2} if streams else {}
    with here.session() as session:
        found = session.scalars(select(note.id).execution_options(**options))
        assert len(list(found)) == 8
        assert len(session.scalars(select(note.id).where(note.id < 10)).all()) == 3
    assert [one.what for one in reported()] == [
        "cannot be compared: it reads more than 2 rows",
        "2 of the 3 rows it read would be missing",
    ]


def test_a_rehearsal_leaves_nothing_behind(world):
    """What a rehearsal writes is undone, and a rehearsal that fails leaves the transaction in order."""
    here = world("shadow")
    note, remark = here.models.Note, here.models.Remark
    with here.session() as session:
        session.execute(update(note).values(text=note.text + "y"))
        gone = select(note.id).where(note.org_id == 1).scalar_subquery()
        session.execute(delete(remark).where(remark.note_id == gone))
        session.execute(insert(note).from_select(["id", "text"], select(note.id + 10, note.text)))
        # enforced, no row is left to divide by
        few = select(12 / (note.id - 1)).where(
            note.id == select(note.id).where(note.org_id == 2).scalar_subquery()
        )
        assert session.scalar(few) == 12
        session.commit()
    assert here.stored(note.id, note.text) == [(n, "xy") for n in (1, 2, 3, 11, 12, 13)]
    assert here.stored(remark.id) == [(2,), (3,)]


def test_a_failing_rehearsal_does_not_end_the_transaction(world, reported):
    """A statement that would fail when enforced is reported, and what was written before it stays."""
    here = world("shadow")
    note, remark = here.models.Note, here.models.Remark
    with here.session() as session:
        session.execute(update(note).where(note.id == 1).values(text="kept"))
        theirs = select(note.id).where(note.org_id == 2).scalar_subquery()
        session.execute(insert(remark).values(id=30, note_id=theirs))  # enforced: NULL in a NOT NULL column
        session.commit()
    assert here.stored(note.id, note.text)[0] == (1, "kept")
    assert (30,) in here.stored(remark.id)
    assert len(reported()) == 1


def test_error_that_ends_the_transaction_is_the_applications(world):
    """Where a rehearsal loses the transaction, as by a deadlock in MariaDB, nothing goes on as if it were there."""
    here = world("shadow")
    if here.engine.dialect.name == "sqlite":
        pytest.skip("a read is rehearsed without a savepoint")
    note = here.models.Note

    def lose(connection, cursor, *_):
        if connection.dialect.tenantkit_is_rehearsal:
            cursor.execute("ROLLBACK")
            raise OperationalError("deadlock", None, Exception())

    event.listen(here.engine, "before_cursor_execute", lose)
    with here.session() as session:
        session.add(note(id=50, text="lost"))
        session.flush()
        with pytest.raises(OperationalError, match="deadlock"):
            session.scalars(select(note.id)).all()
        session.rollback()
    assert (50,) not in here.stored(note.id)


def test_autocommit_reads_are_compared_and_writes_are_not(world, reported):
    """Without a transaction nothing can be undone, so a write is reported as not rehearsed, and runs once."""
    here = world("shadow")
    if here.engine.dialect.name == "sqlite":
        pytest.skip("its transactions are begun by the engine")
    note = here.models.Note
    engine = here.engine.execution_options(isolation_level="AUTOCOMMIT")
    with ScopedSession(engine, scope=OURS) as session:
        session.scalars(select(note.id)).all()
        session.execute(insert(note).values(id=40, text="x"))
    assert [one.what for one in reported()] == [
        "2 of the 3 rows it read would be missing",
        "cannot be compared: it writes in AUTOCOMMIT, where nothing can be undone",
    ]
    assert (40, 1) in here.stored(note.id, note.org_id)


def test_async_sessions_report_the_line_that_waits(tmp_path, reported):
    """Under asyncio, the place is the coroutine that awaits the session."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/async.db"
        here = World("shadow", url, url, stack)
        engine = scope_async_engine(
            url.replace("sqlite:", "sqlite+aiosqlite:"), metadata=here.models.metadata
        )

        async def ask():
            async with AsyncSession(engine, sync_session_class=ScopedSession, scope=OURS) as session:
                stream = await session.stream_scalars(select(here.models.Note.id))
                found = [one async for one in stream]
                await session.execute(update(here.models.Note).values(text="z"))
            await engine.dispose()
            return found

        assert sorted(asyncio.run(ask())) == [1, 2, 3]
    assert [one.what for one in reported()] == [
        "2 of the 3 rows it read would be missing",
        "it wrote 3 rows, and would write 1",
    ]
    assert all(one.place.startswith(f"{__file__}:") for one in reported())


def test_every_statement_in_shadow_is_counted(tmp_path, monkeypatch):
    """The metric counts statements that would change, and those that would not."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("tenantkit")
    monkeypatch.setattr(
        "tenantkit.isolation.difference.counter",
        lambda name, description: meter.create_counter(f"tenantkit.{name}", description=description),
    )
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/metric.db"
        here = World("shadow", url, url, stack)
        note = here.models.Note
        with here.session() as session:
            session.scalars(select(note.id).where(note.org_id == 1)).all()
            session.scalars(select(note.id)).all()
            session.scalars(select(here.models.Pin.id)).all()
    (data,) = reader.get_metrics_data().resource_metrics
    (metric,) = data.scope_metrics[0].metrics
    counted = {(p.attributes["table"], p.attributes["outcome"]): p.value for p in metric.data.data_points}
    assert metric.name == "tenantkit.shadow_statements"
    assert counted == {("notes", "same"): 1, ("notes", "different"): 1}


def test_engine_without_shadows_rehearses_nothing(tmp_path):
    """Where every table is enforced there is no second dialect."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/enforced.db"
        assert World("enforce", url, url, stack).engine.dialect.tenantkit_enforced is None


def test_mode_of_a_child_is_its_weakest_parents():
    """A table without a tenant column of its own is as far as the least of its parents."""
    metadata = MetaData()
    for name, mode in (("a", "enforce"), ("b", "write_only"), ("c", "shadow")):
        columns = Column("id", Integer, primary_key=True), Column("org_id", Integer)
        Table(name, metadata, *columns, info=scoped_by("org_id", mode=mode))
    keys = Column("a_id", ForeignKey("a.id")), Column("b_id", ForeignKey("b.id"))
    Table("ab", metadata, Column("id", Integer, primary_key=True), *keys, info=scoped_through("a_id", "b_id"))
    last = Column("ab_id", ForeignKey("ab.id")), Column("c_id", ForeignKey("c.id"))
    Table(
        "abc", metadata, Column("id", Integer, primary_key=True), *last, info=scoped_through("ab_id", "c_id")
    )
    Table("all", metadata, Column("id", Integer, primary_key=True), info=shared())
    engine = scope_engine("sqlite://", metadata=metadata)
    found = {entry.table.name: entry.mode for entry in engine.dialect.tenantkit_registry.entries}
    assert found == {
        "a": "enforce",
        "b": "write_only",
        "c": "shadow",
        "ab": "write_only",
        "abc": "shadow",
        "all": "enforce",
    }


def test_unknown_mode_is_refused_where_it_is_written():
    """A misspelt mode never becomes a table that nobody enforces."""
    with pytest.raises(ConfigurationError, match="'Shadow'"):
        scoped_by("org_id", mode="Shadow")


def test_mixin_can_be_taken_back_to_shadow():
    """A class of the mixin says its mode in its table's arguments, for an incident as for a beginning."""

    class Base(DeclarativeBase):
        pass

    class Thing(TenantScoped, Base):
        __tablename__ = "things"
        __table_args__ = {"info": scoped_by("tenant_id", mode="shadow")}
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = scope_engine("sqlite://", metadata=Base.metadata)
    assert engine.dialect.tenantkit_registry.entry(Thing.__table__).mode == "shadow"


@pytest.mark.parametrize("mode", ["shadow", "write_only"])
def test_policies_wait_for_enforcement(mode):
    """A table that is not enforced has no policy, or the database would enforce it."""
    declared = models(mode)
    assert [one.name for one in Policies(declared.metadata).tables] == ["pins"]
    assert [one.name for one in Policies(models("enforce").metadata).tables] == ["notes", "pins", "remarks"]


@pytest.mark.parametrize("mode", ["shadow", "write_only"])
def test_doctor_says_what_is_not_enforced_yet(tmp_path, mode):
    """The doctor warns of tables on their way, and not of what is still to come for them."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/ill.db"
        here = World(mode, url, url, stack)
        with here.owner.connect() as connection:
            found = examine(connection, Policies(here.models.metadata))
    codes = {(one.code, one.object) for one in found}
    assert {("not-enforced-yet", "notes"), ("not-enforced-yet", "remarks")} <= codes
    assert ("nullable-tenant", "notes") not in codes


@pytest.mark.parametrize(
    "write",
    [
        lambda s, t, n: s.scalar(delete(t).where(t.c.id == 2).returning(t.c.id)),
        lambda s, t, n: s.connection().execute(delete(t).where(t.c.id == 2).returning(t.c.id)).fetchone(),
        lambda s, t, n: s.connection().execute(delete(t).where(t.c.id == 2).returning(t.c.id)),
        lambda s, t, n: s.connection().execute(
            update(t).where(t.c.id == bindparam("i")).values(text=n), [{"i": 1}, {"i": 3}]
        ),
        lambda s, t, n: s.connection().execute(insert(t).values(text=n), [{"id": 60}, {"id": 61}]),
        lambda s, t, n: s.connection().execute(
            insert(t).values([{"id": 60, "text": n}, {"id": 61, "text": n}])
        ),
        lambda s, t, n: s.execute(update(t).where(t.c.id == 1).values(text=n)),
    ],
    ids=["scalar", "one", "unread", "many updates", "many inserts", "values", "update"],
)
def test_writes_are_judged_by_what_they_write(world, reported, write):
    """Rows that nobody fetches, values that a subquery gives, many parameter sets: reported, or said to be unknown."""
    here = world("shadow")
    table = here.models.Note.__table__
    count = select(cast(func.count(), String(5))).select_from(table.alias()).scalar_subquery()
    with here.owner.begin() as connection:
        connection.execute(delete(here.models.Remark))
    with here.session() as session:
        write(session, table, count)
        session.rollback()
    assert [one for one in reported() if one.tables == ("notes",)]


def test_tenants_are_reported_apart(world, reported):
    """What was logged for one tenant is logged for another, too, from the same line."""
    here = world("shadow")
    for scope in (OURS, THEIRS, OURS):
        with here.session(scope) as session:
            session.execute(select(here.models.Note.id)).all()
    assert [one.tenant for one in reported()] == ["ours", "theirs"]


def test_tables_without_transactions_are_not_rehearsed(world, reported):
    """Where MariaDB keeps a table in an engine that can undo nothing, a write runs once, and is said to be unknown."""
    here = world("shadow")
    if here.engine.dialect.name != "mariadb":
        pytest.skip("a matter of MariaDB's engines")
    note = here.models.Note
    with here.owner.begin() as connection:
        connection.exec_driver_sql(
            "DROP TABLE remarks, pins"
        )  # which point to it, and MyISAM knows no such keys
        connection.exec_driver_sql("ALTER TABLE notes ENGINE = MyISAM")
    with here.session() as session:
        session.execute(update(note).where(note.id == 1).values(text=note.text + "y"))
        session.commit()
    assert here.stored(note.id, note.text)[0] == (1, "xy")
    (one,) = reported()
    assert (
        one.what
        == "cannot be compared: it writes to a table without transactions, where nothing can be undone"
    )
