"""Whether a request may enter a tenant, beside who sends it."""

from dataclasses import replace

import pytest

from tenantkit.core.scope import RequestFacts
from tenantkit.core.tenant import EntryRules
from tenantkit.exceptions import (
    AddressRefused,
    NotAMember,
    NotAuthenticated,
    PermissionDenied,
    RegionRefused,
    SecondFactorRequired,
    TokenInvalid,
    UnderMaintenance,
)
from tenantkit.kit import RequestCredentials, Trust
from tests.integration.office import make_kit, sign_up

OFFICE = "192.0.2.7"


def come(kit, tenant, *, client=OFFICE, user="writer", **claims):
    """Come to a tenant with a token, and return the scope, as a server and as an event loop does."""
    request = RequestCredentials(None, kit.tokens.issue(user, tenant, **claims), RequestFacts(client=client))
    scope = kit.identify(request)
    assert kit.recall(request) in (None, scope)
    return scope


def refused(kit, tenant, error, **facts):
    """Say with which status a request is refused, also where everything about it is remembered."""
    for _ in range(2):
        with pytest.raises(error) as caught:
            come(kit, tenant, **facts)
    return caught.value.status


@pytest.mark.parametrize(
    ("client", "admitted"),
    [
        (OFFICE, True),
        ("::ffff:192.0.2.7", True),
        ("192.0.2.66", False),
        ("203.0.113.1", False),
        (None, False),
    ],
)
def test_addresses(kit, client, admitted):
    """Who is in the allow list and not in the deny list comes in; who is nowhere does not."""
    tenant = sign_up(kit, "acme", entry=EntryRules(allow=("192.0.2.0/24",), deny=("192.0.2.66",)))
    if admitted:
        assert tenant == come(kit, tenant, client=client).tenant
    else:
        assert 403 == refused(kit, tenant, AddressRefused, client=client)


@pytest.mark.parametrize(
    ("amr", "admitted"),
    [
        (["pwd", "otp", "mfa"], True),
        (["pwd"], False),
        ([], False),
        (None, False),
        ("mfa", False),
        ({"mfa": 1}, False),
    ],
)
def test_a_second_factor(kit, amr, admitted):
    """A token has to say that there was one (RFC 8176); a text that holds the word is no list of methods."""
    tenant = sign_up(kit, "acme", entry=EntryRules(second_factor=True))
    claims = {} if amr is None else {"amr": amr}
    if admitted:
        assert tenant == come(kit, tenant, **claims).tenant
    else:
        assert 401 == refused(kit, tenant, SecondFactorRequired, **claims)


def test_a_program_has_no_second_factor(kit):
    """An API key comes in where people need one."""
    tenant = sign_up(kit, "acme", entry=EntryRules(second_factor=True))
    with kit.scope(tenant):
        made = kit.api_keys.create("import", lifetime=60, roles=["reader"])
        kit.session().commit()
    assert tenant == kit.identify(RequestCredentials(None, made.text, RequestFacts(client=OFFICE))).tenant


def test_maintenance(kit):
    """Nobody comes in, and is told what the tenant has to say; scripts work on."""
    tenant = sign_up(kit, "acme", entry=EntryRules(maintenance="Back at noon."))
    with pytest.raises(UnderMaintenance, match="Back at noon"):
        come(kit, tenant)
    assert 503 == refused(kit, tenant, UnderMaintenance)
    with kit.scope("acme"):
        pass


def test_a_stranger_learns_nothing_of_the_rules(kit):
    """Who is no member is told that, and not what the tenant asks of its members."""
    tenant = sign_up(kit, "acme", entry=EntryRules(maintenance="secret", allow=("203.0.113.0/24",)))
    assert 403 == refused(kit, tenant, NotAMember, user="stranger")


def test_a_change_of_the_rules_is_seen_at_once(kit):
    """In the process that changed them; in others when what they remember is over."""
    tenant = sign_up(kit, "acme")
    come(kit, tenant)
    with kit.unscoped_session(reason="change", actor="test") as session:
        kit.directory.change_tenant(session, tenant, entry=EntryRules(deny=(OFFICE,)))
        session.commit()
    assert 403 == refused(kit, tenant, AddressRefused)


def test_without_rules_everybody_comes_in(database):
    """A tenant that asks for nothing is asked for nothing."""
    kit = make_kit(database)
    tenant = sign_up(kit, "acme")
    for client in (OFFICE, None, "unknown"):
        assert tenant == come(kit, tenant, client=client).tenant
    kit.dispose()


def test_permissions_beside_the_roles(kit):
    """What a member has beside the roles counts in requests, as far as it is declared, and for nobody else."""
    tenant = sign_up(kit, "acme")
    with kit.unscoped_session(reason="grant", actor="test") as session:
        kit.directory.change_member(session, tenant, "reader", permissions=["documents:write"])
        session.commit()
    scope = come(kit, tenant, user="reader")
    assert ({"documents:write"}, {"reader"}) == (scope.permissions, scope.roles)
    kit.access.authorizer.require(scope, "documents:write")
    assert not kit.access.authorizer.check(replace(scope, permissions=frozenset()), "documents:write")
    assert not kit.access.authorizer.check(
        replace(scope, limits=frozenset({"documents:read"})), "documents:write"
    )


@pytest.mark.parametrize(
    ("regions", "region", "admitted"),
    [
        ((), None, True),
        ((), "eu", True),
        (("eu", "ch"), "eu", True),
        (("eu",), "us", False),
        (("eu",), None, False),
    ],
)
def test_regions(database, regions, region, admitted):
    """A deployment that serves some regions sends tenants of others away, and says where they are served."""
    kit = make_kit(database, regions=regions)
    try:
        tenant = sign_up(kit, "acme", region=region)
        if admitted:
            assert tenant == come(kit, tenant).tenant
        else:
            assert 421 == refused(kit, tenant, RegionRefused)
    finally:
        kit.dispose()


@pytest.mark.parametrize(
    ("perm", "granted"),
    [
        (None, {"documents:read", "documents:write"}),
        (["documents:read"], {"documents:read"}),
        ([], set()),
        (["documents:read", "unknown:one"], {"documents:read"}),
    ],
)
def test_a_token_for_some_permissions(kit, perm, granted):
    """What it is good for bounds what the roles grant; it grants nothing by itself."""
    tenant = sign_up(kit, "acme")
    scope = come(kit, tenant, perm=perm)
    assert granted == {name for name in kit.roles.permissions if kit.access.authorizer.check(scope, name)}
    reader = come(kit, tenant, user="reader", perm=["documents:write"])
    with pytest.raises(PermissionDenied):
        kit.access.authorizer.require(reader, "documents:write")


@pytest.mark.parametrize("perm", ["documents:read", [1], [None], {"documents:read": 1}, 1, True], ids=repr)
def test_permissions_of_another_shape(kit, perm):
    """A claim that is no list of texts makes the token invalid: it could have been meant to bound."""
    tenant = sign_up(kit, "acme")
    assert 401 == refused(kit, tenant, TokenInvalid, perm=perm)


@pytest.mark.parametrize(
    "claims", [{}, {"sub": ""}, {"sub": None}, {"sub": "x" * 201}, {"sub": ["writer"]}], ids=repr
)
def test_who_is_recognized_has_an_id(database, claims):
    """What the application returns for somebody names a user, or it is nobody."""
    kit = make_kit(database, trust=Trust(recognize=lambda _request: claims))
    try:
        sign_up(kit, "acme")
        with pytest.raises(TokenInvalid):
            kit.authenticate(RequestCredentials(None, None, RequestFacts()))
    finally:
        kit.dispose()


def test_who_is_recognized_is_asked_what_a_token_is(database):
    """Membership, second factor and dimensions hold for somebody whom the application recognized, too."""
    told = {"sub": "writer"}
    kit = make_kit(database, trust=Trust(recognize=lambda _request: told or None))
    try:
        tenant = sign_up(kit, "acme", entry=EntryRules(second_factor=True))
        request = RequestCredentials("acme.localhost", None, RequestFacts())
        told["org"] = str(tenant.id)
        with pytest.raises(SecondFactorRequired):
            kit.identify(request)
        told["amr"] = ["mfa"]
        assert ("writer", {"writer"}) == ((found := kit.identify(request)).actor.id, found.roles)
        assert kit.recall(request) is None  # the application may wait
        told["sub"] = "stranger"
        with pytest.raises(NotAMember):
            kit.identify(request)
        told.clear()
        with pytest.raises(NotAuthenticated):
            kit.identify(request)
    finally:
        kit.dispose()
