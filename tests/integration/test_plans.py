"""The plans of PostgreSQL over a million rows: the condition of a scope and of a policy finds the index."""

import json

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, create_engine, select, text, update

from tenantkit import Scope, Tenant
from tenantkit.isolation import Policies, ScopedSession, scope_engine, scoped_by
from tests.leaks.places import relaxed

ROWS, TENANTS = 1_000_000, 1_000
metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(20), nullable=False),
    Column("number", Integer, nullable=False),
    Index("notes_owner", "owner", "number"),
    info=scoped_by("owner"),
)
FILL = f"""
    INSERT INTO notes SELECT n, 'tenant ' || n % {TENANTS}, n FROM generate_series(1, {ROWS}) n
"""


@pytest.fixture(scope="module", params=[True, False], ids=["policies", "no policies"])
def engine(request, server):
    """Give a scoped engine over a million rows of a thousand tenants."""
    with server.database() as made:
        owner = relaxed(create_engine(made.owner_url))
        metadata.create_all(owner)
        with owner.begin() as connection:
            connection.execute(text(FILL))
            if request.param:
                Policies(metadata).create_all(connection)
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE notes"))
        scoped = scope_engine(made.app_url, metadata=metadata, policies=request.param)
        yield scoped
        scoped.dispose()
        owner.dispose()


STATEMENTS = {
    "select": select(notes.c.id).where(notes.c.number > 500),
    "order": select(notes.c.id).order_by(notes.c.number).limit(10),
    "update": update(notes).values(number=1),
    "join": select(notes.c.id).join(other := notes.alias(), other.c.number == notes.c.number),
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_the_index_that_begins_with_the_tenant_is_used(engine, statement):
    """No statement of a tenant with a thousand rows reads the table of a million."""
    with ScopedSession(engine, scope=Scope(Tenant("tenant 7", "seven"))) as session:
        compiled = statement.compile(engine)
        parameters = {**compiled.params, "tenantkit_tenant": "tenant 7"}
        raw = session.connection().connection.dbapi_connection
        ((plan,),) = raw.execute(f"EXPLAIN (FORMAT json) {compiled.string}", parameters).fetchall()
    shown = json.dumps(plan)
    assert "Seq Scan" not in shown
    assert '"Index Name": "notes_owner"' in shown
