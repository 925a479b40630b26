"""The doctor: each way around the policies is found, and its cure cures it."""

import json
from contextlib import ExitStack

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    func,
    insert,
    make_url,
    select,
    text,
)
from typer.testing import CliRunner

from tenantkit.cli.commands import app
from tenantkit.isolation import Policies, scoped_by, scoped_through, shared
from tenantkit.isolation.doctor import examine
from tenantkit.isolation.local_settings import UNSCOPED
from tenantkit.testing.probe.standing import attack_database
from tenantkit.testing.services import find_mariadb

metadata = MetaData()
boards = Table(
    "boards",
    metadata,
    Column("owner", Integer, nullable=False, primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(20)),
    UniqueConstraint("owner", "name"),
    info=scoped_by("owner"),
)
cards = Table(
    "cards",
    metadata,
    Column("owner", Integer, nullable=False, index=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("board_id", Integer),
    Column("title", String(20)),
    ForeignKeyConstraint(["owner", "board_id"], ["boards.owner", "boards.id"], name="cards_board"),
    info=scoped_by("owner"),
)
marks = Table(
    "marks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("card_id", ForeignKey("cards.id"), nullable=False),
    info=scoped_through("card_id"),
)
words = Table("words", metadata, Column("word", String(20), primary_key=True), info=shared())


class Ward:
    """A healthy database, whose owner can break it."""

    def __init__(self, database, stack):
        self.database = database
        self.owner, self.app = (create_engine(url) for url in (database.owner_url, database.app_url))
        stack.callback(self.owner.dispose)
        stack.callback(self.app.dispose)
        metadata.create_all(self.owner)
        self.policies = Policies(metadata)
        with self.owner.begin() as connection:
            self.policies.create_all(connection)

    def run(self, *statements):
        """Run statements as the owner, each by itself."""
        with self.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(text(statement))

    def findings(self, **options):
        """Examine the database as the application."""
        with self.app.connect() as connection:
            return examine(connection, self.policies, **options)


@pytest.fixture
def ward(server):
    """Give a healthy database."""
    with ExitStack() as stack:
        yield Ward(stack.enter_context(server.database()), stack)


def test_a_healthy_database_has_no_findings(ward):
    """Where everything is as declared, nothing is found, and nothing is left behind."""
    assert [] == ward.findings()
    assert [] == ward.findings()


SCOPE = "(SELECT nullif(current_setting('tenantkit.tenant', true), '')::integer)"
AS_TEXT = "(SELECT nullif(current_setting('tenantkit.tenant', true), ''))"
PEEP = "CREATE FUNCTION peep() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM boards'"
TOTALS = "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM boards"
ILLS = {
    "not-enabled": ["ALTER TABLE boards DISABLE ROW LEVEL SECURITY"],
    "not-forced": ["ALTER TABLE boards NO FORCE ROW LEVEL SECURITY"],
    "missing-policy": ["DROP POLICY tenantkit_scope ON marks"],
    "missing-check": [
        "DROP POLICY tenantkit_scope ON boards",
        f"CREATE POLICY tenantkit_scope ON boards FOR ALL TO PUBLIC USING (owner = {SCOPE})",
    ],
    "other-policy": [
        "DROP POLICY tenantkit_scope ON boards",
        f"CREATE POLICY tenantkit_scope ON boards FOR ALL USING (owner::text = {AS_TEXT}) WITH CHECK (true)",
    ],
    "extra-policy": ["CREATE POLICY everything ON boards FOR SELECT USING (true)"],
    "truncate": ["GRANT TRUNCATE ON boards TO PUBLIC"],
    "view-of-owner": [
        "CREATE VIEW all_boards AS SELECT * FROM boards",
        "GRANT SELECT ON all_boards TO PUBLIC",
    ],
    "security-definer": [PEEP],
    "nullable-tenant": ["ALTER TABLE cards ALTER COLUMN owner DROP NOT NULL"],
    "missing-index": ["DROP INDEX ix_cards_owner"],
    "unique-without-tenant": ["ALTER TABLE cards ADD CONSTRAINT cards_title_key UNIQUE (title)"],
    "sequence-readable": [
        "CREATE SEQUENCE cards_id OWNED BY cards.id",
        "GRANT SELECT ON SEQUENCE cards_id TO PUBLIC",
    ],
    "lost-foreign-key": ["ALTER TABLE cards DROP CONSTRAINT cards_board"],
}


@pytest.mark.parametrize("code", ILLS)
def test_an_ill_is_found_and_its_cure_cures_it(ward, code):
    """Each ill is found by its name, alone; after its cure nothing is found any more."""
    ward.run(*ILLS[code])
    found = ward.findings()
    assert [code] == [one.code for one in found], found
    cure = [one.replace("FROM CURRENT_USER", "FROM PUBLIC") for one in found[0].cure]
    ward.run(*cure)
    assert [] == ward.findings()


INCURABLE = {
    "undeclared-table": ["CREATE TABLE strays (id integer)"],
    "missing-table": ["DROP TABLE marks"],
    "missing-column": ["ALTER TABLE boards RENAME COLUMN owner TO org"],
    "view-of-owner": [TOTALS, "GRANT SELECT ON totals TO PUBLIC"],
}


@pytest.mark.parametrize("code", INCURABLE)
def test_what_only_a_person_can_mend_is_found(ward, code):
    """What has no statement that cures it is said, too."""
    ward.run(*INCURABLE[code])
    assert code in {one.code for one in ward.findings()}


def test_a_partition_is_found(server):
    """A partition that the application can name itself has no policy of its parent's."""
    parted = MetaData()
    Table(
        "events",
        parted,
        Column("owner", Integer, primary_key=True),
        Column("id", Integer, primary_key=True),
        info=scoped_by("owner"),
        postgresql_partition_by="RANGE (id)",
    )
    with server.database() as made:
        owner, engine = create_engine(made.owner_url), create_engine(made.app_url)
        parted.create_all(owner)
        with owner.begin() as connection:
            Policies(parted).create_all(connection)
            connection.execute(text("CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (9)"))
        with engine.connect() as connection:
            codes = {(one.code, one.object) for one in examine(connection, Policies(parted))}
        assert ("partition-without-policy", "events_1") in codes
        engine.dispose()
        owner.dispose()


def test_a_foreign_key_without_the_tenant_is_found(server):
    """A key that lets a row point abroad is found, and the key that carries the tenant cures it."""
    loose = MetaData()
    kind = Column("owner", Integer, nullable=False, index=True)
    Table("parents", loose, kind, Column("id", Integer, primary_key=True), info=scoped_by("owner"))
    Table(
        "children",
        loose,
        Column("owner", Integer, nullable=False, index=True),
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("parents.id")),
        info=scoped_by("owner"),
    )
    with server.database() as made:
        owner = create_engine(made.owner_url)
        loose.create_all(owner)
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            (found,) = examine(connection, Policies(loose), with_policies=False)
            assert ("missing-composite-key", "children.parent_id") == (found.code, found.object)
            for statement in found.cure:
                connection.execute(text(statement))
            assert [] == examine(connection, Policies(loose), with_policies=False)
        owner.dispose()


def test_the_owner_and_powerful_roles_are_found(ward, server):
    """An application that works as the owner, or as a superuser, has no policies."""
    with ward.owner.connect() as connection:
        codes = {one.code for one in examine(connection, ward.policies)}
    assert "role-owns" in codes
    admin = create_engine(make_url(server.admin_url).set(database=ward.owner.url.database))
    with admin.connect() as connection:
        if connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            assert "role-bypasses" in {one.code for one in examine(connection, ward.policies)}
    admin.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_other_databases_are_examined_too(kind, tmp_path):
    """Columns, keys and indexes are looked at everywhere; policies only where there are any."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'doctor.db'}"
        if kind == "mariadb":
            found = find_mariadb()
            if found is None:
                pytest.skip("no MariaDB server here")
            url = stack.enter_context(stack.enter_context(found).database()).owner_url
        engine = create_engine(url)
        stack.callback(engine.dispose)
        metadata.create_all(engine)
        with engine.connect() as connection:
            assert [] == examine(connection, Policies(metadata))
            connection.execute(text("CREATE TABLE strays (id integer)"))
            connection.execute(text("CREATE UNIQUE INDEX titles ON cards (title)"))
            connection.commit()
            codes = [one.code for one in examine(connection, Policies(metadata))]
        assert ["undeclared-table", "unique-without-tenant"] == codes


# the command --------------------------------------------------------------------------------------------------

SUBJECT = f"{__name__}:metadata"


def tenantkit(*arguments):
    """Run the command."""
    return CliRunner().invoke(app, ["doctor", SUBJECT, *arguments], env={"COLUMNS": "200"})


def test_the_command_is_for_people_and_for_ci(ward):
    """A table for people, JSON for programs; the status says whether there are errors, and strictly: findings."""
    url = ward.database.app_url
    assert (0, "0 errors, 0 warnings.\n") == (
        (healthy := tenantkit("--database-url", url)).exit_code,
        healthy.output,
    )
    ward.run("DROP INDEX ix_cards_owner")
    warned, strict = tenantkit("--database-url", url), tenantkit("--database-url", url, "--strict")
    assert (0, 1) == (warned.exit_code, strict.exit_code)
    assert "CREATE INDEX CONCURRENTLY ON cards (owner);" in warned.output
    ward.run("ALTER TABLE boards DISABLE ROW LEVEL SECURITY")
    failed = tenantkit("--database-url", url, "--json")
    assert 1 == failed.exit_code
    assert ["not-enabled", "missing-index"] == [one["code"] for one in json.loads(failed.output)]
    unwalled = tenantkit("--database-url", url, "--no-policies")
    assert (0, True) == (unwalled.exit_code, "0 errors, 1 warnings." in unwalled.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say which database"),
        (["--database-url", "postgresql+psycopg://nobody@127.0.0.1:1/nothing"], "cannot be examined"),
        (["--database-url", "nonsense"], "cannot be examined"),
    ],
)
def test_the_command_says_what_it_cannot_do(arguments, message):
    """What cannot be examined is a sentence and another status than a finding."""
    result = tenantkit(*arguments)
    assert 2 == result.exit_code
    assert message in result.output


def test_the_owner_can_look_unscoped(ward):
    """The word of unscoped sessions is the one in the policies."""
    assert UNSCOPED in ward.policies.tables[0].policies[-1].using


# the probe ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def probed(ward):
    """Attack the ward's database, and give what got through; its rows are as they were."""

    def run(**options):
        counts = [select(func.count()).select_from(table) for table in metadata.sorted_tables]

        def count():
            with ward.owner.connect() as connection:
                connection.execute(text(f"SET {UNSCOPED} = 'on'"))
                return [connection.scalar(one) for one in counts]

        before = count()
        found = attack_database(ward.owner, ward.app, ward.policies, **options)
        assert count() == before
        return {(one.code, one.object) for one in found}, found

    return run


def test_probe_gets_through_nowhere(probed):
    """Behind its policies nothing is read or written, and no row is left behind."""
    assert probed() == (set(), [])


@pytest.mark.parametrize(
    ("ill", "through"),
    [
        (
            "ALTER TABLE boards DISABLE ROW LEVEL SECURITY",
            {("probe-read", "boards"), ("probe-write", "boards")},
        ),
        ("CREATE POLICY everything ON cards FOR SELECT USING (true)", {("probe-read", "cards")}),
        (
            "CREATE POLICY everything ON marks USING (true)",
            {("probe-read", "marks"), ("probe-write", "marks")},
        ),
    ],
)
def test_probe_gets_through_where_a_policy_is_missing(ward, probed, ill, through):
    """A table that anybody may read or write is found by doing it."""
    ward.run(ill)
    codes, found = probed()
    assert codes == through
    assert {one.severity for one in found} == {"error"}


def test_probe_leaves_the_rows_that_are_there(ward, probed):
    """Real rows are neither changed nor removed, whatever gets through."""
    with ward.owner.begin() as connection:
        connection.execute(text(f"SET LOCAL {UNSCOPED} = 'on'"))
        connection.execute(insert(boards), [{"owner": 7, "id": 1, "name": "real"}])
    ward.run("ALTER TABLE boards DISABLE ROW LEVEL SECURITY")
    probed()
    with ward.owner.connect() as connection:
        assert connection.execute(select(boards)).all() == [(7, 1, "real")]


def test_probe_that_cannot_begin_says_why(ward, probed):
    """Rows that the database refuses are a finding, and no silence."""
    ward.run("ALTER TABLE cards ADD CONSTRAINT short CHECK (length(title) < 2)")
    _, (one,) = probed()
    assert one.code == "probe-failed"
    assert "short" in one.why


def test_probe_by_the_scoped_engine_on_sqlite(tmp_path):
    """Where the database knows no policies, the scoped engine is tried."""
    owner, app = (create_engine(f"sqlite:///{tmp_path}/probe.db") for _ in range(2))
    metadata.create_all(owner)
    assert attack_database(owner, app, Policies(metadata)) == []
    with owner.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(boards)) == 0
    owner.dispose()
    app.dispose()


def test_command_probes(ward, monkeypatch):
    """The command takes the owner's URL, adds what it got through to the findings, and fails."""
    monkeypatch.setenv("COLUMNS", "300")
    ward.run("ALTER TABLE boards DISABLE ROW LEVEL SECURITY")
    arguments = ["doctor", "tests.integration.test_doctor:metadata", "--probe", "--json"]
    arguments += ["--database-url", str_of(ward.app), "--owner-url", str_of(ward.owner)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert {"not-enabled", "probe-read", "probe-write"} <= {one["code"] for one in json.loads(result.output)}


def str_of(engine):
    """Give the URL of an engine, with its password."""
    return engine.url.render_as_string(hide_password=False)


def test_loose_collation_is_found_and_cured(server):
    """A tenant column whose collation ignores case is an error: two tenants would be one."""
    texts = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("org", String(20), nullable=False, index=True)
    Table("papers", texts, *columns, info=scoped_by("org"))
    loose = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    with ExitStack() as stack:
        database = stack.enter_context(server.database())
        owner, user = (create_engine(url) for url in (database.owner_url, database.app_url))
        stack.callback(owner.dispose)
        stack.callback(user.dispose)
        texts.create_all(owner)

        def run(*statements):
            with owner.begin() as connection:
                for statement in statements:
                    connection.execute(text(statement))

        def policies(verb):
            with owner.begin() as connection:
                getattr(Policies(texts), verb)(connection)

        def found():
            with user.connect() as connection:
                return [one for one in examine(connection, Policies(texts)) if one.severity == "error"]

        run(loose, "ALTER TABLE papers ALTER COLUMN org TYPE varchar(20) COLLATE loose")
        policies("create_all")
        (one,) = found()
        assert (one.code, one.object) == ("loose-collation", "papers.org")
        policies("drop_all")  # a column that a policy names keeps its type
        run(*one.cure)
        policies("create_all")
        assert found() == []
