"""API keys: how they are made, what they open, and what they do not."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantkit import Actor, Scope, new_id
from tenantkit.core.opaque import make_opaque
from tenantkit.core.scope import RequestFacts, enter
from tenantkit.exceptions import (
    ConfigurationError,
    ForeignCredentials,
    InvalidValue,
    NotAMember,
    PermissionDenied,
    SourcesDisagree,
    TenantSuspended,
    TokenInvalid,
)
from tenantkit.kit import RequestCredentials
from tenantkit.resolution import Host, TokenClaim, agree, first
from tests.integration.office import make_kit, settled, sign_up
from tests.unit.clocks import FixedClock

HOUR, LIFETIME = 3600, 30


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
def acme(kit):
    """Give a tenant with a writer and a reader."""
    return sign_up(kit, "acme")


def make_key(kit, tenant, **options):
    """Make a key of a tenant, committed."""
    with kit.scope(tenant, actor=Actor("admin")):
        made = kit.api_keys.create("import", **{"lifetime": HOUR, "roles": ["writer"]} | options)
        kit.session().commit()
    return made


def identify(kit, text, host=None):
    """Return the scope of a request with a key."""
    return kit.identify(RequestCredentials(host, text, RequestFacts()))


def as_member(kit, tenant, *roles):
    """Enter the scope that a request of a member has."""
    return enter(Scope(tenant, actor=Actor("ann"), roles=frozenset(roles)))


def test_a_key_opens_its_tenant(kit, acme):
    """It acts for itself, in its own roles; the tenant need not be named, and may be."""
    made = make_key(kit, acme)
    for host in (None, "acme.localhost"):
        scope = identify(kit, made.text, host)
        assert (acme, Actor(str(made.key.id), kind="key"), {"writer"}, None) == (
            scope.tenant,
            scope.actor,
            scope.roles,
            scope.limits,
        )


def test_a_key_works_for_a_member(kit, acme):
    """It acts as the member, in the member's roles as they are now, and for none who is no member."""
    made = make_key(kit, acme, roles=(), user_id="reader")
    scope = identify(kit, made.text)
    assert (Actor("reader"), {"reader"}) == (scope.actor, scope.roles)
    for nobody in ("stranger", "x" * 500, "a\0", "\ud800"):
        with pytest.raises(InvalidValue) as caught:
            make_key(kit, acme, roles=(), user_id=nobody)
        assert "user_id" == caught.value.field
    with kit.unscoped_session(reason="leave", actor="test") as session:
        kit.directory.remove_member(session, acme, "reader")
        session.commit()
    with pytest.raises(NotAMember):
        identify(kit, made.text)


def test_a_key_can_be_good_for_less(kit, acme):
    """Its permissions are those that it names and that its roles grant, both."""
    made = make_key(kit, acme, permissions=["documents:read"])
    scope = identify(kit, made.text)
    assert kit.access.authorizer.check(scope, "documents:read")
    with pytest.raises(PermissionDenied, match="Your credentials are not good for it"):
        kit.access.authorizer.require(scope, "documents:write")
    more = identify(kit, make_key(kit, acme, roles=["reader"], permissions=["documents:write"]).text)
    assert not any(kit.access.authorizer.check(more, name) for name in kit.roles.permissions)


def test_a_key_opens_no_other_door(kit, acme):
    """Not another tenant's, and none that is nobody's."""
    sign_up(kit, "bolt")
    made = make_key(kit, acme)
    with pytest.raises(SourcesDisagree):
        identify(kit, made.text, "bolt.localhost")
    with pytest.raises(ForeignCredentials):
        kit.authenticate(RequestCredentials(None, made.text, RequestFacts()))


@pytest.mark.parametrize(
    "resolve",
    [first(Host("{tenant}.localhost")), agree(TokenClaim("other"), Host("{tenant}.localhost"))],
    ids=repr,
)
def test_a_key_speaks_whatever_else_does(kit, acme, resolve):
    """Its tenant need not be named by anything else, and nothing else may name another."""
    sign_up(kit, "bolt")
    made, kit.resolve = make_key(kit, acme), resolve
    for host in (None, "acme.localhost"):
        assert acme == identify(kit, made.text, host).tenant
    with pytest.raises(SourcesDisagree):
        identify(kit, made.text, "bolt.localhost")


def test_a_key_of_a_suspended_tenant(kit, acme):
    """It opens nothing."""
    made = make_key(kit, acme)
    with kit.unscoped_session(reason="bill", actor="test") as session:
        kit.directory.change_status(session, acme, "suspended")
        session.commit()
    with pytest.raises(TenantSuspended):
        identify(kit, made.text)


def test_what_is_no_key(kit, acme):
    """A key that nobody made, a mistyped one and a refresh token are refused alike."""
    made = make_key(kit, acme)
    for text in (make_opaque("tka"), made.text[:-1] + "!", "tka_", made.text.upper(), make_opaque("tkr")):
        with pytest.raises(TokenInvalid):
            identify(kit, text)


def test_a_key_expires(kit, acme, clock):
    """At its second, also while it is remembered; one without an end does not."""
    short, endless = make_key(kit, acme, lifetime=20), make_key(kit, acme, lifetime=None)
    identify(kit, short.text)
    clock.move(19)
    identify(kit, short.text)
    clock.move(1)
    with pytest.raises(TokenInvalid):
        identify(kit, short.text)
    clock.move(10 * 365 * 86_400)
    identify(kit, endless.text)


def test_revoking(kit, acme):
    """It is refused from the commit on, also where it was remembered; a rollback revokes nothing."""
    made = make_key(kit, acme)
    identify(kit, made.text)
    with kit.scope("acme"):
        assert kit.api_keys.revoke(made.key.id)
        kit.session().rollback()
    identify(kit, made.text)
    with kit.scope("acme"):
        assert [True, False] == [kit.api_keys.revoke(made.key.id) for _ in range(2)]
        assert [] == kit.api_keys.list_of()
        kit.session().commit()
    with pytest.raises(TokenInvalid):
        identify(kit, made.text)


def test_another_process_knows_within_its_memory(kit, database, acme, clock):
    """What one process revoked the other refuses when what it remembers is over."""
    other = make_kit(database, clock=clock, directory_cache_lifetime=LIFETIME)
    made = make_key(kit, acme)
    identify(other, made.text)
    with kit.scope("acme"):
        kit.api_keys.revoke(made.key.id)
        kit.session().commit()
    clock.move(LIFETIME)
    with pytest.raises(TokenInvalid):
        identify(other, made.text)
    other.dispose()


def test_nobody_revokes_another_tenants(kit, acme):
    """The id of another tenant's key is none here, and its keys are not listed."""
    made = make_key(kit, acme)
    with kit.scope(sign_up(kit, "bolt")):
        assert not kit.api_keys.revoke(made.key.id)
        assert not kit.api_keys.revoke(new_id())
        assert [] == kit.api_keys.list_of()
        kit.session().commit()
    identify(kit, made.text)


def test_a_loop_recalls_a_key(kit, acme):
    """What was looked up is known without waiting; what was not has to be looked up elsewhere."""
    made = make_key(kit, acme)
    request = RequestCredentials(None, made.text, RequestFacts())
    assert kit.recall(request) is None
    kit.identify(request)
    assert acme == kit.recall(request).tenant


def test_its_use_is_noted(kit, acme, clock):
    """By the minute, and not at each request."""
    made = make_key(kit, acme)
    seen = []
    for seconds in (0, LIFETIME, LIFETIME, LIFETIME):
        clock.move(seconds)
        identify(kit, made.text)
        with kit.scope("acme"):
            seen.append((kit.api_keys.list_of()[0].last_used_at - made.key.created_at).total_seconds())
    assert [0, 0, 60, 60] == seen


def test_no_key_is_kept(kit, acme):
    """The table holds the digest, and so much of the text that people know it by."""
    made = make_key(kit, acme)
    with Session(kit.owner_engine) as session:
        kept = repr(session.execute(select(kit.api_keys.store.tables.api_keys)).all())
    assert made.text not in kept + repr(made)
    assert made.text.removeprefix(made.key.hint) not in kept
    assert made.key.hint in kept
    assert made.text.startswith(made.key.hint)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_making_and_revoking_are_recorded(kit, acme, kind):
    """Both are events of the tenant's, in the transaction that makes and revokes; the text is in none."""
    a = "a" if kind == "async" else ""
    async with kit.ascope(acme, actor=Actor("admin")):
        session = kit.async_session() if a else kit.session()
        keys, trail = kit.api_keys, kit.audit
        made = await settled(getattr(keys, f"{a}create")("import", lifetime=HOUR, roles=["writer"]))
        assert [made.key.id] == [key.id for key in await settled(getattr(keys, f"{a}list_of")())]
        await settled(getattr(keys, f"{a}revoke")(made.key.id))
        events = await settled(getattr(trail, f"{a}latest")())
        await settled(session.commit())
    await kit.adispose()
    assert ["api_key.revoked", "api_key.created"] == [event.action for event in events]
    assert made.text not in repr(events)
    assert "admin" == events[0].actor == made.key.created_by


# who may make what --------------------------------------------------------------------------------------------


def test_nobody_makes_a_key_that_may_more(kit, acme):
    """A member's key has no permission that the member has not; a script, which has no roles, makes any."""
    with as_member(kit, acme, "reader"):
        with pytest.raises(PermissionDenied) as caught:
            kit.api_keys.create("more", lifetime=HOUR, roles=["writer"])
        assert "documents:write" == caught.value.permission
        assert kit.api_keys.create("less", lifetime=HOUR, roles=["writer"], permissions=["documents:read"])
        assert kit.api_keys.create("same", lifetime=HOUR, roles=["reader"])
        kit.session().close()


def test_nobody_makes_a_key_in_somebody_elses_name(kit, acme):
    """In a request one's own name is the only one, also where the other may no more today; limits count, too."""
    own = Scope(acme, actor=Actor("reader"), roles=frozenset({"reader"}))
    limited = replace(own, limits=frozenset())
    key = replace(own, actor=Actor("reader", kind="key"))
    for scope, user_id, error in (
        (own, "writer", InvalidValue),
        (replace(own, actor=None), "reader", InvalidValue),
        (key, "reader", InvalidValue),
        (limited, "reader", PermissionDenied),
    ):
        with enter(scope):
            with pytest.raises(error):
                kit.api_keys.create("more", lifetime=HOUR, user_id=user_id)
            kit.session().close()
    with enter(own):
        assert "reader" == kit.api_keys.create("mine", lifetime=HOUR, user_id="reader").key.user_id
        kit.session().close()


def test_a_key_makes_no_key_that_may_more(kit, acme):
    """The limits of the credentials count, too."""
    limited = identify(kit, make_key(kit, acme, permissions=["documents:read"]).text)
    with enter(limited):
        with pytest.raises(PermissionDenied):
            kit.api_keys.create("more", lifetime=HOUR, roles=["writer"])
        kit.session().close()


WRONG = {
    "no roles": ({"roles": ()}, ConfigurationError),
    "roles and a member": ({"user_id": "reader"}, ConfigurationError),
    "an unknown role": ({"roles": ["king"]}, ConfigurationError),
    "an unknown permission": ({"permissions": ["documents:eat"]}, ConfigurationError),
    "no time": ({"lifetime": 0}, InvalidValue),
    "a time that is none": ({"lifetime": float("nan")}, InvalidValue),
    "a time that never ends": ({"lifetime": 1e300}, InvalidValue),
}


@pytest.mark.parametrize(("options", "error"), WRONG.values(), ids=WRONG)
def test_keys_that_cannot_be_made(kit, acme, options, error):
    """The error says what is wrong, and nothing is kept."""
    with pytest.raises(error):
        make_key(kit, acme, **options)
    with kit.scope("acme"):
        assert [] == kit.api_keys.list_of()


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 201, "a\0", "\ud800"], ids=["empty", "blank", "endless", "NUL", "half"]
)
def test_names_of_keys(kit, acme, name):
    """A name that says nothing, or too much, is refused with 422."""
    with kit.scope("acme"), pytest.raises(InvalidValue) as caught:
        kit.api_keys.create(name, lifetime=HOUR, roles=["writer"])
    assert (422, "name") == (caught.value.status, caught.value.field)


def test_the_prefix_is_a_setting(database, clock):
    """The keys of an application begin with its name; one that no key could have is refused at the start."""
    kit = make_kit(database, clock=clock, api_key_prefix="acme_live")
    made = make_key(kit, sign_up(kit, "acme"))
    assert made.text.startswith("acme_live_")
    assert identify(kit, made.text)
    kit.dispose()
    for prefix in ("", "a", "Acme", "acme.live", "acme_", "x" * 33):
        with pytest.raises(ConfigurationError):
            make_kit(database, api_key_prefix=prefix)
