"""Requests that are identified by the directory, or by what it answered a moment ago."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import NotAMember, TenantMoved, TenantSuspended, TokenInvalid
from tenantkit.kit import RequestCredentials, Trust
from tenantkit.resolution import Host, first
from tests.integration.office import make_kit, sign_up
from tests.unit.clocks import FixedClock

LIFETIME = 30


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give the kit of one process."""
    kit = make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME)
    yield kit
    kit.dispose()


@pytest.fixture
def other(kit, database, clock):
    """Give the kit of another process."""
    other = make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME)
    yield other
    other.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant with a writer and a reader."""
    return sign_up(kit, "acme")


@pytest.fixture
def request_of(kit, acme):
    """Return what a request of a user says of itself, to the tenant's host."""
    return lambda user="writer": RequestCredentials(
        host="acme.localhost", token=kit.tokens.issue(user, acme), facts=RequestFacts()
    )


@contextmanager
def statements(kit):
    """Collect the statements of a kit's owner."""
    told = []

    def note(_connection, _cursor, statement, *_further):
        told.append(statement)

    event.listen(kit.owner_engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(kit.owner_engine, "before_cursor_execute", note)


def suspend(kit, tenant, status="suspended"):
    """Suspend a tenant, or serve it again, through the directory."""
    with kit.unscoped_session(reason="bill", actor="test") as session:
        kit.directory.change_status(session, tenant, status)
        session.commit()


def test_the_second_request_costs_no_statement(kit, request_of):
    """Two sources, the tenant's rules and a membership, once for each user; the tenant is known to the next."""
    counts = []
    for user in ("writer", "writer", "reader", "reader"):
        with statements(kit) as told:
            scope = kit.identify(request_of(user))
        counts.append(len(told))
        assert (("acme", user), {user}) == ((scope.tenant.slug, scope.actor.id), scope.roles)
    assert [4, 0, 1, 0] == counts


def test_what_can_be_told_without_waiting(kit, request_of):
    """A request that was not seen is not told; one that was is the same scope as a look-up gives, but its own."""
    assert kit.recall(request_of()) is None
    scope = kit.identify(request_of())
    with statements(kit) as told:
        recalled = kit.recall(request_of())
    assert ([], scope) == (told, recalled)
    assert recalled is not scope
    assert recalled.held is not scope.held


def test_refusals_need_no_look_up(kit, request_of):
    """What the token alone decides is decided at once."""
    with statements(kit) as told, pytest.raises(TokenInvalid):
        kit.recall(RequestCredentials(host="acme.localhost", token="a.b.c", facts=RequestFacts()))
    assert [] == told


def test_who_was_no_member_is_served_once_he_is(kit, request_of, acme):
    """Whoever becomes a member is served at the next request, though it was known a moment ago that he is none."""
    for _ in range(2):
        with pytest.raises(NotAMember):
            kit.identify(request_of("guest"))
    with kit.unscoped_session(reason="invite", actor="test") as session:
        kit.directory.add_member(session, acme, "guest", ["reader"])
        session.commit()
    assert "guest" == kit.identify(request_of("guest")).actor.id


def test_a_change_is_seen_by_its_own_process_at_once(kit, request_of, acme):
    """A tenant that was suspended is refused from the commit on, and served from the next on."""
    kit.identify(request_of())
    suspend(kit, acme)
    with pytest.raises(TenantSuspended):
        kit.identify(request_of())
    suspend(kit, acme, "active")
    assert acme == kit.identify(request_of()).tenant


def test_a_change_is_seen_by_others_when_the_lifetime_is_over(kit, other, request_of, acme, clock):
    """Another process serves a suspended tenant for no longer than the setting says."""
    other.identify(request_of())
    suspend(kit, acme)
    clock.move(LIFETIME - 1)
    assert acme == other.identify(request_of()).tenant
    clock.move(1)
    with pytest.raises(TenantSuspended):
        other.identify(request_of())


def test_a_change_that_was_not_committed_is_none(kit, request_of, acme):
    """Rolled back, it leaves the tenant served."""
    kit.identify(request_of())
    with kit.unscoped_session(reason="bill", actor="test") as session:
        kit.directory.change_status(session, acme, "suspended")
        session.rollback()
    assert acme == kit.identify(request_of()).tenant


def test_a_look_up_that_a_change_overtook_is_not_remembered(kit, request_of, acme):
    """Who read the tenant before a commit and comes to remember it afterwards does not bring it back."""
    read, changed = threading.Event(), threading.Event()
    find = kit.directory.by_id

    def slowly(*arguments):
        found = find(*arguments)
        read.set()
        changed.wait()
        return found

    kit.directory.by_id = slowly
    request = threading.Thread(target=kit.identify, args=[request_of()])
    request.start()
    read.wait()
    kit.directory.by_id = find
    suspend(kit, acme)
    changed.set()
    request.join()
    with pytest.raises(TenantSuspended):
        kit.identify(request_of())


def test_where_tokens_can_be_revoked_nothing_is_recalled(kit, database, clock, request_of):
    """The function that knows may wait, so an event loop does not ask it; `identify` does, at each request."""
    asked = []
    kit = make_kit(database, clock=clock, trust=Trust(is_revoked=lambda token: asked.append(token.user_id)))
    kit.identify(request_of())
    assert kit.recall(request_of()) is None
    kit.identify(request_of())
    assert ["writer", "writer"] == asked
    kit.dispose()


def test_without_a_cache_each_request_asks(database, clock):
    """A lifetime of 0 looks up at each request."""
    kit = make_kit(database, clock=clock, directory_cache_lifetime=0)
    acme = sign_up(kit, "acme")
    request = RequestCredentials("acme.localhost", kit.tokens.issue("writer", acme), RequestFacts())
    for _ in range(2):
        with statements(kit) as told:
            kit.identify(request)
        assert 4 == len(told)
    assert kit.recall(request) is None
    kit.dispose()


def renamed(kit, tenant, slug):
    """Give a tenant another slug, and return it."""
    with kit.unscoped_session(reason="rename", actor="test") as session:
        changed = kit.directory.rename(session, tenant, slug=slug)
        session.commit()
    return changed


def at(host, kit, user="writer"):
    """Return what a request to a host says of itself, by a token that names no tenant."""
    return RequestCredentials(host, kit.tokens.issue(user), RequestFacts())


@pytest.fixture
def by_host(kit, other):
    """Let the host alone name the tenant, in both processes."""
    kit.resolve = other.resolve = first(Host("{tenant}.localhost"))


def test_who_may_not_enter_learns_no_new_name(kit, acme, by_host):
    """A stranger at a host of before is told that he is none of its members, and not where it has gone."""
    renamed(kit, acme, "secret")
    with pytest.raises(NotAMember) as caught:
        kit.identify(at("acme.localhost", kit, "stranger"))
    assert "secret" not in caught.value.message
    with pytest.raises(TenantMoved) as moved:
        kit.identify(at("acme.localhost", kit))
    assert "//secret.localhost/" == moved.value.location


def test_nobody_is_sent_in_a_circle(kit, other, acme, by_host):
    """A process that remembers a name of before looks again before it sends anybody there."""
    moved = renamed(kit, acme, "second")
    other.identify(at("second.localhost", kit))
    with pytest.raises(TenantMoved):
        other.identify(at("acme.localhost", kit))
    renamed(kit, moved, "acme")  # which the other process does not know yet
    assert "writer" == other.identify(at("acme.localhost", kit)).actor.id
    with pytest.raises(TenantMoved) as caught:
        kit.identify(at("second.localhost", kit))
    assert "//acme.localhost/" == caught.value.location


def test_a_redirect_is_not_told_from_memory(kit, acme, by_host):
    """It costs a statement, so an event loop is not asked for it."""
    renamed(kit, acme, "second")
    with pytest.raises(TenantMoved):
        kit.identify(at("acme.localhost", kit))
    assert kit.recall(at("acme.localhost", kit)) is None


def test_a_change_that_is_told_after_the_commit(kit, request_of, acme):
    """Whoever tells late is heard at once, and once more when the next transaction ends."""
    kit.identify(request_of())
    tenants = kit.directory.tables.tenants
    with kit.unscoped_session(reason="bill", actor="test") as session:
        session.execute(tenants.update().where(tenants.c.id == acme.id).values(status="suspended"))
        session.commit()
        assert acme == kit.identify(request_of()).tenant
        kit.directory_changed(session, acme.id)
        with pytest.raises(TenantSuspended):
            kit.identify(request_of())


def test_a_session_of_many_transactions(kit, acme):
    """What is done at the end of each is done once, and nothing is left of it."""
    told = []
    kit.directory_cache._tell = told.append
    with kit.unscoped_session(reason="bill", actor="test") as session:
        for status in ("suspended", "active") * 5:
            kit.directory.change_status(session, acme, status)
            with session.begin_nested():
                kit.directory.change_tenant(session, acme, plan="trial")
            session.commit()
        session.commit()
    assert [frozenset({str(acme.id)})] * 10 == told
