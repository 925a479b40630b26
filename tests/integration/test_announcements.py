"""What one process changes the others know at once, through a real Redis; and without it they rely on nothing."""

import json
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
import redis

from tenantkit.core.scope import RequestFacts
from tenantkit.directory import DirectoryCache
from tenantkit.exceptions import NotAMember, TenantSuspended, TokenInvalid
from tenantkit.kit import RequestCredentials
from tenantkit.kit.announcements import Announcements
from tenantkit.testing.services import find_redis, redis_programs, start_redis
from tests.integration.office import PATIENCE, listening, make_kit, sign_up
from tests.unit.clocks import FixedClock


@pytest.fixture(scope="module")
def redis_server():
    """Give a Redis server."""
    with find_redis() as found:
        yield found


@pytest.fixture
def private_redis():
    """Give a Redis server of the test's own, which may be paused."""
    with start_redis(next(iter(redis_programs()))) as found:
        yield found


class Notes:
    """What an Announcements did with what it heard."""

    def __init__(self):
        self.heard, self.missed = [], 0
        self._changed = threading.Condition()

    def note(self, subjects):
        with self._changed:
            self.heard.append(subjects)
            self._changed.notify_all()

    def miss(self):
        with self._changed:
            self.missed += 1
            self._changed.notify_all()

    def soon(self, is_so):
        """Whether something holds of the notes before patience is over."""
        with self._changed:
            return self._changed.wait_for(lambda: is_so(self), PATIENCE)


class Seconds:
    """Seconds that stand still until a test moves them."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


CHANNEL = f"office-{uuid4().hex}:changes"  # all databases of a server have the same channels


@contextmanager
def party(url, seconds=None, name="party"):
    """Give one process' end of the channel, which listens, and its notes."""
    notes = Notes()
    options = {"monotonic": seconds} if seconds else {}
    with redis.Redis.from_url(url, socket_timeout=2, client_name=name) as client:
        made = Announcements(client, CHANNEL, heard={"rows": notes.note}, missed=notes.miss, **options)
        made.is_heard()
        assert notes.soon(lambda notes: notes.missed == 1)
        try:
            yield made, notes
        finally:
            made.close()


def test_what_one_tells_the_others_hear(redis_server):
    """Each hears what others tell, and not what itself does."""
    with party(redis_server.url) as (one, own), party(redis_server.url) as (_, others):
        one.tell("rows", frozenset({"a", "b"}))
        assert others.soon(lambda notes: notes.heard == [frozenset({"a", "b"})])
        assert [] == own.heard


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[]",
        "{}",
        '{"from": "x", "topic": "new kind", "subjects": ["a"]}',
        '{"from": "x", "topic": "rows", "subjects": []}',
    ],
)
def test_what_nobody_understands_may_be_about_anything(redis_server, message):
    """Such a message is taken for a change of everything, and does not end the listening."""
    with party(redis_server.url) as (one, notes), redis.Redis.from_url(redis_server.url) as client:
        client.publish(CHANNEL, message)
        assert notes.soon(lambda notes: notes.missed == 2)
        client.publish(CHANNEL, json.dumps({"from": "x", "topic": "rows", "subjects": ["a"]}))
        assert notes.soon(lambda notes: notes.heard == [frozenset({"a"})])
        assert one.is_heard()


def test_who_is_cut_off_takes_everything_for_changed(private_redis):
    """Messages of the time without a connection are lost, so whatever is known may be old."""
    with party(private_redis.url) as (one, notes), redis.Redis.from_url(private_redis.url) as client:
        assert 1 == client.client_kill_filter(_type="pubsub")
        assert notes.soon(lambda notes: notes.missed == 2)
        assert 1 == client.publish(CHANNEL, '{"from": "x", "topic": "rows", "subjects": ["a"]}')
        assert notes.soon(lambda notes: notes.heard)
        assert one.is_heard()


def test_silence_is_not_relied_on(redis_server):
    """Three seconds after the last sign of life changes may have been missed, whatever the connection looks like."""
    seconds = Seconds()
    with party(redis_server.url, seconds) as (one, _):
        assert one.is_heard()
        seconds.now += 3
        assert not one.is_heard()


def test_a_server_that_hangs_is_left(private_redis):
    """One that answers nothing is cut off, and what was missed is known to be when it answers again."""
    seconds = Seconds()
    with (
        party(private_redis.url, seconds) as (one, notes),
        redis.Redis.from_url(private_redis.url) as client,
    ):
        client.client_pause(1500, all=True)  # the server's own time: it goes on by itself
        seconds.now += 4
        assert not one.is_heard()
        assert notes.soon(lambda notes: notes.missed == 2)
        assert one.is_heard()


def test_what_could_not_be_told_is_told_later(redis_server, monkeypatch):
    """A change that this process could not reach Redis for is told once it is connected again."""
    monkeypatch.setattr("tenantkit.kit.announcements._PAUSE", 0)
    name, tried = f"one-{uuid4().hex}", threading.Semaphore(0)
    with party(redis_server.url, name=name) as (one, _), party(redis_server.url) as (_, others):

        def away(*_arguments):
            tried.release()
            raise redis.ConnectionError("away")

        one._redis.publish = away
        one.tell("rows", frozenset({"a"}))
        assert all(tried.acquire(timeout=PATIENCE) for _ in range(3))
        assert [] == others.heard
        del one._redis.publish
        with redis.Redis.from_url(redis_server.url) as client:
            (own,) = [found for found in client.client_list(_type="pubsub") if found["name"] == name]
            client.client_kill_filter(_id=own["id"])
        assert others.soon(lambda notes: notes.heard == [frozenset({"a"})])
        assert 1 == others.missed


def test_more_than_many_are_told_as_one(redis_server, monkeypatch):
    """What waits to be told is bounded: then everything changed."""
    monkeypatch.setattr("tenantkit.kit.announcements._MANY", 3)
    with party(redis_server.url) as (one, _), party(redis_server.url) as (_, others):
        one._start_telling = lambda: None
        for number in range(5):
            one.tell("rows", frozenset({str(number)}))
        assert 2 == len(one._untold)
        del one._start_telling
        one.tell("rows", frozenset({"last"}))
        assert others.soon(lambda notes: frozenset({"last"}) in notes.heard)
        assert ([frozenset({"4"}), frozenset({"last"})], 2) == (others.heard, others.missed)


def test_a_program_that_ends_has_told(redis_server):
    """It waits for what is on its way, and for nothing else."""
    program = textwrap.dedent("""
        import sys, redis
        from tenantkit.kit.announcements import Announcements
        client = redis.Redis.from_url(sys.argv[1])
        Announcements(client, sys.argv[2], heard={}, missed=lambda: None).tell("rows", frozenset({"a"}))
    """)
    with party(redis_server.url) as (_, notes):
        subprocess.run(
            [sys.executable, "-c", program, redis_server.url, CHANNEL], check=True, timeout=PATIENCE
        )
        assert notes.soon(lambda notes: notes.heard == [frozenset({"a"})])


def test_who_is_unsubscribed_by_somebody_else_knows(redis_server):
    """A subscription that ended without its own doing is begun again, and everything is taken for changed."""
    with party(redis_server.url) as (one, notes):
        one._subscription.unsubscribe()
        assert notes.soon(lambda notes: notes.missed == 2)


def test_what_could_not_be_told_is_told_without_a_new_connection(redis_server, monkeypatch):
    """Redis may have refused to be written to for a while, with every connection left open."""
    monkeypatch.setattr("tenantkit.kit.announcements._PAUSE", 0)
    tried, may = threading.Semaphore(0), threading.Event()
    with party(redis_server.url) as (one, own), party(redis_server.url) as (_, others):
        publish = one._redis.publish

        def refused(*arguments):
            tried.release()
            if may.is_set():
                return publish(*arguments)
            raise redis.ReadOnlyError("not now")

        one._redis.publish = refused
        one.tell("rows", frozenset({"a"}))
        assert all(tried.acquire(timeout=PATIENCE) for _ in range(3))
        may.set()
        assert others.soon(lambda notes: notes.heard == [frozenset({"a"})])
        assert (1, 1) == (own.missed, others.missed)


def test_who_only_tells_tells_later_too(redis_server, monkeypatch):
    """A process that never asks whether it hears anything begins to listen when it could not tell."""
    monkeypatch.setattr("tenantkit.kit.announcements._PAUSE", 0)
    tried = threading.Semaphore(0)
    with party(redis_server.url) as (_, others), redis.Redis.from_url(redis_server.url) as client:
        one = Announcements(client, CHANNEL, heard={}, missed=lambda: None)
        publish = client.publish

        def away_at_first(*arguments):
            tried.release()
            if one._listener is None:
                raise redis.ConnectionError("away")
            return publish(*arguments)

        client.publish = away_at_first
        one.tell("rows", frozenset({"a"}))
        assert others.soon(lambda notes: notes.heard == [frozenset({"a"})])
        one.close()


def test_where_no_thread_can_begin(redis_server, monkeypatch, caplog):
    """Nothing is relied on, nothing is lost that can be told later, and nobody's commit fails."""
    with party(redis_server.url) as (_, others), redis.Redis.from_url(redis_server.url) as client:
        one = Announcements(client, CHANNEL, heard={}, missed=lambda: None)

        def refuse(_thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert not one.is_heard()
            one.tell("rows", frozenset({"a"}))
        one.tell("rows", frozenset({"b"}))
        assert others.soon(lambda notes: notes.heard == [frozenset({"a"}), frozenset({"b"})])
        one.close()


def test_whoever_is_collected_may_tell():
    """An object's end may come in the middle of whatever its thread does, and may have something to tell."""
    one = Announcements(None, CHANNEL, heard={}, missed=lambda: None)
    cache = DirectoryCache(FixedClock())

    def twice():
        with one._lock, cache._lock:
            one._listener = one._teller = threading.current_thread()
            one.tell("rows")
            cache.forget("a")

    thread = threading.Thread(target=twice, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


FORKED = """
import os, sys, threading, redis
from tenantkit.kit.announcements import Announcements
url, channel = sys.argv[1:]
heard, began = threading.Semaphore(0), threading.Semaphore(0)
one = Announcements(
    redis.Redis.from_url(url, socket_timeout=2), channel,
    heard={"rows": lambda subjects: (subjects == {"a"} and heard.release())}, missed=began.release,
)

def hearing():
    one.is_heard()
    return began.acquire(timeout=20)

assert hearing()  # in the process that will be forked
ready, done = os.pipe(), os.pipe()
listening = os.fork()
if not listening:
    os.write(ready[1], b"y" if hearing() else b"n")
    os._exit(0 if heard.acquire(timeout=20) else 1)
closing = os.fork()
if not closing:  # what pools are told to do after a fork
    one.close()
    os._exit(0)
assert os.waitpid(closing, 0)[1] == 0
assert os.read(ready[0], 1) == b"y"
telling = os.fork()
if not telling:
    one.tell("rows", frozenset({"a"}))
    while one._teller is not None:
        one._teller.join(0.1)
    os._exit(0)
assert os.waitpid(telling, 0)[1] == 0
print(os.waitpid(listening, 0)[1], heard.acquire(timeout=20))
one.close()
"""


def test_processes_that_are_forked_are_others(redis_server):
    """Each hears its siblings, and neither it nor its end leaves the one that it was forked from deaf."""
    command = [sys.executable, "-c", FORKED, redis_server.url, f"forked-{uuid4().hex}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=3 * PATIENCE)
    assert ("0 True\n", 0) == (done.stdout, done.returncode), done.stderr


# what a kit does with it -----------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kits(database, redis_server, clock):
    """Give the kits of two processes, which know of each other by Redis alone."""
    place = {"redis_url": redis_server.url, "redis_prefix": f"office-{uuid4().hex}"}
    made = [make_kit(database, clock=clock, directory_cache_lifetime=10, **place) for _ in range(2)]
    yield made
    for kit in made:
        kit.dispose()


def request_to(kit, tenant, user="writer"):
    """Return what a request of a user says of itself."""
    return RequestCredentials("acme.localhost", kit.tokens.issue(user, tenant), RequestFacts())


def test_another_process_sees_a_change_at_once(kits, clock):
    """A suspended tenant, a member who was removed and a new one: told, though answers are good for minutes."""
    kit, other = kits
    is_told = listening(other)
    acme = sign_up(kit, "acme")
    assert is_told()
    assert "writer" == other.identify(request_to(kit, acme)).actor.id
    clock.move(250)
    assert (
        "writer" == other.recall(request_to(kit, acme)).actor.id
    )  # long after the lifetime of what is untold
    with pytest.raises(NotAMember):
        other.identify(request_to(kit, acme, "guest"))
    with kit.unscoped_session(reason="change", actor="test") as session:
        kit.directory.remove_member(session, acme, "writer")
        kit.directory.add_member(session, acme, "guest", ["reader"])
        session.commit()
    assert is_told()
    with pytest.raises(NotAMember):
        other.identify(request_to(kit, acme))
    assert "guest" == other.identify(request_to(kit, acme, "guest")).actor.id
    with kit.unscoped_session(reason="change", actor="test") as session:
        kit.directory.change_status(session, acme, "suspended")
        session.commit()
    assert is_told()
    with pytest.raises(TenantSuspended):
        other.identify(request_to(kit, acme, "guest"))


def test_without_redis_the_shorter_lifetime_holds(kits, clock):
    """Once nothing is heard, an answer is good for no longer than where nobody tells."""
    kit, other = kits
    is_told = listening(other)
    acme = sign_up(kit, "acme")
    assert is_told()
    other.identify(request_to(kit, acme))
    clock.move(20)
    assert other.recall(request_to(kit, acme)) is not None
    other.announcements.close()
    assert other.recall(request_to(kit, acme)) is None


def test_a_login_that_ended_is_known_at_once(kits, clock):
    """Its access token is refused by another process without waiting for the lag."""
    kit, other = kits
    acme = sign_up(kit, "acme")
    pair = kit.logins.sign_in("writer", acme)
    request = RequestCredentials("acme.localhost", pair.access_token, RequestFacts())
    told = threading.Event()
    forget = other.logins.revoked.forget
    listening(other)
    other.identify(request)
    other.logins.revoked.forget = lambda: (forget(), told.set())
    assert kit.logins.sign_out("writer", pair.login_id)
    assert told.wait(PATIENCE)
    with pytest.raises(TokenInvalid):
        other.identify(request)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_process_of_its_own(database, redis_server):
    """A real process that has the tenant in memory refuses it after the change, and its clock does not move."""
    prefix = f"office-{uuid4().hex}"
    kit = make_kit(database, redis_url=redis_server.url, redis_prefix=prefix)
    try:
        acme = sign_up(kit, "acme")
        program = textwrap.dedent("""
            import sys
            from tests.integration.office import Place, make_kit
            from tests.integration.test_announcements import listening
            from tenantkit.core.scope import RequestFacts
            from tenantkit.exceptions import TenantSuspended
            from tenantkit.kit import RequestCredentials
            url, owner, redis_url, prefix, token = sys.argv[1:]
            kit = make_kit(Place("postgresql", url, owner), redis_url=redis_url, redis_prefix=prefix)
            request = RequestCredentials("acme.localhost", token, RequestFacts())
            is_told = listening(kit)
            kit.identify(request)
            print("served", flush=True)
            assert is_told()
            try:
                kit.identify(request)
            except TenantSuspended:
                print("refused", flush=True)
            kit.dispose()
        """)
        token = kit.tokens.issue("writer", acme)
        urls = [database.url, database.owner_url, redis_server.url]
        command = [sys.executable, "-c", program, *urls, prefix, token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert "served" == process.stdout.readline().strip()
            with kit.unscoped_session(reason="change", actor="test") as session:
                kit.directory.change_status(session, acme, "suspended")
                session.commit()
            assert ["refused"] == process.stdout.read().split()
        assert 0 == process.returncode
    finally:
        kit.dispose()
