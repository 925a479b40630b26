"""Operations on tables in use: each can be run again and undone, and none makes others wait behind a lock."""

from __future__ import annotations

from io import StringIO

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError

from tenantkit.exceptions import ConfigurationError, LockNotGranted
from tenantkit.isolation import Policies, scoped_by
from tenantkit.migrations import Patience, running

SHORT = Patience(lock_timeout=0.05, attempts=3, pause=0.25)
NAME = 'od:d "100%" ns'


@pytest.fixture
def owner(server):
    """Give an engine of the owner of two tables, in a schema and with a name that needs care."""
    with server.database() as database:
        engine = create_engine(database.owner_url)
        with engine.begin() as connection:
            for statement in (
                "CREATE TABLE users (id integer PRIMARY KEY, org_id integer)",
                "CREATE TABLE notes (id integer PRIMARY KEY, user_id integer)",
                "INSERT INTO users SELECT n, 1 FROM generate_series(1, 100) n",
                "INSERT INTO notes SELECT n, n FROM generate_series(1, 100) n",
                'CREATE SCHEMA "s:1"',
                f'CREATE TABLE "s:1"."{NAME.replace(chr(34), chr(34) * 2)}" (id integer PRIMARY KEY)',
            ):
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        yield engine
        engine.dispose()


@pytest.fixture
def migrate(owner):
    """Run a migration, in a transaction as Alembic begins one."""

    def run(body):
        with owner.connect() as connection:
            context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
            with context.begin_transaction(_per_migration=True), Operations.context(context) as op:
                body(op)

    return run


def columns(owner, table, schema=None):
    """Give the columns of a table: whether each may be NULL."""
    return {one["name"]: one["nullable"] for one in inspect(owner).get_columns(table, schema)}


def checks(owner, table):
    """Give the names of the CHECKs of a table."""
    return [one["name"] for one in inspect(owner).get_check_constraints(table)]


def twice(migrate, body):
    """Run a migration, and again, as after a crash before its version was noted."""
    migrate(body)
    migrate(body)


def test_column_comes_and_goes(owner, migrate):
    """A nullable column is added and dropped; again is no error."""
    twice(migrate, lambda op: op.add_column_online("notes", Column("org_id", Uuid)))
    assert columns(owner, "notes") == {"id": False, "user_id": True, "org_id": True}
    twice(migrate, lambda op: op.drop_column_online("notes", "org_id"))
    assert columns(owner, "notes") == {"id": False, "user_id": True}


@pytest.mark.parametrize(
    "column",
    [
        Column("org_id", Integer, nullable=False),
        Column("org_id", Integer, server_default="1"),
        Column("org_id", ForeignKey("users.id")),
    ],
)
def test_column_that_looks_at_rows_is_refused(migrate, column):
    """What would hold the lock while rows are looked at is refused, and says the way."""
    with pytest.raises(ConfigurationError, match="set_not_null_online"):
        migrate(lambda op: op.add_column_online("notes", column))


def test_not_null_comes_and_goes(owner, migrate):
    """A filled column becomes NOT NULL without a CHECK left over, and nullable again."""
    twice(migrate, lambda op: op.set_not_null_online("users", "org_id"))
    assert columns(owner, "users") == {"id": False, "org_id": False}
    assert checks(owner, "users") == []
    twice(migrate, lambda op: op.drop_not_null_online("users", "org_id"))
    assert columns(owner, "users") == {"id": False, "org_id": True}


def test_not_null_trusts_the_check(owner, migrate):
    """SET NOT NULL does not look at the rows again: it comes after the validation of a CHECK that says the same."""
    ran = []
    from sqlalchemy import event

    event.listen(owner, "before_cursor_execute", lambda c, cursor, sql, *rest: ran.append(sql))
    migrate(lambda op: op.set_not_null_online("users", "org_id"))
    altered = [sql.partition("users ")[2] for sql in ran if sql.startswith("ALTER")]
    assert altered == [
        "ADD CONSTRAINT tenantkit_users_org_id_is_set CHECK (org_id IS NOT NULL) NOT VALID",
        "VALIDATE CONSTRAINT tenantkit_users_org_id_is_set",
        "ALTER COLUMN org_id SET NOT NULL",
        "DROP CONSTRAINT IF EXISTS tenantkit_users_org_id_is_set",
    ]


def test_rows_without_a_tenant_stop_it_and_it_goes_on_after(owner, migrate):
    """NULLs are told with what to do; when they are filled, the same migration finishes."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE users SET org_id = NULL WHERE id = 5"))
    with pytest.raises(ConfigurationError, match="users has rows with NULL"):
        migrate(lambda op: op.set_not_null_online("users", "org_id"))
    assert checks(owner, "users") == ["tenantkit_users_org_id_is_set"]  # new rows are held to it already
    with owner.begin() as connection:
        connection.execute(text("UPDATE users SET org_id = 1 WHERE id = 5"))
    migrate(lambda op: op.set_not_null_online("users", "org_id"))
    assert columns(owner, "users")["org_id"] is False
    assert checks(owner, "users") == []


def test_not_null_that_was_cut_off_can_be_taken_back(owner, migrate):
    """The reversal also removes the CHECK of a run that did not come to its end."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE users SET org_id = NULL"))
    with pytest.raises(ConfigurationError):
        migrate(lambda op: op.set_not_null_online("users", "org_id"))
    migrate(lambda op: op.drop_not_null_online("users", "org_id"))
    assert checks(owner, "users") == []


def test_index_comes_and_goes(owner, migrate):
    """An index is created CONCURRENTLY and dropped; again is no error."""
    twice(migrate, lambda op: op.create_index_online("users_org", "users", ["org_id", "id"]))
    (index,) = inspect(owner).get_indexes("users")
    assert (index["name"], index["column_names"]) == ("users_org", ["org_id", "id"])
    twice(migrate, lambda op: op.drop_index_online("users_org", "users"))
    assert inspect(owner).get_indexes("users") == []


def test_index_that_a_run_left_invalid_is_made_anew(owner, migrate):
    """What a failed CREATE INDEX CONCURRENTLY leaves behind is dropped before the next one."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE users SET id = id"))
    with pytest.raises(ConfigurationError, match="equal where they are to be unique"):
        migrate(lambda op: op.create_unique_online("users_key", "users", ["org_id"]))
    valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('users_key')")
    with owner.connect() as connection:
        assert connection.scalar(valid) is False
    with owner.begin() as connection:
        connection.execute(text("UPDATE users SET org_id = id"))
    twice(migrate, lambda op: op.create_unique_online("users_key", "users", ["org_id"]))
    with owner.connect() as connection:
        assert connection.scalar(valid) is True
    assert [one["name"] for one in inspect(owner).get_unique_constraints("users")] == ["users_key"]
    twice(migrate, lambda op: op.drop_constraint_online("users_key", "users"))
    assert inspect(owner).get_unique_constraints("users") == []


def test_foreign_key_that_carries_the_tenant_comes_and_goes(owner, migrate):
    """A composite key is added NOT VALID and validated, refuses what it must, and can be dropped."""

    def keyed(op):
        op.add_column_online("notes", Column("org_id", Integer))
        op.create_unique_online("users_key", "users", ["org_id", "id"])
        op.create_foreign_key_online(
            "notes_user", "notes", "users", ["org_id", "user_id"], ["org_id", "id"], ondelete="CASCADE"
        )

    twice(migrate, keyed)
    (key,) = inspect(owner).get_foreign_keys("notes")
    assert (key["constrained_columns"], key["referred_columns"]) == (["org_id", "user_id"], ["org_id", "id"])
    assert key["options"]["ondelete"] == "CASCADE"
    with owner.connect() as connection:
        validated = "SELECT convalidated FROM pg_constraint WHERE conname = 'notes_user'"
        assert connection.scalar(text(validated)) is True
        with pytest.raises(DBAPIError):
            connection.execute(text("UPDATE notes SET org_id = 2"))
    twice(migrate, lambda op: op.drop_constraint_online("notes_user", "notes"))
    assert inspect(owner).get_foreign_keys("notes") == []


def test_rows_that_point_elsewhere_are_told(owner, migrate):
    """A row that the new key would refuse stops the validation, with what to do."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE notes SET user_id = 1000 WHERE id = 1"))
    with pytest.raises(
        ConfigurationError, match=r"point to none, or to another tenant's.*\(user_id\)=\(1000\)"
    ):
        migrate(lambda op: op.create_foreign_key_online("k", "notes", "users", ["user_id"], ["id"]))


def test_policies_come_and_go_at_once(owner, migrate):
    """A table's policies are made and forced in one step, so it never shows nothing or everything."""
    metadata = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("org_id", Integer)
    Table("users", metadata, *columns, info=scoped_by("org_id"))
    (declared,) = Policies(metadata).tables
    stored = text(
        "SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) "
        "FROM pg_class c WHERE oid = 'users'::regclass"
    )
    twice(migrate, lambda op: op.create_policies_online("users", declared.policies))
    with owner.connect() as connection:
        assert connection.execute(stored).one() == (True, True, 2)
    twice(migrate, lambda op: op.drop_policies_online("users", declared.policies))
    with owner.connect() as connection:
        assert connection.execute(stored).one() == (False, False, 0)


def test_names_are_spelled_to_the_letter(owner, migrate):
    """Quotes, colons and percent signs in names are neither parameters nor formats."""

    def change(op):
        op.add_column_online(NAME, Column("o%s:x", String(5)), schema="s:1")
        op.create_index_online("i%s:x", NAME, ["o%s:x"], schema="s:1")
        op.enable_row_security(NAME, schema="s:1")

    migrate(change)
    assert columns(owner, NAME, "s:1") == {"id": False, "o%s:x": True}
    assert [one["name"] for one in inspect(owner).get_indexes(NAME, "s:1")] == ["i%s:x"]


def test_lock_is_waited_for_shortly_and_often(owner, migrate, monkeypatch):
    """While somebody holds the table an attempt gives up soon; when it is free the step is done."""
    waited = []
    with owner.connect() as other:
        other.execute(text("LOCK TABLE notes IN ACCESS SHARE MODE"))

        def pause(seconds):
            waited.append(seconds)
            with owner.begin() as reader:  # nobody queues behind an attempt that is over
                reader.execute(text("SET LOCAL lock_timeout = '1s'"))
                reader.execute(text("SELECT count(*) FROM notes"))
            if len(waited) == 2:
                other.rollback()

        monkeypatch.setattr(running, "sleep", pause)
        migrate(lambda op: op.add_column_online("notes", Column("org_id", Integer), patience=SHORT))
    assert waited == [0.25, 0.25]
    assert "org_id" in columns(owner, "notes")


def test_lock_that_is_never_free_names_its_holder(owner, migrate, monkeypatch):
    """After the last attempt the error says who holds the table, since when and with what; nothing is half done."""
    monkeypatch.setattr(running, "sleep", lambda seconds: None)
    with owner.connect() as other:
        other.execute(text("SELECT count(*) FROM notes"))
        with pytest.raises(LockNotGranted) as raised:
            migrate(lambda op: op.add_column_online("notes", Column("org_id", Integer), patience=SHORT))
    assert "3 attempts of 0.05 s" in raised.value.message
    assert "idle in transaction" in raised.value.message
    assert "SELECT count(*) FROM notes" in raised.value.message
    assert "org_id" not in columns(owner, "notes")


def test_other_errors_are_not_retried(migrate, monkeypatch):
    """Only a lock is worth waiting for."""
    monkeypatch.setattr(running, "sleep", lambda seconds: pytest.fail("waited"))
    with pytest.raises(DBAPIError, match="does not exist"):
        migrate(lambda op: op.set_not_null_online("nowhere", "org_id"))


def test_sql_for_a_dba(owner):
    """Offline, the steps are printed with their lock timeouts, and nothing runs."""
    out = StringIO()
    opts = {"as_sql": True, "output_buffer": out, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=opts)
    with context.begin_transaction(), Operations.context(context) as op:
        op.set_not_null_online("users", "org_id")
        op.create_index_online("users_org", "users", ["org_id"])
    printed = out.getvalue()
    assert "SET LOCAL lock_timeout = 2000;" in printed
    assert "VALIDATE CONSTRAINT tenantkit_users_org_id_is_set;" in printed
    assert "CREATE INDEX CONCURRENTLY users_org ON users (org_id);" in printed
    assert columns(owner, "users")["org_id"] is True


def test_other_databases_are_refused_by_name():
    """SQLite has no such ways; the error says what to use."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context) as op, pytest.raises(ConfigurationError, match="is sqlite"):
            op.drop_column_online("users", "org_id")
    engine.dispose()


@pytest.mark.parametrize("wrong", [{"lock_timeout": 0}, {"attempts": 0}, {"pause": -1}])
def test_patience_that_is_none_is_refused(wrong):
    """A timeout of 0 s would wait for ever."""
    with pytest.raises(ConfigurationError):
        Patience(**wrong)
