"""Column types that mean the same on every database."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tenantkit.exceptions import ConfigurationError
from tenantkit.quotas import QuotaTables
from tenantkit.sql.types import Document, UtcDateTime, tenant_id_type
from tenantkit.sql.upsert import insert_if_absent

LITE, POSTGRES = sqlite.dialect(), postgresql.dialect()
moments = st.datetimes(
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 1, 1),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(moments, st.sampled_from([LITE, POSTGRES]))
def test_a_moment_comes_back_in_utc(moment, dialect):
    """A moment of any zone comes back as the same moment in UTC, on databases with and without zones."""
    kind = UtcDateTime()
    found = kind.process_result_value(kind.process_bind_param(moment, dialect), dialect)
    assert (moment, UTC) == (found, found.tzinfo)


def test_sqlite_gets_no_zone():
    """SQLite, which stores no zone, is given the bare moment of UTC."""
    moment = datetime(2026, 3, 14, 13, tzinfo=timezone(timedelta(hours=1)))
    assert datetime(2026, 3, 14, 12) == UtcDateTime().process_bind_param(moment, LITE)


@pytest.mark.parametrize("dialect", [LITE, POSTGRES], ids=["sqlite", "postgresql"])
def test_no_moment_stays_none(dialect):
    """NULL is no moment in both directions."""
    assert UtcDateTime().process_bind_param(None, dialect) is None
    assert UtcDateTime().process_result_value(None, dialect) is None


def test_a_naive_moment_is_refused():
    """A moment without a zone is refused, with what to write instead."""
    with pytest.raises(ConfigurationError, match=r"has no time zone. Use datetime.now\(UTC\)"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 14), POSTGRES)


@pytest.mark.parametrize(("name", "expected"), [("uuid", UUID), ("int", int), ("str", str)])
def test_the_types_of_tenant_ids(name, expected):
    """The setting names the Python type of tenant ids."""
    assert expected is tenant_id_type(name).python_type


def test_documents_are_jsonb_where_there_is_jsonb():
    """Details are JSONB on PostgreSQL and JSON elsewhere."""
    assert ("JSONB", "JSON") == (Document.compile(dialect=POSTGRES), Document.compile(dialect=LITE))


@pytest.mark.parametrize("dialect", [LITE, POSTGRES], ids=["sqlite", "postgresql"])
def test_inserting_unless_it_is_there(dialect):
    """On both databases an INSERT does nothing where the row exists."""
    from sqlalchemy import MetaData

    table = QuotaTables.define(MetaData(), tenant_id_type("int")).counters
    statement = insert_if_absent(dialect.name, table, {"tenant_id": 1, "meter": "m", "used": 0})
    assert str(statement.compile(dialect=dialect)).endswith("ON CONFLICT DO NOTHING")


def test_other_databases_are_refused():
    """The kit's tables live on two databases; another one is refused by its name."""
    with pytest.raises(ConfigurationError, match="not on mysql"):
        insert_if_absent(mysql.dialect().name, None, {})
