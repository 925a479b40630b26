"""Behind PgBouncer in transaction mode, where transactions of all tenants share a few connections."""

import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, select

from tenantkit.testing.services import find_pgbouncer
from tests.integration.office import Document, Place, make_kit, sign_up

TRANSACTIONS = int(os.environ.get("TENANTKIT_TEST_POOLER_TRANSACTIONS", "1000"))
PATIENCE = 20  # seconds
WORKERS = 4
SETTINGS = """
[databases]
{name} = host={host} port={port} dbname={name} user={user} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listening}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


def free_port():
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def pooled(server, tmp_path_factory):
    """Give a kit with policies, whose application works through two pooled connections."""
    program = find_pgbouncer()
    if program is None:
        pytest.skip("no PgBouncer here")
    with server.database() as made:
        url, listening = make_url(made.app_url), free_port()
        folder = tmp_path_factory.mktemp("pooler")
        settings = folder / "pgbouncer.ini"
        facts = {"name": url.database, "user": url.username, "password": url.password}
        facts |= {"host": url.host, "port": url.port, "listening": listening}
        settings.write_text(SETTINGS.format(**facts))
        for path in (settings, *settings.parents):
            if path.stat().st_uid == os.geteuid() and str(path) != "/":
                path.chmod(path.stat().st_mode | 0o055)
        other = {"user": "nobody"} if os.geteuid() == 0 else {}  # it does not run as root
        pooler = subprocess.Popen(
            [program, settings], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **other
        )
        try:
            through = url.set(host="127.0.0.1", port=listening)
            answers(through, pooler)
            place = Place("postgresql", through.render_as_string(hide_password=False), made.owner_url, True)
            # PgBouncer before 1.21 knows no prepared statements
            kit = make_kit(place, engine_options={"connect_args": {"prepare_threshold": None}})
            kit.create_tables()
            yield kit
            kit.dispose()
        finally:
            pooler.terminate()
            pooler.communicate()


def answers(url, pooler):
    """Wait until the pooler answers; a pooler that has ended says why."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            engine = create_engine(url)
            with engine.connect():
                break
        except Exception as error:
            if pooler.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(pooler.stderr.read().decode()) from error
            pooler.poll()
        finally:
            engine.dispose()


def test_interleaved_transactions_are_never_mixed(pooled):
    """Thousands of transactions of two tenants, on fewer connections than workers, each see their own rows."""
    tenants = [sign_up(pooled, slug, plan="default") for slug in ("acme", "bolt")]

    def work(tenant):
        with pooled.scope(tenant):
            session = pooled.session()
            session.add(Document(name=tenant.slug))
            session.flush()
            seen = set(session.scalars(select(Document.name)))
            told = session.connection().connection.dbapi_connection
            raw = {name for (name,) in told.execute("SELECT DISTINCT name FROM documents").fetchall()}
            session.rollback()
        return tenant.slug, seen, raw

    with ThreadPoolExecutor(WORKERS) as workers:
        found = list(workers.map(work, islice(cycle(tenants), TRANSACTIONS)))
    assert TRANSACTIONS == len(found)
    assert [] == [(slug, seen, raw) for slug, seen, raw in found if not seen == raw == {slug}]


def test_nothing_is_left_on_the_pooled_connections(pooled):
    """After all that, a connection of the pool that tells nothing sees nothing."""
    engine = create_engine(pooled.engine.url.set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, psycopg.Connection)
        for _ in range(WORKERS):
            assert ("",) == raw.execute("SELECT current_setting('tenantkit.tenant', true)").fetchone()
            assert (0,) == raw.execute("SELECT count(*) FROM documents").fetchone()
            raw.rollback()
    engine.dispose()
