"""A random statement in a scope does what it does on a database in which there is one tenant only."""

import os
import secrets
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import SelectBase

from tenantkit import Scope, Tenant
from tenantkit.isolation import Policies, ScopedSession, scope_engine
from tests.leaks.conftest import ORACLE, mariadb_database, postgres_database
from tests.leaks.oracle import selects
from tests.leaks.oracle_tables import CARRIERS, TABLES, fill, metadata, owners
from tests.leaks.oracle_writes import writes
from tests.leaks.places import relaxed

SEED = int(os.environ.get("TENANTKIT_TEST_ORACLE_SEED", secrets.randbelow(2**32)))
EXAMPLES = {
    name: int(os.environ.get("TENANTKIT_TEST_ORACLE_EXAMPLES", n))
    for name, n in (
        ("sqlite", 500),
        ("postgresql", 200),
        ("mariadb", 200),
        ("policies", 100),
        ("policies alone", 100),
    )
}
FULL_JOINS = {"sqlite": sqlite3.sqlite_version_info >= (3, 39), "postgresql": True, "mariadb": False}
STAMP = "nullif(current_setting('tenantkit.tenant', true), '')::uuid"
MOST_INVALID = 0.1
AS_MANY = 100  # more than half of them differ; with a fifth of that number, too few did once
EXPECTED_DIFFERENCES = 0.2


@dataclass
class Worlds:
    """
    One database of all carriers under the scoped engine, and one for each carrier under a plain one.

    At the place "policies" the database keeps the carriers apart, too; at "policies alone" nobody else does.
    """

    place: str
    dialect: str
    scoped: object
    plain: object
    alone: dict
    tried: int = 0
    invalid: int = 0

    def compare(self, own, statement, parameters):
        """Run a statement in a scope and alone; both must return and leave the same."""
        if self.place == "policies alone":
            with Session(self.scoped) as session:
                tell(session, own)
                return self._compare(session, own, statement, parameters)
        with ScopedSession(self.scoped, scope=Scope(tenant=Tenant(id=own.tenant, slug=own.name))) as session:
            return self._compare(session, own, statement, parameters)

    def compare_plain(self, own, statement, parameters):
        """Do the same without a scope."""
        with Session(self.plain) as session:
            return self._compare(session, own, statement, parameters)

    def _compare(self, session, own, statement, parameters):
        self.tried += 1
        reads = isinstance(statement, SelectBase)
        with Session(self.alone[own]) as lonely:
            try:
                expected = answer(lonely, statement, parameters)
            except (DBAPIError, SQLAlchemyError, Warning):
                self.invalid += 1
                return None
            left = None if reads else stored(lonely)
        actual = answer(session, statement, parameters)
        if reads:
            return expected, actual
        if self.is_held:
            left = with_parents(left)  # the others nobody can see
        mine, rest = self._parted(session, own)
        session.rollback()
        return (expected, left, self.others[own]), (actual, mine, rest)

    @cached_property
    def others(self):
        """The rows of the other carriers, for each carrier."""
        with Session(self.scoped if self.is_held else self.plain) as session:
            return {carrier: self._parted(session, carrier)[1] for carrier in CARRIERS}

    @property
    def is_held(self):
        """Whether the database shows each carrier its own rows only."""
        return self.place.startswith("policies")

    def _parted(self, session, own):
        """What is one carrier's or shared, and what is the others'."""
        if not self.is_held:
            return parted(stored(session), own)
        seen = {}
        for carrier in CARRIERS:  # each in turn, in the same transaction
            tell(session, carrier)
            seen[carrier] = stored(session)
        return seen.pop(own), {carrier.name: rows for carrier, rows in seen.items()}


def tell(session, carrier):
    """Tell the database whose turn it is until the transaction ends, past everything else."""
    cursor = session.connection().connection.cursor()
    cursor.execute("SELECT set_config('tenantkit.tenant', %s, true)", (str(carrier.tenant),))
    cursor.close()


def answer(session, statement, parameters):
    """The rows that a statement returns, in any order."""
    if parameters is None:
        result = session.execute(statement, execution_options={"synchronize_session": False})
    else:
        result = session.connection().execute(statement, parameters)
    return sorted((tuple(row) for row in result), key=repr) if getattr(result, "returns_rows", True) else None


def stored(session):
    """The rows of all tables, read by the driver alone."""
    cursor = session.connection().connection.cursor()
    found = {}
    for table in TABLES:
        names = [column.name for column in table.columns if column.name != "carrier_id"]
        cursor.execute(f"SELECT {', '.join(names)} FROM {table.name}")
        found[table.name] = sorted((tuple(row) for row in cursor.fetchall()), key=repr)
    cursor.close()
    return found


def with_parents(found):
    """The rows without those whose parents are gone: foreign keys are not enforced here."""
    flights, crew = ({row[0] for row in found[name]} for name in ("flights", "crew"))
    return found | {
        "delays": [row for row in found["delays"] if row[1] in flights],
        "flight_crew": [row for row in found["flight_crew"] if row[0] in flights and row[1] in crew],
    }


def parted(found, own):
    """What is one carrier's or shared, and all the rest."""
    mine = {name: [row for row in rows if owners(name, row) <= {own.place}] for name, rows in found.items()}
    rest = {
        name: [row for row in rows if not owners(name, row) <= {own.place}] for name, rows in found.items()
    }
    return mine, rest


def prepare(url, only=None):
    """Create the tables, without enforced foreign keys, and fill them."""
    copied = MetaData()
    for table in metadata.sorted_tables:
        copy = table.to_metadata(copied)
        for constraint in list(copy.foreign_key_constraints):
            copy.constraints.remove(constraint)
        if only is not None and "carrier_id" in copy.c:
            copy.c.carrier_id.nullable = True
    engine = relaxed(create_engine(url))
    copied.create_all(engine)
    with engine.begin() as connection:
        fill(connection, only)
        if (
            engine.dialect.name != "mariadb"
        ):  # without statistics PostgreSQL compiles plans for tables of ten rows
            connection.execute(text("ANALYZE"))
    return engine


def protect(owner):
    """Make the policies; a carrier that is left out is filled in by the database, as the library would."""
    with owner.begin() as connection:
        Policies(metadata).create_all(connection)
        for table in TABLES:
            if "carrier_id" in table.columns:
                connection.execute(text(f"ALTER TABLE {table.name} ALTER carrier_id SET DEFAULT {STAMP}"))


@pytest.fixture(scope="module", params=list(EXAMPLES))
def worlds(request, tmp_path_factory):
    """The databases of one place."""
    dialect = "postgresql" if request.param.startswith("policies") else request.param
    with ExitStack() as stack:

        def urls(name):
            if dialect == "sqlite":
                url = f"sqlite:///{tmp_path_factory.mktemp('oracle') / name}.db"
                return url, url
            made = mariadb_database() if dialect == "mariadb" else postgres_database()
            database = stack.enter_context(made)
            return database.owner_url, database.app_url

        owner_url, app_url = urls("all")
        plain = prepare(owner_url)
        stack.callback(plain.dispose)
        if request.param != dialect:
            protect(plain)
        scoped = (
            create_engine(app_url)
            if request.param == "policies alone"
            else scope_engine(app_url, metadata=metadata, policies=request.param == "policies")
        )
        stack.callback(scoped.dispose)
        alone = {carrier: prepare(urls(carrier.name)[0], carrier) for carrier in CARRIERS}
        for engine in alone.values():
            stack.callback(engine.dispose)
        yield Worlds(request.param, dialect, scoped, plain, alone)


def drawn(dialect, wanted):
    """A carrier and a statement of a kind, with its parameters."""

    @st.composite
    def both(draw):
        own = draw(st.sampled_from(CARRIERS))
        full = FULL_JOINS[dialect]
        if wanted == "selects":
            return own, draw(selects(dialect, full)), None
        return own, *draw(writes(dialect, own, full))

    return both()


def rehearse(worlds, wanted, check, examples, phases=tuple(Phase)):
    """Run a check over many statements."""
    options = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )

    @seed(SEED)
    @options
    @given(drawn(worlds.dialect, wanted))
    def rehearsal(case):
        check(*case)

    worlds.tried = worlds.invalid = 0
    rehearsal()


@pytest.mark.parametrize(("wanted", "share"), [("selects", 1), ("writes", 2)])
def test_scoped_statement_does_what_it_does_alone(worlds, record_property, wanted, share):
    """Rows returned, rows left, and the rows of others: a scope is like a database of one's own."""
    examples = max(EXAMPLES[worlds.place] // share, 10)
    record_property(ORACLE, f"{worlds.place} {wanted}: {examples} examples, seed {SEED}")

    def check(own, statement, parameters):
        try:
            pair = worlds.compare(own, statement, parameters)
            assert pair is None or pair[0] == pair[1]
        except Exception as error:
            error.add_note(f"{own.name}: {statement.compile(worlds.alone[own])} {parameters}")
            raise

    rehearse(worlds, wanted, check, examples)
    assert worlds.invalid <= worlds.tried * MOST_INVALID


@pytest.mark.parametrize("wanted", ["selects", "writes"])
def test_oracle_can_fail(worlds, wanted):
    """Without a scope, many of the same statements do something else."""
    if worlds.is_held:
        pytest.skip("the same statements on the same database as at the place 'postgresql'")
    differing = []

    def check(own, statement, parameters):
        try:
            pair = worlds.compare_plain(own, statement, parameters)
        except SQLAlchemyError:
            return
        differing.append(pair is not None and pair[0] != pair[1])

    rehearse(worlds, wanted, check, AS_MANY, (Phase.generate,))
    assert sum(differing) >= len(differing) * EXPECTED_DIFFERENCES
