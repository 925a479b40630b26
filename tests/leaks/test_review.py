"""
Ways in that a review of the compiler found: each was a breach once.

They need tables that the matrix has not: keys of several columns, a joined subclass whose key is named as its parent's.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    create_engine,
    delete,
    false,
    func,
    insert,
    literal,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import UserDefinedType

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError, IsolationError
from tenantkit.isolation import ScopedSession, scope_engine, scoped_by, scoped_through
from tenantkit.testing.services import find_postgres

# SQLAlchemy warns of some of the ways by itself
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*cartesian product"),
    pytest.mark.filterwarnings("ignore:Additional column names"),
]

ACME, BOLT = UUID(int=1), UUID(int=2)
metadata = MetaData()


def _key(name: str = "id") -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _org() -> Column[UUID]:
    return Column("org", Uuid, nullable=False)


parent = Table("p", metadata, _key(), _org(), Column("name", String(90)), info=scoped_by("org"))
row = Table(
    "d",
    metadata,
    _key(),
    _org(),
    Column("t", String(90)),
    Column("n", Integer),
    Column("pid", ForeignKey("p.id")),
    info=scoped_by("org"),
)
other = Table("k", metadata, _key(), _org(), Column("pid", ForeignKey("p.id")), info=scoped_by("org"))
child = Table(
    "c",
    metadata,
    Column("id", ForeignKey("p.id"), primary_key=True),
    Column("w", String(90)),
    info=scoped_through("id"),
)
order = Table("o", metadata, _key("a"), _key("b"), _org(), info=scoped_by("org"))
line = Table(
    "l",
    metadata,
    _key(),
    Column("a", Integer),
    Column("b", Integer),
    Column("w", String(90)),
    ForeignKeyConstraint(["a", "b"], ["o.a", "o.b"]),
    info=scoped_through("a", "b"),
)


def _fill(owner: Engine) -> None:
    metadata.drop_all(owner)
    metadata.create_all(owner)
    with owner.begin() as connection:
        for tenant, number, mark in ((ACME, 1, "acme"), (BOLT, 101, "bolt")):
            connection.execute(parent.insert(), {"id": number, "org": tenant, "name": mark})
            connection.execute(
                row.insert(), {"id": number, "org": tenant, "t": mark, "n": number, "pid": number}
            )
            connection.execute(child.insert(), {"id": number, "w": mark})
        keys = [
            (1, 5, ACME),
            (2, 6, ACME),
            (1, 6, BOLT),
        ]  # each half of Bolt's key is also in a key of Acme's
        connection.execute(order.insert(), [{"a": a, "b": b, "org": org} for a, b, org in keys])
        lines = [{"id": 1, "a": 1, "b": 5, "w": "acme"}, {"id": 101, "a": 1, "b": 6, "w": "bolt"}]
        connection.execute(line.insert(), lines)


def _harm(owner: Engine) -> set[str]:
    """Return Bolt's rows and Acme's rows that point to Bolt's."""
    queries = (
        *(select(table).where(table.c.org == BOLT) for table in (parent, row, other, order)),
        *(select(table).where(table.c.id > 100) for table in (child, line)),
        *(select(table).where(table.c.org == ACME, table.c.pid > 100) for table in (row, other)),
    )
    with owner.connect() as connection:
        return {repr(found) for query in queries for found in connection.execute(query)}


class Forged(UserDefinedType[str]):
    """A type whose text is SQL."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_kw: Any) -> str:
        return self.text

    def literal_processor(self, dialect: Any) -> Callable[[Any], str]:
        return lambda _value: self.text


def _shadow(name: str) -> Any:
    return select(literal(101).label("id"), literal(ACME, Uuid).label("org")).cte(name)


def _upsert(dialect: str, key: Any, value: Any) -> Any:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(row).values(id=1).on_conflict_do_update(index_elements=["id"], set_={key: value})


def _foreign_by_union() -> Any:
    return union_all(select(parent.c.id).where(false()), select(literal(101))).scalar_subquery()


def _by_chance(dialect: str) -> Any:
    return case((func.random() > (0.5 if dialect == "postgresql" else 0), 1), else_=101)


def _written_in_cte(**values: Any) -> Any:
    return insert(parent).values(id=77, **values).returning(parent.c.id).cte("written")


LATE = bindparam("late", 101, literal_execute=True)
WAYS: dict[str, Callable[[str], Any]] = {
    "an alias named as the parent, read": lambda _: select(child.alias("tenantkit_parent_1").c.w),
    "an alias named as an anonymous parent": lambda _: select(child.alias("p_1").c.w),
    "an alias named as the parent, write": lambda _: update(child.alias("p_1")).values(w="stolen"),
    "a subquery named as the parent in SET": lambda _: update(row).values(
        pid=select(literal(101).label("id")).subquery("p_1").c.id
    ),
    "a CTE named as the parent table": lambda _: select(child.c.w).add_cte(_shadow("p")),
    "a CTE named as the parent table, other case": lambda _: select(child.c.w).add_cte(_shadow("P")),
    "a CTE named as the parent table, DELETE": lambda _: delete(child).add_cte(_shadow("p")),
    "a CTE named as the parent table, link": lambda _: (
        insert(row).from_select(["id", "pid"], select(literal(50), literal(101))).add_cte(_shadow("p"))
    ),
    "UPDATE of the tenant by column()": lambda _: update(row).values({column("org"): BOLT}),
    "UPDATE of the tenant by another table": lambda _: update(row).values({parent.c.org: BOLT}),
    "INSERT of the tenant by column()": lambda _: insert(row).values({column("id"): 50, column("org"): BOLT}),
    "upsert of the tenant by column()": lambda name: _upsert(name, column("org", Uuid), BOLT),
    "upsert of a link by column()": lambda name: _upsert(name, column("pid"), 101),
    "upsert of the tenant in other case": lambda name: _upsert(name, "ORG", BOLT.hex),
    "a key of several columns, read": lambda _: select(line.c.w),
    "a key of several columns, write": lambda _: update(line).values(w="stolen"),
    "a key of several columns, link": lambda _: insert(line).values(id=50, a=1, b=6),
    "a key of several columns, half an UPDATE": lambda _: update(line).values(b=6).where(line.c.id == 1),
    "a union beside the real key": lambda _: insert(row).values(id=50, pid=_foreign_by_union()),
    "a parameter rendered late, INSERT": lambda _: insert(row).values(id=50, pid=LATE),
    "a parameter rendered late, UPDATE": lambda _: update(row).values(pid=LATE),
    "an expression that changes its mind": lambda name: [update(row).values(pid=_by_chance(name))] * 40,
    "several rows in a CTE, tenant": lambda _: select(
        insert(row).values([{"id": 50, "org": ACME}, {"id": 51, "org": BOLT}]).returning(row.c.id).cte("w")
    ),
    "several rows in a CTE, link": lambda _: select(
        insert(row).values([{"id": 50, "pid": 1}, {"id": 51, "pid": 101}]).returning(row.c.id).cte("w")
    ),
    "a key that another INSERT of the statement has": lambda _: (
        insert(other).values(id=101, pid=101).add_cte(_written_in_cte(name="q"))
    ),
    "a type in CAST": lambda _: select(cast(literal("x"), Forged("CHAR), d.t FROM d, (VALUES (1)"))),
    "a type in a bind's cast": lambda _: select(
        literal(timedelta(1), postgresql.INTERVAL(fields=", d.t FROM d --"))
    ),
    "a type of an empty array": lambda _: select(postgresql.array([], type_=Forged("int[], t from d --"))),
    "a type of a column list": lambda _: select(literal_column("*")).select_from(
        func.jsonb_to_recordset(literal([{"a": 1}], postgresql.JSONB))
        .table_valued(column("a", Forged("int), d as z(b")))
        .render_derived(with_types=True)
    ),
    "a literal that is SQL": lambda _: select(
        bindparam("x", 1, type_=Forged("(select max(t) from d)"), literal_execute=True)
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Engine]]:
    """The owner's engine and the scoped one."""
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("review") / "review.db"
        yield from _engines(f"sqlite:///{path}", f"sqlite:///{path}")
        return
    with find_postgres() as server, server.database() as database:
        yield from _engines(database.owner_url, database.app_url)


def _engines(owner_url: str, app_url: str) -> Iterator[tuple[Engine, Engine]]:
    owner, scoped = create_engine(owner_url), scope_engine(app_url, metadata=metadata)
    yield owner, scoped
    scoped.dispose()
    owner.dispose()


@pytest.mark.parametrize("way", WAYS)
def test_a_way_in_is_closed(engines: tuple[Engine, Engine], way: str):
    """The statement is refused, or shows nothing of the other tenant and changes nothing of it."""
    owner, scoped = engines
    _fill(owner)
    before = _harm(owner)
    made = WAYS[way](scoped.dialect.name)
    seen = ""
    with ScopedSession(scoped, scope=Scope(Tenant(id=ACME, slug="acme"))) as session:
        try:
            for statement in made if isinstance(made, list) else [made]:
                result = session.execute(statement)
                seen += repr(result.all()) if result.returns_rows else ""
            session.commit()
        except (
            IsolationError,
            SQLAlchemyError,
        ):  # what the database or SQLAlchemy refuses leads nowhere either
            session.rollback()
    assert "bolt" not in seen
    assert before == _harm(owner)


def test_the_ways_lead_somewhere(engines: tuple[Engine, Engine]):
    """On a plain engine the same statements do harm, so the test above can fail."""
    owner, _ = engines
    harmful = 0
    for make in WAYS.values():
        _fill(owner)
        before = _harm(owner)
        made = make(owner.dialect.name)
        try:
            with owner.begin() as connection:
                for statement in made if isinstance(made, list) else [made]:
                    result = connection.execute(statement)
                    harmful += "bolt" in (repr(result.all()) if result.returns_rows else "")
        except SQLAlchemyError:
            continue
        harmful += before != _harm(owner)
    assert harmful >= 12


def test_a_schema_that_replaces_rows_is_refused():
    """SQLite's ON CONFLICT REPLACE in the schema would delete another tenant's row."""
    replacing = Table(
        "r",
        MetaData(),
        Column("id", Integer, primary_key=True, sqlite_on_conflict_primary_key="REPLACE"),
        _org(),
        info=scoped_by("org"),
    )
    with pytest.raises(ConfigurationError, match="REPLACE"):
        scope_engine("sqlite://", metadata=replacing.metadata)


def test_an_own_row_is_linked_by_an_expression(engines: tuple[Engine, Engine]):
    """Links may be set by expressions that lead to own rows."""
    owner, scoped = engines
    _fill(owner)
    with ScopedSession(scoped, scope=Scope(Tenant(id=ACME, slug="acme"))) as session:
        session.execute(insert(row).values(id=50, pid=select(func.max(parent.c.id)).scalar_subquery()))
        session.execute(update(row).where(row.c.id == 50).values(pid=row.c.n))
        session.execute(update(row).where(row.c.id == 1).values(pid=row.c.n))
        assert {(50, None), (1, 1)} == set(session.execute(select(row.c.id, row.c.pid)).all())


def test_a_row_written_in_the_same_statement_can_be_linked(engines: tuple[Engine, Engine]):
    """A child may point to a parent that a CTE of the statement inserts."""
    owner, scoped = engines
    if scoped.dialect.name == "sqlite":
        pytest.skip("SQLite has no INSERT in a CTE")
    _fill(owner)
    with ScopedSession(scoped, scope=Scope(Tenant(id=ACME, slug="acme"))) as session:
        written = _written_in_cte(name="new")
        session.execute(insert(row).from_select(["id", "pid"], select(literal(60), written.c.id)))
        assert 77 == session.scalar(select(row.c.pid).where(row.c.id == 60))
