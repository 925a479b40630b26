"""What the directory answered a moment ago."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tenantkit import Tenant, new_id
from tenantkit.directory import CachedLookup, DirectoryCache, Lifetimes, Membership, NotCached
from tenantkit.exceptions import ConfigurationError
from tests.unit.clocks import FixedClock

ACME = Tenant(new_id(), "acme")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Asked:
    """A directory of one tenant and one member, that notes what it is asked; on any session."""

    def __init__(self):
        self.questions = []

    def __call__(self, _session):
        return self

    def by_slug(self, slug):
        self.questions.append(slug)
        return ACME if slug == "acme" else None

    def by_id(self, tenant_id):
        self.questions.append(tenant_id)
        return ACME if tenant_id == str(ACME.id) else None

    def membership(self, tenant, user_id):
        self.questions.append((tenant.slug, user_id))
        return Membership(tenant.id, user_id, frozenset({"reader"})) if user_id == "ann" else None


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock(NOW)


@pytest.fixture
def cache(clock):
    """A cache of 10 seconds, 1 for what was not found, and 3 answers, which nobody tells of changes."""
    return DirectoryCache(clock, Lifetimes(untold=10, missing=1), size=3)


@pytest.fixture
def directory():
    """A directory that notes what it is asked."""
    return Asked()


@pytest.fixture
def ask(directory, cache):
    """Return a look-up as a request makes one."""
    return lambda: CachedLookup(directory, cache, Session)


def test_what_was_found_is_not_asked_again(ask, directory):
    """Each way to ask has an answer of its own, which further look-ups are given."""
    for _ in range(2):
        assert ACME == ask().by_slug("acme") == ask().by_id(str(ACME.id))
        assert "ann" == ask().membership(ACME, "ann").user_id
    assert ["acme", str(ACME.id), ("acme", "ann")] == directory.questions


def test_what_was_not_found_is_soon_asked_again(ask, directory, clock):
    """A tenant or member that is not there may be the next second."""
    for _ in range(3):
        for _ in range(2):
            assert ask().by_slug("bolt") is None
            assert ask().membership(ACME, "bob") is None
        clock.move(1)
    assert ["bolt", ("acme", "bob")] * 3 == directory.questions


def test_strangers_push_out_no_answers(ask, directory, cache):
    """However many names are made up, what was found stays, and little is kept of them."""
    ask().by_slug("acme")
    for number in range(1200):
        ask().by_slug(f"made-up-{number}")
    ask().by_slug("acme")
    assert 1 == directory.questions.count("acme")
    assert ([False] * 200, [True] * 1000) == (
        [cache.is_missing(("slug", f"made-up-{number}")) for number in range(200)],
        [cache.is_missing(("slug", f"made-up-{number}")) for number in range(200, 1200)],
    )


@pytest.mark.parametrize(
    ("is_told", "seconds", "known"),
    [
        (False, 9, [True, True]),
        (False, 10, [False, False]),
        (True, 19, [True, True]),
        (True, 20, [True, False]),
        (True, 29, [True, False]),
        (True, 30, [False, False]),
    ],
)
def test_while_changes_are_told_each_kind_has_its_time(clock, is_told, seconds, known):
    """Tenants and memberships are good for longer then; from the moment on when nobody does, for the shorter time."""
    told = [True]
    cache = DirectoryCache(clock, Lifetimes(untold=10, tenant=30, member=20), is_told=lambda: told[0])
    cache.remember("tenant", ACME, changes=0)
    cache.remember("member", Membership(ACME.id, "ann", frozenset()), changes=0)
    told[0] = is_told
    clock.move(seconds)
    assert known == [cache.recall(key) is not None for key in ("tenant", "member")]


def test_a_change_is_one_tenants(clock):
    """What is known about others stays; whatever was not found may be there now."""
    told = []
    cache = DirectoryCache(clock, tell=told.append)
    bolt = Tenant(new_id(), "bolt")
    for key, found in ((1, ACME), (2, Membership(ACME.id, "ann", frozenset())), (3, bolt), (4, None)):
        cache.remember(key, found, changes=0)
    cache.announce(ACME.id)
    assert [None, None, bolt] == [cache.recall(key) for key in (1, 2, 3)]
    assert (False, [frozenset({str(ACME.id)})]) == (cache.is_missing(4), told)


@pytest.mark.parametrize(
    ("seconds", "questions"), [(0, 1), (9.9, 1), (10, 2), (-1, 2)], ids=["at once", "late", "over", "before"]
)
def test_an_answer_has_its_time(ask, directory, clock, seconds, questions):
    """It is good for its lifetime, and not where the clock was set back."""
    ask().by_slug("acme")
    clock.moment = NOW + timedelta(seconds=seconds)
    ask().by_slug("acme")
    assert questions == len(directory.questions)


def test_the_least_recently_asked_is_forgotten(ask, directory, cache):
    """There are no more answers than its size, and the ones in use stay."""
    for name in ("acme", "1", "acme", "2", "acme", "3", "acme"):
        ask().by_slug("acme") if name == "acme" else cache.remember(name, ACME, changes=cache.changes)
    assert (["acme"], 3) == (directory.questions, len(cache))
    assert [None, ACME, ACME] == [cache.recall(name) for name in ("1", "2", "3")]


def test_without_a_session_only_the_cache_answers(directory, cache, ask):
    """What it does not know is refused by name, and nothing is asked."""
    with pytest.raises(NotCached):
        CachedLookup(directory, cache).by_slug("acme")
    assert [] == directory.questions
    ask().by_slug("acme")
    assert ACME == CachedLookup(directory, cache).by_slug("acme")


def test_one_session_for_one_look_up(directory, cache):
    """It is opened at the first answer that is not known, once, and not where all are."""
    opened = []
    for _ in range(2):
        lookup = CachedLookup(directory, cache, lambda: opened.append(Session()) or opened[-1])
        lookup.by_slug("acme")
        lookup.membership(ACME, "ann")
    assert 1 == len(opened)


def test_an_answer_from_before_a_change_is_not_kept(directory, cache, ask):
    """Who began to ask before the cache was emptied may have been told what was there before."""
    early = ask()
    cache.clear()
    early.by_slug("acme")
    assert 0 == len(cache)
    ask().by_slug("acme")
    assert 1 == len(cache)


@pytest.mark.parametrize("ending", ["commit", "rollback", "close"])
def test_it_is_emptied_when_the_transaction_ends(cache, ending):
    """However the transaction ends that changed the directory; a savepoint's end is none."""
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        session.connection()
        cache.forget_after(session, ACME.id)
        with session.begin_nested():
            cache.remember("a", ACME, changes=cache.changes)
        assert 1 == len(cache)
        getattr(session, ending)()
        assert 0 == len(cache)
    engine.dispose()


def test_a_lifetime_of_nothing_remembers_nothing(directory, clock):
    """Such a cache asks at each request."""
    cache = DirectoryCache(clock, Lifetimes(untold=0), is_told=lambda: True)
    for _ in range(2):
        CachedLookup(directory, cache, Session).by_slug("acme")
    assert (2, 0) == (len(directory.questions), len(cache))


@pytest.mark.parametrize(
    "options",
    [
        {"tenant": -1},
        {"untold": float("nan")},
        {"missing": float("inf")},
        {"size": -1},
        {"size": True},
        {"size": 1.5},
    ],
    ids=str,
)
def test_bad_options(options):
    """They are refused at the start, by name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        DirectoryCache(SimpleNamespace(), **options) if "size" in options else Lifetimes(**options)
