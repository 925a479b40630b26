"""Rows that are older than their tenant column get one, in batches; another database becomes a tenant."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    insert,
    null,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import (
    SOFT_DELETE,
    Policies,
    ScopedSession,
    scope_engine,
    scoped_by,
    scoped_through,
    shared,
    soft_deletable,
)
from tenantkit.retrofit import Backfill, copy_into_tenant, find_crossings
from tests.leaks.conftest import mariadb_database, postgres_database

ACME = Tenant(1, "acme")


class Base(DeclarativeBase):
    pass


class Organization(Base):
    __tablename__ = "organizations"
    __table_args__ = {"info": shared(writable=True)}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


class User(Base):
    __tablename__ = "users"
    __table_args__ = {"info": scoped_by("org_id", mode="shadow")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(40))


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = {"info": scoped_by("org_id", mode="shadow")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(String(40))


class Share(Base):
    __tablename__ = "shares"
    __table_args__ = {"info": scoped_by("org_id", mode="shadow")}
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    org_id: Mapped[int | None]


USERS, NOTES = 25, 230


def owner_url(dialect, path, stack):
    """Give the URL of a new database as the owner of its tables."""
    if dialect == "sqlite":
        return f"sqlite:///{path}"
    made = mariadb_database() if dialect == "mariadb" else postgres_database()
    return stack.enter_context(made).owner_url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def owner(request, tmp_path):
    """Give an engine of an application that knew users and no tenants."""
    with ExitStack() as stack:
        url = owner_url(request.param, tmp_path / "old.db", stack)
        engine = create_engine(url)
        stack.callback(engine.dispose)
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(User), [{"id": n, "name": f"u{n}"} for n in range(1, USERS + 1)])
            notes = [{"id": n, "user_id": n % USERS + 1, "text": "x"} for n in range(1, NOTES + 1)]
            connection.execute(insert(Note), notes)
            shares = [{"note_id": n, "number": k} for n in range(1, NOTES + 1) for k in (1, 2)]
            connection.execute(insert(Share), shares)
        yield engine


def tenants(owner, table):
    """Count the rows of each tenant."""
    with owner.connect() as connection:
        found = connection.execute(select(table.org_id, func.count()).group_by(table.org_id))
        return dict([tuple(row) for row in found])


def test_all_rows_go_to_one_organization(owner):
    """A default organization gets every row that has none, in batches that are told."""
    told = list(Backfill.to_tenant(Note, 7, batch_size=50).run(owner))
    assert tenants(owner, Note) == {7: NOTES}
    assert [one.done for one in told] == [50, 100, 150, 200, 230]
    assert [one.left for one in told] == [180, 130, 80, 30, 0]
    assert [one.batches for one in told] == [1, 2, 3, 4, 5]
    assert {one.table for one in told} == {"notes"}


def test_rows_go_where_their_foreign_keys_lead(owner):
    """A path of keys is followed over several tables, with a primary key of several columns."""
    with owner.begin() as connection:
        connection.execute(update(User).values(org_id=User.id * 10))
    told = list(Backfill.through(Share, "note_id", "user_id", batch_size=64).run(owner))
    assert (told[-1].done, told[-1].left) == (NOTES * 2, 0)
    with owner.connect() as connection:
        wrong = select(Share).join(Note, Note.id == Share.note_id).where(Share.org_id != (Note.user_id * 10))
        assert connection.execute(wrong).all() == []
    assert None not in tenants(owner, Share)


def test_each_user_gets_an_organization(owner):
    """A function makes tenants in the transaction of the batch, and says which row is whose."""

    def organization_of(connection, rows):
        made = [{"id": 1000 + row.id, "name": f"{row.name}'s"} for row in rows]
        connection.execute(insert(Organization), made)
        return {row.id: 1000 + row.id for row in rows}

    told = list(Backfill.by(User, organization_of, batch_size=10).run(owner))
    assert [one.done for one in told] == [10, 20, 25]
    assert tenants(owner, User) == {1000 + n: 1 for n in range(1, USERS + 1)}
    with owner.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Organization)) == USERS


def test_function_keys_rows_of_several_columns_by_tuples(owner):
    """Where the primary key has several columns a function answers by tuples, and may leave rows out."""

    def even(_connection, rows):
        return {(row.note_id, row.number): 5 for row in rows if row.number == 2}

    told = list(Backfill.by(Share, even, batch_size=100).run(owner))
    assert tenants(owner, Share) == {5: NOTES, None: NOTES}
    assert told[-1].left == NOTES


def test_paused_backfill_goes_on_where_it_stopped(owner):
    """Leaving the loop leaves whole batches; another run takes the rest and no row twice."""
    backfill = Backfill.to_tenant(Note, 7, batch_size=50)
    for progress in backfill.run(owner):
        if progress.batches == 2:
            break
    assert tenants(owner, Note) == {7: 100, None: 130}
    again = list(Backfill.to_tenant(Note, 8, batch_size=50).run(owner))
    assert tenants(owner, Note) == {7: 100, 8: 130}
    assert again[-1].done == 130


def test_failed_batch_leaves_the_batches_before_it(owner):
    """An error of the function undoes its batch, tenants it made too, and nothing else."""
    calls = count(1)

    def third_fails(connection, rows):
        number = next(calls)
        connection.execute(insert(Organization), [{"id": number, "name": "made"}])
        if number == 3:
            raise LookupError
        return {row.id: number for row in rows}

    run = Backfill.by(User, third_fails, batch_size=10).run(owner)
    with pytest.raises(LookupError):
        list(run)
    assert tenants(owner, User) == {1: 10, 2: 10, None: 5}
    with owner.connect() as connection:
        assert connection.scalars(select(Organization.id).order_by(Organization.id)).all() == [1, 2]


def test_rows_with_a_tenant_are_left_alone(owner):
    """What the application has stamped meanwhile keeps its tenant."""
    with owner.begin() as connection:
        connection.execute(update(Note).where(Note.id <= 30).values(org_id=3))
    list(Backfill.to_tenant(Note, 7, batch_size=20).run(owner))
    assert tenants(owner, Note) == {3: 30, 7: NOTES - 30}


def test_undo_takes_the_tenant_off_again(owner):
    """The reversal empties the column in batches."""
    backfill = Backfill.to_tenant(Note, 7, batch_size=100)
    list(backfill.run(owner))
    assert [one.done for one in backfill.undo(owner)] == [100, 200, 230]
    assert tenants(owner, Note) == {None: NOTES}


def test_backfill_works_behind_forced_policies():
    """Where policies are there already, a backfill says that it works for no tenant."""
    metadata = MetaData()
    table = Table(
        "papers",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("org_id", Integer),
        info=scoped_by("org_id"),
    )
    with postgres_database() as database:
        owner = create_engine(database.owner_url)
        metadata.create_all(owner)
        with owner.begin() as connection:
            connection.execute(insert(table), [{"id": 1}])
            Policies(metadata).create_all(connection)
        (last,) = Backfill.to_tenant(table, 7).run(owner)
        owner.dispose()
    assert (last.done, last.left) == (1, 0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Backfill.to_tenant(Organization, 1), "no tenant column that is declared"),
        (lambda: Backfill.to_tenant(Note, 1, batch_size=0), "batch of 0"),
        (lambda: Backfill.through(Note), "at least one"),
        (lambda: Backfill.through(Note, "text"), "notes.text is no foreign key"),
        (lambda: Backfill.through(Note, "user_id", "nobody"), "no foreign key"),
    ],
)
def test_what_cannot_be_filled_is_refused_at_once(make, says):
    """A backfill that could do nothing says so before it begins."""
    with pytest.raises(ConfigurationError, match=says):
        make()


def test_scoped_engines_are_refused(tmp_path):
    """A backfill sees the rows of all, so it takes no engine that shows one tenant's."""
    engine = scope_engine(f"sqlite:///{tmp_path}/scoped.db", metadata=Base.metadata)
    run = Backfill.to_tenant(Note, 1).run(engine)
    with pytest.raises(ConfigurationError, match="owner"):
        next(run)
    engine.dispose()


def test_paths_go_over_all_columns_of_a_key():
    """A key of several columns leads to the one row that all of them name; with a NULL in it, to none."""
    metadata = MetaData()
    places = Table(
        "places",
        metadata,
        Column("country", String(2), primary_key=True),
        Column("code", Integer, primary_key=True, autoincrement=False),
        Column("org_id", Integer),
        info=scoped_by("org_id"),
    )
    visits = Table(
        "visits",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("country", String(2)),
        Column("code", Integer),
        Column("org_id", Integer),
        ForeignKeyConstraint(["country", "code"], ["places.country", "places.code"]),
        info=scoped_by("org_id", mode="shadow"),
    )
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        names = ("de", 1, 1), ("fr", 1, 2), ("fr", 7, 2)
        connection.execute(
            insert(places), [dict(zip(("country", "code", "org_id"), one, strict=True)) for one in names]
        )
        rows = (1, "de", 1), (2, "fr", 1), (3, None, 7)
        connection.execute(
            insert(visits), [dict(zip(("id", "country", "code"), one, strict=True)) for one in rows]
        )
    (told,) = Backfill.through(visits, "code").run(engine)
    with engine.connect() as connection:
        found = connection.execute(select(visits.c.id, visits.c.org_id).order_by(visits.c.id)).all()
    engine.dispose()
    assert found == [(1, 1), (2, 2), (3, None)]
    assert told.left == 1


# crossings --------------------------------------------------------------------------------------------------------


def test_rows_that_point_to_another_tenant_are_found(owner):
    """Over each foreign key, by the tenant of a column or of a parent; rows of nobody are left out."""
    linked = Table(
        "linked",
        MetaData(),
        Column("note_id", Integer, primary_key=True),
        Column("user_id", Integer, primary_key=True),
    )
    linked.create(owner)
    declared = Table(
        "linked",
        Base.metadata,
        Column("note_id", ForeignKey("notes.id"), primary_key=True),
        Column("user_id", ForeignKey("users.id"), primary_key=True),
        info=scoped_through("note_id", "user_id"),
    )
    try:
        with owner.begin() as connection:
            connection.execute(update(User).values(org_id=User.id % 2))
            connection.execute(update(Note).values(org_id=1))
            connection.execute(insert(linked), [{"note_id": n, "user_id": n} for n in range(1, 5)])
        found = {one.table: one for one in find_crossings(owner, Base.metadata)}
        assert list(found) == ["notes", "linked"]
        notes, links = found["notes"], found["linked"]
        with owner.connect() as connection:
            wrong = select(Note.id).join(User, User.id == Note.user_id).where(User.org_id != 1)
            expected = sorted(connection.scalars(wrong))
        assert (notes.columns, notes.refers_to, notes.rows) == (("user_id",), "users", len(expected))
        assert notes.keys == tuple((number,) for number in expected[:10])
        assert (links.columns, links.rows, links.keys) == (("user_id",), 2, ((2, 2), (4, 4)))
        assert "2 rows of linked belong to another tenant than the rows of users" in str(links)
        with owner.begin() as connection:
            connection.execute(update(User).values(org_id=None))
        assert list(find_crossings(owner, Base.metadata)) == []
    finally:
        Base.metadata.remove(declared)


# the copier -------------------------------------------------------------------------------------------------------


class Shop(DeclarativeBase):
    pass


class Country(Shop):
    __tablename__ = "countries"
    __table_args__ = {"info": shared()}
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class Category(Shop):
    """A tree: rows point to rows of the same table."""

    __tablename__ = "categories"
    __table_args__ = {"info": scoped_by("org_id")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(40))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    best_id: Mapped[int | None] = mapped_column(ForeignKey("products.id", use_alter=True, name="best"))


class Product(Shop):
    __tablename__ = "products"
    __table_args__ = {"info": scoped_by("org_id") | soft_deletable("gone")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(40))
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    country: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))
    gone: Mapped[int | None]


class Label(Shop):
    __tablename__ = "labels"
    __table_args__ = {"info": scoped_through("product_id")}
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    word: Mapped[str] = mapped_column(String(20), primary_key=True)


OLD = """
CREATE TABLE countries (code TEXT PRIMARY KEY);
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT, parent_id INTEGER, best_id INTEGER);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, category_id INTEGER, country TEXT, gone INTEGER);
CREATE TABLE labels (product_id INTEGER, word TEXT, PRIMARY KEY (product_id, word));
INSERT INTO countries VALUES ('de');
INSERT INTO categories VALUES (1, 'all', NULL, 2), (2, 'toys', 1, 1), (3, 'late', 4, NULL), (4, 'root', NULL, NULL);
INSERT INTO products VALUES (1, 'bear', 2, 'de', NULL), (2, 'kite', 2, NULL, 1);
INSERT INTO labels VALUES (1, 'soft'), (1, 'brown'), (2, 'red');
"""


@pytest.fixture
def old(tmp_path):
    """Give an engine of a shop's own SQLite database."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as connection:
        connection.connection.executescript(OLD)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def place(request, tmp_path):
    """Give a database with another tenant's shop, as its owner and scoped."""
    with ExitStack() as stack:
        url = owner_url(request.param, tmp_path / "all.db", stack)
        owner, engine = create_engine(url), scope_engine(url, metadata=Shop.metadata)
        stack.callback(owner.dispose)
        stack.callback(engine.dispose)
        Shop.metadata.create_all(owner)
        with Session(owner) as session:
            session.add_all([Country(code="de"), Category(org_id=2, name="theirs")])
            session.flush()
            session.add_all([Product(org_id=2, name=f"p{n}", category_id=1) for n in range(3)])
            session.commit()
        yield owner, engine


def copied(old, engine, tenant=ACME, **options):
    """Copy the shop into a tenant."""
    with ScopedSession(engine, scope=Scope(tenant), lift=[SOFT_DELETE]) as session:
        found = copy_into_tenant(old, session, Shop.metadata, **options)
        session.commit()
        return found


def test_database_of_one_becomes_a_tenant(old, place):
    """All rows come over with new keys, every link leads where it led, and others' rows are as they were."""
    owner, engine = place
    told = []
    copy = copied(old, engine, on_table=lambda name, rows: told.append((name, rows)))
    assert copy.rows == {"categories": 4, "products": 2, "labels": 3}
    assert dict(told) == copy.rows
    parent, best = Category.__table__.alias(), Product.__table__.alias()
    tree = (
        select(Category.name, parent.c.name, best.c.name)
        .outerjoin(parent, parent.c.id == Category.parent_id)
        .outerjoin(best, best.c.id == Category.best_id)
        .where(Category.org_id == 1)
    )
    labels = select(Product.name, Label.word, Product.country, Product.gone).join(
        Label, Label.product_id == Product.id
    )
    with owner.connect() as connection:
        assert set(connection.execute(tree)) == {
            ("all", None, "kite"),
            ("toys", "all", "bear"),
            ("late", "root", None),
            ("root", None, None),
        }
        assert set(connection.execute(labels.where(Product.org_id == 1))) == {
            ("bear", "soft", "de", None),
            ("bear", "brown", "de", None),
            ("kite", "red", None, 1),
        }
        assert connection.scalar(select(func.count()).where(Product.org_id == 2)) == 3
    assert set(copy.keys["products"]) == {1, 2}
    assert not {1, 2, 3} & set(copy.keys["products"].values())


def test_copy_is_not_made_twice(old, place):
    """A tenant that has rows is refused, so nothing comes twice."""
    _, engine = place
    copied(old, engine)
    with pytest.raises(ConfigurationError, match="'acme' has rows in 'categories' already"):
        copied(old, engine)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE products ADD COLUMN price INTEGER", "not declared: price"),
        ("ALTER TABLE products DROP COLUMN name", "lacks name"),
        ("UPDATE products SET category_id = 99 WHERE id = 2", "category_id = 99 points to no row"),
        ("UPDATE categories SET parent_id = 99 WHERE id = 2", "parent_id = 99 points to no row"),
        ("UPDATE labels SET product_id = 3 WHERE word = 'red'", "product_id = 3 points to no row"),
    ],
)
def test_what_would_be_lost_or_mixed_up_is_refused(old, place, change, says):
    """A column without a place and a link to nowhere are refused, and nothing is written."""
    owner, engine = place
    with old.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(ConfigurationError, match=says):
        copied(old, engine)
    with owner.connect() as connection:
        assert connection.scalar(select(func.count()).where(Category.org_id == 1)) == 0


def test_failed_copy_leaves_nothing(old, place):
    """The copy is one transaction, the caller's."""
    owner, engine = place
    with ScopedSession(engine, scope=Scope(ACME), lift=[SOFT_DELETE]) as session:
        copy_into_tenant(old, session, Shop.metadata)
        session.rollback()
    with owner.connect() as connection:
        assert connection.scalar(select(func.count()).where(Category.org_id == 1)) == 0


def test_session_that_hides_rows_is_refused(old, place):
    """Rows deleted softly are copied too, so a session that cannot see them is no use."""
    _, engine = place
    blind = ScopedSession(engine, scope=Scope(ACME))
    with blind as session, pytest.raises(ConfigurationError, match="soft_delete holds"):
        copy_into_tenant(old, session, Shop.metadata)


class Firm(DeclarativeBase):
    pass


class Item(Firm):
    """A base class: its key is counted, and the subclass's key is this one."""

    __tablename__ = "items"
    __table_args__ = {"info": scoped_by("org_id")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]
    facts: Mapped[dict | None] = mapped_column(JSON)
    made: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    touched: Mapped[str | None] = mapped_column(String(20), onupdate="now")
    size: Mapped[int]
    double: Mapped[int] = mapped_column(Computed("size * 2", persisted=True))
    next_id: Mapped[int | None] = mapped_column(ForeignKey("items.id"))


class Job(Firm):
    __tablename__ = "jobs"
    __table_args__ = {"info": scoped_through("id")}
    id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Comment(Firm):
    __tablename__ = "comments"
    __table_args__ = {"info": scoped_by("org_id")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"))
    text: Mapped[str] = mapped_column(String(20))


FIRM = """
CREATE TABLE items (
    id INTEGER PRIMARY KEY, facts TEXT, made TEXT, touched TEXT, size INTEGER, next_id INTEGER,
    double INTEGER GENERATED ALWAYS AS (size * 2) STORED
);
CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE comments (id INTEGER PRIMARY KEY, job_id INTEGER, text TEXT);
INSERT INTO items (id, facts, made, touched, size, next_id) VALUES
    (2, NULL, '2013-01-01 12:00:00.000000', '2019', 1, 3),
    (3, '{"a": 1}', NULL, '2020', 2, NULL),
    (4, NULL, NULL, NULL, 3, 2);
INSERT INTO jobs VALUES (2, 'two'), (3, 'three'), (4, 'four');
INSERT INTO comments VALUES (1, 2, 'two'), (2, 3, 'three');
"""


@pytest.fixture
def firm(tmp_path):
    """Give a firm's own database, and a PostgreSQL database for all."""
    old = create_engine(f"sqlite:///{tmp_path}/firm.db")
    with old.begin() as connection:
        connection.connection.executescript(FIRM)
    with postgres_database() as database:
        owner, engine = (
            create_engine(database.owner_url),
            scope_engine(database.owner_url, metadata=Firm.metadata),
        )
        Firm.metadata.create_all(owner)
        yield old, owner, engine
        for one in (old, owner, engine):
            one.dispose()


def test_rows_are_copied_as_they_are(firm):
    """Links over a subclass's key, NULLs of JSON, moments, computed columns and what an UPDATE would touch."""
    old, owner, engine = firm
    with ScopedSession(engine, scope=Scope(ACME)) as session:
        copy_into_tenant(old, session, Firm.metadata)
        session.commit()
    with owner.connect() as connection:
        said = select(Comment.text, Job.name).join(Job, Job.id == Comment.job_id)
        assert set(connection.execute(said)) == {("two", "two"), ("three", "three")}
        following = Item.__table__.alias()
        rows = connection.execute(
            select(Item.size, Item.double, Item.touched, Item.made, Item.facts.is_(null()), following.c.size)
            .outerjoin(following, following.c.id == Item.next_id)
            .order_by(Item.size)
        ).all()
    noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    assert rows == [
        (1, 2, "2019", noon, True, 2),
        (2, 4, "2020", None, False, None),
        (3, 6, None, None, True, 1),
    ]


def test_tables_that_nobody_declared_are_not_left_behind(firm):
    """A table of the other database with rows, and without a place here, is refused; an empty one is not."""
    old, _, engine = firm
    with old.begin() as connection:
        connection.execute(text("CREATE TABLE attachments (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('1')"))
    with ScopedSession(engine, scope=Scope(ACME)) as session:
        copy_into_tenant(old, session, Firm.metadata)
        session.rollback()
    with old.begin() as connection:
        connection.execute(text("INSERT INTO attachments VALUES (1)"))
    with (
        ScopedSession(engine, scope=Scope(ACME)) as session,
        pytest.raises(ConfigurationError, match="'attachments'"),
    ):
        copy_into_tenant(old, session, Firm.metadata)
