"""Roles that tenants make, and what they grant to single members: kept, counted, told, and bounded."""

import threading
import time
from datetime import timedelta
from functools import reduce
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from tenantkit import Actor
from tenantkit.core.scope import RequestFacts, enter
from tenantkit.exceptions import (
    AlreadyTaken,
    ConfigurationError,
    InvalidValue,
    NotAMember,
    PermissionDenied,
    RoleRequired,
)
from tenantkit.kit import RequestCredentials
from tenantkit.rbac import Authorizer, Change, Matrix, Not, Permission, Role, Rule, owner_of
from tenantkit.testing.services import find_redis
from tests.integration.office import PATIENCE, Document, Hands, listening, make_kit, sign_up
from tests.unit.clocks import FixedClock

pytestmark = pytest.mark.anyio
LIFETIME = 30


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give the kit of one process."""
    kit = make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME, missing_cache_lifetime=0)
    yield kit
    kit.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant with a writer and a reader."""
    return sign_up(kit, "acme")


@pytest.fixture(params=["sync", "async"])
async def hands(request, kit):
    """Give what works with the kit by one kind of session."""
    yield Hands(kit, request.param)
    await kit.adispose()


def identify(kit, tenant, user="reader"):
    """Return the scope of a member's request."""
    token = kit.tokens.issue(user, tenant)
    return kit.identify(RequestCredentials(None, token, RequestFacts(resolved_by=None)))


def may(kit, tenant, permission, user="reader", resource=None):
    """Whether a member may do something in a request."""
    return kit.access.authorizer.check(identify(kit, tenant, user), permission, resource)


async def kept(hands, tenant, name, *arguments, actor="admin", **options):
    """Change rules by a script, and commit."""
    async with hands.scope(tenant, actor=Actor(actor)):
        made = await hands.twin("access", name, *arguments, **options)
        await hands.do("commit")
    return made


async def events(hands, tenant):
    """Return what the trail holds, the oldest first."""
    async with hands.scope(tenant):
        found = await hands.twin("audit", "latest")
    return [(one.action, one.actor, one.target) for one in reversed(found)]


def add_member(kit, tenant, user, roles):
    """Make somebody a member."""
    with kit.unscoped_session(reason="set up", actor="test") as session:
        kit.directory.add_member(session, tenant, user, roles)
        session.commit()


async def test_a_tenant_makes_a_role(hands, kit, acme):
    """A role that a tenant defines counts for its members at once, can be defined anew, and ends."""
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:read"),)))
    add_member(kit, acme, "pat", ["planner"])
    assert [True, False] == [may(kit, acme, one, "pat") for one in ("documents:read", "documents:write")]
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:*"),), description="Plans"))
    assert may(kit, acme, "documents:write", "pat")
    async with hands.scope(acme):
        roles = await hands.twin("access", "roles")
    assert {"planner", "writer", "reader"} == set(roles)
    assert "Plans" == roles["planner"].description
    assert await kept(hands, acme, "remove_role", "planner") is True
    assert await kept(hands, acme, "remove_role", "planner") is False
    assert not may(kit, acme, "documents:read", "pat")


async def test_a_role_is_its_tenants(hands, kit, acme):
    """Another tenant neither has the role, nor sees, changes or ends it, nor can its members hold it."""
    bolt = sign_up(kit, "bolt")
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:*"),)))
    with pytest.raises(ConfigurationError, match="no role 'planner'"):
        add_member(kit, bolt, "pat", ["planner"])
    async with hands.scope(bolt):
        assert {"writer", "reader"} == set(await hands.twin("access", "roles"))
    assert await kept(hands, bolt, "remove_role", "planner") is False
    await kept(hands, bolt, "define_role", Role("planner", (Rule("documents:read"),)))
    add_member(kit, acme, "pat", ["planner"])
    add_member(kit, bolt, "pat", ["planner"])
    assert [True, False] == [may(kit, one, "documents:write", "pat") for one in (acme, bolt)]


async def test_roles_include_roles(hands, kit, acme):
    """A tenant's role can include the application's and its own, never itself; what is included cannot end."""
    await kept(hands, acme, "define_role", Role("helper", includes=("reader",)))
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:write"),), includes=("helper",)))
    add_member(kit, acme, "pat", ["planner"])
    assert may(kit, acme, "documents:read", "pat")
    with pytest.raises(InvalidValue, match="include each other: helper -> planner -> helper"):
        await kept(hands, acme, "define_role", Role("helper", includes=("planner",)))
    with pytest.raises(InvalidValue, match="'planner' includes 'helper'"):
        await kept(hands, acme, "remove_role", "helper")


@pytest.mark.parametrize(
    ("role", "error", "why"),
    [
        (Role("writer", (Rule("documents:read"),)), AlreadyTaken, "the application's own"),
        (Role("planner", (Rule("documents:raed"),)), InvalidValue, "Did you mean 'documents:read'"),
        (Role("planner", includes=("wrter",)), InvalidValue, "Did you mean 'writer'"),
        (Role("planner", side="host"), InvalidValue, "of no other side"),
        (Role(" planner", (Rule("documents:read"),)), InvalidValue, "needs a name"),
        (Role("p" * 101), InvalidValue, "100"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
async def test_roles_that_cannot_be(hands, kit, acme, role, error, why):
    """A role that names what there is not is refused, and nothing of it is kept."""
    with pytest.raises(error, match=why):
        await kept(hands, acme, "define_role", role)
    assert [] == await events(hands, acme)


async def test_a_member_is_granted_something(hands, kit, acme):
    """What is granted counts for one member at once, until it is revoked; what is denied wins over roles."""
    given = await kept(hands, acme, "grant", "reader", "documents:write")
    bolt = sign_up(kit, "bolt")
    assert [True, False] == [may(kit, one, "documents:write") for one in (acme, bolt)]
    denied = await kept(hands, acme, "grant", "writer", Rule("documents:write", "deny"))
    assert not may(kit, acme, "documents:write", "writer")
    assert await kept(hands, acme, "revoke", denied.id) is True
    assert may(kit, acme, "documents:write", "writer")
    assert await kept(hands, acme, "revoke", given.id) is True
    assert await kept(hands, acme, "revoke", given.id) is False
    assert await kept(hands, acme, "revoke", "no id") is False
    assert not may(kit, acme, "documents:write")
    names = [
        ("permission.granted", "admin"),
        ("permission.denied", "admin"),
        *[("permission.revoked", "admin")] * 2,
    ]
    assert names == [one[:2] for one in await events(hands, acme)]


async def test_another_tenants_grant_cannot_be_revoked(hands, kit, acme):
    """Grants are a tenant's own, whoever knows their id."""
    bolt = sign_up(kit, "bolt")
    given = await kept(hands, acme, "grant", "reader", "documents:write")
    assert await kept(hands, bolt, "revoke", given.id) is False
    async with hands.scope(bolt):
        assert [] == await hands.twin("access", "grants")
        assert [] == await hands.twin("access", "history")
    assert may(kit, acme, "documents:write")


async def test_grants_have_their_time(hands, kit, acme, clock):
    """A grant counts from its beginning to its end, by the clock, and whatever is remembered."""
    now = clock.now()
    rule = Rule("documents:write", since=now + timedelta(seconds=5), until=now + timedelta(seconds=10))
    await kept(hands, acme, "grant", "reader", rule)
    found = []
    for _ in range(4):
        found.append(may(kit, acme, "documents:write"))
        clock.move(4)
    assert [False, False, True, False] == found
    async with hands.scope(acme):
        assert [] == await hands.twin("access", "grants", "reader")  # what is over is history
        assert 1 == len(await hands.twin("access", "history"))


async def test_grants_of_one_thing(hands, kit, acme):
    """A grant can be of one resource, which the filter lets through and the general question does not."""
    async with hands.scope(acme):
        await hands.add(*(Document(name=name) for name in ("one", "two")))
        one, two = list(await hands.do("scalars", select(Document).order_by(Document.id)))
        ids = one.id, two.id
        await hands.do("commit")
    await kept(hands, acme, "grant", "reader", Rule("documents:write", resource=f"documents:{ids[0]}"))
    scope = identify(kit, acme)
    asked = kit.access.authorizer
    assert not asked.check(scope, "documents:write")
    assert asked.check_some(scope, "documents:write")
    with kit.entered(scope):
        documents = {one.id: one for one in kit.session().scalars(select(Document))}
        assert {ids[0]} == {one for one in ids if kit.access.check("documents:write", documents[one])}
        shown = kit.session().scalars(kit.access.filter(select(Document.id), "documents:write")).all()
        assert [ids[0]] == shown


async def test_a_filter_stays_in_its_tenant(hands, kit, acme):
    """What a rule lets through is still only the tenant's own."""
    bolt = sign_up(kit, "bolt")
    for tenant in (acme, bolt):
        async with hands.scope(tenant):
            await hands.add(Document(name=tenant.slug))
            await hands.do("commit")
    with kit.entered(identify(kit, acme, "writer")):
        shown = kit.session().scalars(kit.access.filter(select(Document.name), "documents:write")).all()
    assert ["acme"] == shown


async def test_in_a_request_nobody_gives_what_they_lack(hands, kit, acme):
    """A reader can make no role and give no grant that writes, whole or in part; a writer can."""
    for user, is_good in (("reader", False), ("writer", True)):
        for name, *arguments in (
            ("define_role", Role(f"by-{user}", (Rule("documents:write"),))),
            ("define_role", Role(f"through-{user}", includes=("writer",))),
            ("define_role", Role(f"some-{user}", (Rule("documents:write", resource="documents:1"),))),
            ("define_role", Role(f"there-{user}", (Rule("documents:write", workspace="7"),))),
            ("grant", "writer", "documents:write"),
            ("grant", "writer", Rule("documents:write", when=owner_of("name"))),
        ):
            scope = identify(kit, acme, user)
            with enter(scope):
                if is_good:
                    await hands.twin("access", name, *arguments)
                else:
                    with pytest.raises(PermissionDenied, match="'documents:write', which you do not have"):
                        await hands.twin("access", name, *arguments)
                await hands.do("rollback")
            await kit.arelease(scope)


async def test_a_refused_definition_leaves_nothing(hands, kit, acme):
    """What is refused was not written, also where the caller goes on and commits."""
    scope = identify(kit, acme, "reader")
    with enter(scope):
        for name, *arguments in (
            ("define_role", Role("planner", (Rule("documents:write"),))),
            ("grant", "writer", "documents:write"),
        ):
            with pytest.raises(PermissionDenied):
                await hands.twin("access", name, *arguments)
        await hands.do("commit")
    await kit.arelease(scope)
    assert [] == await events(hands, acme)
    async with hands.scope(acme):
        assert [] == await hands.twin("access", "history")


async def test_nobody_ends_their_own_denial(hands, kit, acme):
    """Who is denied something can neither revoke that, nor redefine or remove the role that denies it."""
    barred = Role("barred", (Rule("documents:read"), Rule("documents:write", "deny")))
    await kept(hands, acme, "define_role", barred)
    add_member(kit, acme, "pat", ["writer", "barred"])
    denied = await kept(hands, acme, "grant", "writer", Rule("documents:write", "deny"))
    for user, is_good in (("pat", False), ("writer", False), ("reader", False), ("wim", True)):
        if user == "wim":
            add_member(kit, acme, "wim", ["writer"])
        for name, *arguments in (
            ("revoke", denied.id),
            ("define_role", Role("barred", (Rule("documents:read"),))),
            ("define_role", Role("barred")),
            ("remove_role", "barred"),
        ):
            scope = identify(kit, acme, user)
            with enter(scope):
                if is_good:
                    await hands.twin("access", name, *arguments)
                else:
                    with pytest.raises(PermissionDenied, match="denial of 'documents:write'"):
                        await hands.twin("access", name, *arguments)
                await hands.do("rollback")
            await kit.arelease(scope)


async def test_denials_of_another_role_excuse_nothing(hands, kit, acme):
    """Who lacks something gives no role that grants it, whatever is denied beside it: denials can end."""
    barred = Role("barred", (Rule("documents:write", "deny"),))
    await kept(hands, acme, "define_role", barred)
    for name, *arguments in (
        ("require_giving", "writer", "barred"),
        ("define_role", Role("both", includes=("writer", "barred"))),
        ("define_role", Role("both", (Rule("documents:write"),), includes=("barred",))),
    ):
        scope = identify(kit, acme)
        with enter(scope):
            with pytest.raises(PermissionDenied, match="'documents:write', which you do not have"):
                await hands.twin("access", name, *arguments)
            await hands.do("rollback")
        await kit.arelease(scope)


async def test_no_key_gives_what_its_maker_lacks(hands, kit, acme):
    """A key with roles is held to the same: a denial in one of them excuses nothing of the other."""
    await kept(hands, acme, "define_role", Role("barred", (Rule("documents:write", "deny"),)))
    scope = identify(kit, acme)
    with enter(scope):
        with pytest.raises(PermissionDenied):
            await hands.twin("api_keys", "create", "import", lifetime=60, roles=["writer", "barred"])
        await hands.do("rollback")
    await kit.arelease(scope)


def test_what_is_checked_stays_so(database, kit, acme):
    """While somebody gives a role that was looked at, nobody makes it another: who redefines it waits."""
    planner = Role("planner", (Rule("documents:read"),))
    with kit.scope(acme, actor=Actor("admin")):
        kit.access.define_role(planner)
        kit.session().commit()
    scope, done = identify(kit, acme), []

    def redefine():
        with kit.scope(acme, actor=Actor("admin")):
            kit.access.define_role(Role("planner", (Rule("documents:write"),)))
            kit.session().commit()
        done.append("redefined")

    other = threading.Thread(target=redefine)
    with kit.entered(scope):
        kit.access.require_giving("planner")
        other.start()
        _until_it_waits(database, kit)
        done.append("given")
        kit.session().commit()
    other.join(PATIENCE)
    assert ["given", "redefined"] == done
    with kit.entered(identify(kit, acme)), pytest.raises(PermissionDenied):
        kit.access.require_giving("planner")


def test_a_key_is_made_of_what_still_counts(database, kit, acme):
    """Who makes a key while its role is being taken away waits, and is then refused."""
    with kit.scope(acme, actor=Actor("admin")):
        kit.access.define_role(Role("planner", (Rule("documents:read"),)))
        kit.session().commit()
    answers, may_ask = [], threading.Event()

    def make():
        with kit.entered(identify(kit, acme)):
            may_ask.set()
            try:
                kit.api_keys.create("import", lifetime=60, roles=["planner"])
            except PermissionDenied as refused:
                answers.append(refused.details["permission"])

    other = threading.Thread(target=make)
    with kit.scope(acme, actor=Actor("admin")):
        kit.access.define_role(Role("planner", (Rule("documents:write"),)))
        other.start()
        assert may_ask.wait(PATIENCE)
        _until_it_waits(database, kit)
        kit.session().commit()
    other.join(PATIENCE)
    assert ["documents:write"] == answers


def _until_it_waits(database, kit):
    """Return once a session of the database waits for another's lock, where the database says so."""
    if database.kind != "postgresql":
        return
    waiting = text(
        "SELECT count(*) FROM pg_locks AS waits JOIN pg_locks AS has USING (pid) JOIN pg_database AS here"
        " ON here.oid = has.database WHERE NOT waits.granted AND here.datname = current_database()"
    )
    end = time.monotonic() + PATIENCE
    with kit.owner_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < end, "nobody waits for the lock"


async def test_a_denial_within_the_role_excuses(hands, kit, acme):
    """A role that itself denies what it includes gives nothing of that, as long as it is as it is: it can be given."""
    await kept(
        hands, acme, "define_role", Role("safe", (Rule("documents:write", "deny"),), includes=("writer",))
    )
    scope = identify(kit, acme)
    with enter(scope):
        await hands.twin("access", "require_giving", "safe")
    await kit.arelease(scope)
    add_member(kit, acme, "pat", ["safe"])
    assert [True, False] == [may(kit, acme, one, "pat") for one in ("documents:read", "documents:write")]
    why = "'documents:write', which you do not have"
    with kit.entered(identify(kit, acme)), pytest.raises(PermissionDenied, match=why):
        kit.access.define_role(Role("safe", includes=("writer",)))


@pytest.mark.parametrize(
    "role",
    [
        Role("mine", includes=("writer",), excluding=("documents:write",)),
        Role("mine", (Rule("documents:write", "deny"),), includes=("writer",)),
        Role("mine", (Rule("documents:*"),), excluding=("documents:write",)),
        Role("mine", (Rule("*"), Rule("documents:write", "deny"))),
        Role("mine", includes=("planner",), excluding=("documents:write",)),
    ],
    ids=["excluded", "denied", "wildcard excluded", "wildcard denied", "a tenant's own"],
)
async def test_nobody_takes_out_today_what_they_lack(hands, kit, acme, role):
    """What a role includes, or a wildcard stands for, may be more tomorrow: what is taken out of it excuses nothing."""
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:*"),)))
    scope = identify(kit, acme)
    with enter(scope):
        with pytest.raises(PermissionDenied, match="'documents:write', which you do not have"):
            await hands.twin("access", "define_role", role)
        await hands.do("rollback")
    await kit.arelease(scope)


async def test_nobody_denies_what_they_lack(hands, kit, acme):
    """A denial is made, as it is ended, by who has the permission: nobody locks out whom they could not let in."""
    for user, is_good in (("reader", False), ("writer", True)):
        for name, *arguments in (
            ("grant", "writer", Rule("documents:write", "deny")),
            ("grant", "writer", Rule("*", "deny")),
            ("grant", "writer", Rule("documents:write", "deny", resource="documents:1")),
            ("define_role", Role("barred", (Rule("documents:write", "deny"),))),
        ):
            scope = identify(kit, acme, user)
            with enter(scope):
                if is_good:
                    await hands.twin("access", name, *arguments)
                else:
                    with pytest.raises(
                        PermissionDenied, match="would deny 'documents:write', which you do not"
                    ):
                        await hands.twin("access", name, *arguments)
                await hands.do("rollback")
            await kit.arelease(scope)


async def test_changing_a_member_is_bounded_where_it_is_asked_for(hands, kit, acme):
    """Nobody gives another role or permission that they lack, nor takes away one that denies them something."""
    await kept(hands, acme, "define_role", Role("barred", (Rule("documents:write", "deny"),)))
    add_member(kit, acme, "pat", ["reader", "barred"])
    await kept(hands, acme, "grant", "pat", "documents:write")
    assert not may(kit, acme, "documents:write", "pat")
    for user, changed, is_good in (
        ("pat", {"roles": ["reader"]}, False),
        ("reader", {"roles": ["reader"]}, False),
        ("writer", {"roles": ["reader"]}, True),
        ("reader", {"roles": ["reader", "barred"]}, True),
        ("reader", {"roles": ["writer", "barred"]}, False),
        ("reader", {"permissions": ["documents:write"]}, False),
        ("reader", {"roles": "writer"}, False),
        ("reader", {"permissions": "documents:write"}, False),
        ("reader", {"permissions": ["documents:read"]}, True),
        ("writer", {"roles": ["writer"], "permissions": ["documents:write"]}, True),
    ):
        scope = identify(kit, acme, user)
        with enter(scope):
            if is_good:
                await hands.twin("access", "require_changing", "pat", **changed)
            else:
                with pytest.raises(PermissionDenied, match="'documents:write', which you do not have"):
                    await hands.twin("access", "require_changing", "pat", **changed)
            with pytest.raises(NotAMember):
                await hands.twin("access", "require_changing", "nobody", **changed)
            await hands.do("rollback")
        await kit.arelease(scope)
    async with hands.scope(acme):
        await hands.twin("access", "require_changing", "nobody", roles=["writer"])  # a script is not bounded


@pytest.mark.parametrize("how", ["a role", "a denial", "a grant"])
async def test_who_lost_something_gives_it_no_more(hands, kit, acme, how):
    """What the actor has is looked at again, and not by what the request knew when it began."""
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:write"),)))
    given = await kept(hands, acme, "grant", "pat", "documents:write")
    add_member(kit, acme, "pat", ["reader"] if how == "a grant" else ["reader", "planner"])
    scope = identify(kit, acme, "pat")
    if how == "a role":
        await kept(hands, acme, "define_role", Role("planner"))
    if how == "a denial":
        await kept(hands, acme, "grant", "pat", Rule("documents:write", "deny"))
    else:
        await kept(hands, acme, "revoke", given.id)
    for name, *arguments in (
        ("grant", "reader", "documents:write"),
        ("delegate", "reader", Rule("documents:write")),
        ("define_role", Role("mine", (Rule("documents:write"),))),
        ("require_giving", "writer"),
        ("require_changing", "reader"),
    ):
        options = {"until": kit.clock.now() + timedelta(hours=1)} if name == "delegate" else {}
        options |= {"roles": ["writer"]} if name == "require_changing" else {}
        with enter(scope):
            with pytest.raises(PermissionDenied, match="'documents:write', which you do not have"):
                await hands.twin("access", name, *arguments, **options)
            await hands.do("rollback")
    await kit.arelease(scope)


async def test_a_key_lends_nothing(hands, kit, acme):
    """Who is no member has nothing that could end with it: an API key of roles is refused, and not ignored."""
    async with hands.scope(acme, actor=Actor("admin")):
        made = await hands.twin("api_keys", "create", "import", lifetime=60, roles=["writer"])
        await hands.do("commit")
    scope = kit.identify(RequestCredentials(None, made.text, RequestFacts()))
    with enter(scope):
        with pytest.raises(InvalidValue, match="by a member"):
            await hands.twin(
                "access", "delegate", "reader", "documents:write", until=kit.clock.now() + timedelta(1)
            )
        await hands.do("rollback")
    await kit.arelease(scope)


async def test_what_a_tenant_writes_is_refused_as_a_value(hands, kit, acme):
    """An end that is none, an id that no column holds: what went wrong is said of the value, and is no 500."""
    naive = kit.clock.now().replace(tzinfo=None)
    async with hands.scope(acme, actor=Actor("admin")):
        for name, *arguments in (
            ("delegate", "reader", "documents:write"),
            ("grants", "\ud800"),
            ("grants", ""),
        ):
            options = {"until": naive} if name == "delegate" else {}
            with pytest.raises(InvalidValue):
                await hands.twin("access", name, *arguments, **options)
        await hands.do("rollback")


async def test_a_conditional_denial_is_ended_by_who_has_it_plainly(hands, kit, acme):
    """Who may something of their own only cannot end a denial of the same: it denies what is unknown, too."""
    own = owner_of("name")
    await kept(hands, acme, "grant", "reader", Rule("documents:write", when=own))
    denied = await kept(hands, acme, "grant", "pat", Rule("documents:write", "deny", when=own))
    for user, is_good in (("reader", False), ("writer", True)):
        scope = identify(kit, acme, user)
        with enter(scope):
            if is_good:
                assert await hands.twin("access", "revoke", denied.id)
            else:
                with pytest.raises(PermissionDenied, match="denial of 'documents:write'"):
                    await hands.twin("access", "revoke", denied.id)
            await hands.do("rollback")
        await kit.arelease(scope)


async def test_a_limited_giver_gives_as_limited(hands, kit, acme, clock):
    """Who has something until a moment, or in one workspace, gives it no longer and nowhere else."""
    soon = clock.now() + timedelta(hours=1)
    await kept(hands, acme, "grant", "reader", Rule("documents:write", until=soon))
    await kept(hands, acme, "grant", "writer", Rule("documents:write", "deny", workspace="7"))
    for user, rule, is_good in (
        ("reader", Rule("documents:write", until=soon), True),
        ("reader", Rule("documents:write", until=soon + timedelta(seconds=1)), False),
        ("reader", Rule("documents:write"), False),
        ("writer", Rule("documents:write", workspace="8"), False),  # a denial anywhere is one
        ("writer", Rule("documents:read", workspace="7"), True),
    ):
        scope = identify(kit, acme, user)
        with enter(scope):
            if is_good:
                await hands.twin("access", "grant", "reader", rule)
            else:
                with pytest.raises(PermissionDenied):
                    await hands.twin("access", "grant", "reader", rule)
            await hands.do("rollback")
        await kit.arelease(scope)


async def delegated(hands, kit, tenant, rule, *, until, giver="writer", to="reader"):
    """Lend something in a request, and commit."""
    scope = identify(kit, tenant, giver)
    try:
        with enter(scope):
            made = await hands.twin("access", "delegate", to, rule, until=until)
            await hands.do("commit")
    finally:
        await kit.arelease(scope)
    return made


async def test_what_is_lent_ends_with_its_time(hands, kit, acme, clock):
    """A delegation counts until its moment."""
    await delegated(hands, kit, acme, "documents:write", until=clock.now() + timedelta(seconds=10))
    assert may(kit, acme, "documents:write")
    clock.move(10)
    assert not may(kit, acme, "documents:write")
    assert [("permission.delegated", "writer")] == [one[:2] for one in await events(hands, acme)]


@pytest.mark.parametrize("how", ["removed", "suspended", "other role", "denied"])
async def test_what_is_lent_ends_with_the_lenders_own(hands, kit, acme, clock, how):
    """A delegation counts only while whoever lent has it, too."""
    await delegated(hands, kit, acme, "documents:write", until=clock.now() + timedelta(days=1))
    assert may(kit, acme, "documents:write")
    if how == "denied":
        await kept(hands, acme, "grant", "writer", Rule("documents:write", "deny"))
    else:
        with kit.unscoped_session(reason="change", actor="test") as session:
            if how == "removed":
                kit.directory.remove_member(session, acme, "writer")
            elif how == "suspended":
                kit.directory.change_member(session, acme, "writer", status="suspended")
            else:
                kit.directory.change_member(session, acme, "writer", roles=["reader"])
            session.commit()
    assert not may(kit, acme, "documents:write")


async def test_what_was_lent_is_not_lent_on(hands, kit, acme, clock):
    """Nobody lends what they lack, or what was lent to them, or for longer than they have it."""
    until = clock.now() + timedelta(days=1)
    with pytest.raises(PermissionDenied):
        await delegated(hands, kit, acme, "documents:write", until=until, giver="reader", to="writer")
    await delegated(hands, kit, acme, "documents:write", until=until)
    assert may(kit, acme, "documents:write")
    with pytest.raises(PermissionDenied):
        await delegated(hands, kit, acme, "documents:write", until=until, giver="reader", to="writer")
    with pytest.raises(InvalidValue, match="by a member, until a moment"):
        async with hands.scope(acme):
            await hands.twin("access", "delegate", "reader", "documents:read", until=until)


async def test_what_was_lent_is_not_given_on(hands, kit, acme, clock):
    """Who was lent something can neither grant it to themselves or others, nor put it into a role."""
    until = clock.now() + timedelta(days=1)
    await delegated(hands, kit, acme, "documents:write", until=until)
    assert may(kit, acme, "documents:write")
    for name, *arguments in (
        ("grant", "reader", Rule("documents:write", until=until)),
        ("grant", "other", Rule("documents:write", until=until)),
        ("define_role", Role("planner", (Rule("documents:write", until=until),))),
        ("require_giving", "writer"),
    ):
        scope = identify(kit, acme)
        with enter(scope):
            with pytest.raises(PermissionDenied):
                await hands.twin("access", name, *arguments)
            await hands.do("rollback")
        await kit.arelease(scope)


async def test_what_is_lent_ends_with_the_lenders_time(hands, kit, acme, clock):
    """Where the lender has it until a moment, it is over then, whatever is remembered."""
    await kept(
        hands, acme, "grant", "reader", Rule("documents:write", until=clock.now() + timedelta(seconds=9))
    )
    add_member(kit, acme, "pat", ["reader"])
    until = clock.now() + timedelta(seconds=9)
    await delegated(hands, kit, acme, "documents:write", until=until, giver="reader", to="pat")
    assert may(kit, acme, "documents:write", "pat")
    with kit.unscoped_session(reason="change", actor="test") as session:
        rules = kit.access.store.tables.grants
        session.execute(update(rules).where(rules.c.user_id == "pat").values(until=None))
        session.execute(
            update(rules).where(rules.c.user_id == "pat").values(rule={"permission": "documents:write"})
        )
        session.commit()
    kit.directory_cache.clear()
    assert may(kit, acme, "documents:write", "pat")
    clock.move(9)
    assert not may(kit, acme, "documents:write", "pat")


async def test_what_is_lent_for_later(hands, kit, acme, clock):
    """What begins after the lender's own changes counts for nothing until then, and is no error."""
    now = clock.now()
    await kept(
        hands, acme, "grant", "writer", Rule("documents:read", "deny", since=now + timedelta(seconds=3))
    )
    rule = Rule("documents:write", since=now + timedelta(seconds=5))
    await delegated(hands, kit, acme, rule, until=now + timedelta(seconds=9))
    assert not may(kit, acme, "documents:write")
    clock.move(LIFETIME)
    assert not may(kit, acme, "documents:write")


async def test_giving_roles_is_bounded_where_it_is_asked_for(hands, kit, acme):
    """An endpoint that assigns roles can ask first; a script is not bounded."""
    for user, role, is_good in (("reader", "writer", False), ("writer", "reader", True)):
        scope = identify(kit, acme, user)
        with enter(scope):
            if is_good:
                await hands.twin("access", "require_giving", role)
            else:
                with pytest.raises(PermissionDenied, match="writer would allow 'documents:write'"):
                    await hands.twin("access", "require_giving", role)
        await kit.arelease(scope)
    async with hands.scope(acme):
        await hands.twin("access", "require_giving", "writer")


async def test_a_role_of_a_tenants_stands_in_for_none_of_the_applications(hands, kit, acme):
    """What includes a role and excludes all of it does not pass where that role is asked for."""
    await kept(hands, acme, "define_role", Role("x", includes=("writer",), excluding=("*",)))
    add_member(kit, acme, "pat", ["x"])
    scope = identify(kit, acme, "pat")
    with pytest.raises(RoleRequired):
        kit.access.authorizer.require_role(scope, "writer")
    assert kit.access.authorizer.require_role(identify(kit, acme, "writer"), "writer") is None


async def test_a_name_that_the_hosts_side_took(hands, kit, acme):
    """A tenant's role that includes one of its own gets nothing of a role of the host's side that took its name."""
    await kept(hands, acme, "define_role", Role("operator", (Rule("documents:read"),)))
    await kept(hands, acme, "define_role", Role("mine", includes=("operator",)))
    add_member(kit, acme, "pat", ["mine", "operator"])
    permissions = {
        "documents:read": "",
        "tenants:suspend": Permission("tenants:suspend", side="host"),
    }
    later = Authorizer(Matrix(permissions, {"operator": Role("operator", (Rule("*"),), side="host")}))
    assert frozenset() == later.allowed_actions(identify(kit, acme, "pat"))


async def test_a_key_in_ones_own_name_is_bounded_by_the_token(hands, kit, acme):
    """A token that is good for little makes no key that is good for more, wherever the rights come from."""
    await kept(hands, acme, "grant", "reader", "documents:write")
    token = kit.tokens.issue("reader", acme, perm=["documents:read"])
    scope = kit.identify(RequestCredentials(None, token, RequestFacts()))
    with enter(scope):
        for limits in (None, ["documents:read", "documents:write"]):
            with pytest.raises(PermissionDenied, match="documents:write"):
                await hands.twin("api_keys", "create", "k", lifetime=60, user_id="reader", permissions=limits)
        made = await hands.twin(
            "api_keys", "create", "k", lifetime=60, user_id="reader", permissions=["documents:read"]
        )
        await hands.do("commit")
    await kit.arelease(scope)
    with_key = kit.identify(RequestCredentials(None, made.text, RequestFacts()))
    assert [True, False] == [
        kit.access.authorizer.check(with_key, one) for one in ("documents:read", "documents:write")
    ]


@pytest.mark.parametrize(
    "role",
    [
        Role("planner", description="a\0b"),
        Role("planner", description="x" * 200_000),
        Role("planner", (Rule("documents:read", resource="documents:\0"),)),
        Role(
            "planner",
            (Rule("documents:read", when=reduce(lambda one, _: Not(one), range(60), owner_of("name"))),),
        ),
    ],
    ids=["NUL", "long", "NUL in a rule", "deep"],
)
async def test_what_cannot_be_kept(hands, kit, acme, role):
    """What no database holds, or what is too long or too deep, is a value that cannot be used."""
    with pytest.raises(InvalidValue, match="up to"):
        await kept(hands, acme, "define_role", role)


async def test_the_history_is_whole(hands, kit, acme, clock):
    """What was defined and granted stays: by whom, from when, and until when."""
    before = clock.now()
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:read"),)))
    clock.move(60)
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:*"),)), actor="other")
    clock.move(60)
    given = await kept(hands, acme, "grant", "reader", Rule("documents:write", when=owner_of("name")))
    async with hands.scope(acme):
        found = await hands.twin("access", "history")
        newest = await hands.twin("access", "history", limit=1)
    minute = timedelta(minutes=1)
    assert [
        Change(given, before + 2 * minute, "admin"),
        Change(Role("planner", (Rule("documents:*"),)), before + minute, "other"),
        Change(Role("planner", (Rule("documents:read"),)), before, "admin", before + minute, "other"),
    ] == found
    assert found[:1] == newest


async def test_nothing_counts_that_was_rolled_back(hands, kit, acme):
    """A change is part of the caller's transaction."""
    may(kit, acme, "documents:write")
    async with hands.scope(acme, actor=Actor("admin")):
        await hands.twin("access", "grant", "reader", "documents:write")
        await hands.do("rollback")
    assert not may(kit, acme, "documents:write")
    assert [] == await events(hands, acme)


async def test_keys_hold_a_tenants_roles(hands, kit, acme):
    """An API key can hold a role that its tenant made, and does what that allows from then on."""
    await kept(hands, acme, "define_role", Role("importer", (Rule("documents:write"),)))
    async with hands.scope(acme, actor=Actor("admin")):
        made = await hands.twin("api_keys", "create", "import", lifetime=60, roles=["importer"])
        await hands.do("commit")
    scope = kit.identify(RequestCredentials(None, made.text, RequestFacts()))
    asked = kit.access.authorizer
    assert [True, False] == [asked.check(scope, one) for one in ("documents:write", "documents:read")]


async def test_a_rule_of_before_counts_for_nothing(database, hands, kit, acme):
    """A role that names a permission which the application dropped allows that no more, and the rest as before."""
    await kept(hands, acme, "define_role", Role("planner", (Rule("documents:read"), Rule("documents:write"))))
    add_member(kit, acme, "pat", ["planner"])
    later = Authorizer(Matrix({"documents:read": ""}, {}))
    assert frozenset({"documents:read"}) == later.allowed_actions(identify(kit, acme, "pat"))


def test_a_revocation_reaches_another_process_within_the_lifetime(database, clock):
    """Without Redis another process hears of nothing, and relies on what it knows no longer than the stated time."""
    ours, theirs = (make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME) for _ in range(2))
    acme = sign_up(ours, "acme")
    with ours.scope(acme, actor=Actor("admin")):
        given = ours.access.grant("reader", "documents:write")
        ours.session().commit()
    assert may(theirs, acme, "documents:write")
    with ours.scope(acme, actor=Actor("admin")):
        ours.access.revoke(given.id)
        ours.session().commit()
    assert not may(ours, acme, "documents:write")
    assert may(theirs, acme, "documents:write")
    clock.move(LIFETIME)
    assert not may(theirs, acme, "documents:write")
    for kit in (ours, theirs):
        kit.dispose()


def test_what_was_granted_makes_no_role_older(database, clock):
    """A changed role is known after the stated time, also of a member who was asked about later than others were."""
    ours, theirs = (make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME) for _ in range(2))
    acme = sign_up(ours, "acme")
    with ours.scope(acme, actor=Actor("admin")):
        ours.access.define_role(Role("planner", (Rule("documents:*"),)))
        ours.access.grant("pat", "documents:read")
        ours.session().commit()
    add_member(ours, acme, "pat", ["planner"])
    assert not may(theirs, acme, "documents:write", "reader")
    clock.move(LIFETIME - 1)
    assert may(theirs, acme, "documents:write", "pat")
    with ours.scope(acme, actor=Actor("admin")):
        ours.access.define_role(Role("planner"))
        ours.session().commit()
    clock.move(1)
    assert not may(theirs, acme, "documents:write", "pat")
    for kit in (ours, theirs):
        kit.dispose()


def test_a_revocation_reaches_another_process_through_redis(database):
    """With Redis it is told: another kit on the same server forgets what it knew."""
    with find_redis() as server:
        options = {
            "redis_url": server.url,
            "redis_prefix": f"rules-{uuid4().hex}",
            "directory_cache_lifetime": 3600,
        }
        ours, theirs = (make_kit(database, **options) for _ in range(2))
        is_told = listening(theirs)
        acme = sign_up(ours, "acme")
        assert is_told()
        with ours.scope(acme, actor=Actor("admin")):
            given = ours.access.grant("reader", "documents:write")
            ours.session().commit()
        assert is_told()
        assert may(theirs, acme, "documents:write")
        with ours.scope(acme, actor=Actor("admin")):
            ours.access.revoke(given.id)
            ours.session().commit()
        assert is_told()
        assert not may(theirs, acme, "documents:write")
        for kit in (ours, theirs):
            kit.dispose()


async def test_a_stranger_with_a_grant_is_no_member(hands, kit, acme):
    """A grant makes nobody a member: who is none is refused, whatever was granted."""
    await kept(hands, acme, "grant", "stranger", "documents:write")
    with pytest.raises(NotAMember):
        identify(kit, acme, "stranger")
