"""People who may enter every tenant: who they are, what they may, and that each time is written down."""

from dataclasses import replace
from uuid import UUID

import pytest

from tenantkit import Actor
from tenantkit.core.scope import RequestFacts, enter
from tenantkit.core.tenant import EntryRules
from tenantkit.exceptions import (
    AddressRefused,
    ConfigurationError,
    NotAMember,
    NotAuthenticated,
    PermissionDenied,
    ReasonRequired,
    SourcesDisagree,
    SupportRequired,
    TenantSuspended,
)
from tenantkit.kit import RequestCredentials, Support, Trust
from tenantkit.resolution import RequestView
from tenantkit.tokens import ClaimMap
from tests.integration.office import make_kit, sign_up
from tests.integration.test_identity_providers import Provider
from tests.unit.clocks import FixedClock
from tests.unit.test_token_keys import P256

SUPPORT = Support(roles=["reader"])


@pytest.fixture
def kit(database):
    """Give a kit with a support."""
    made = make_kit(database, trust=Trust(support=SUPPORT), clock=FixedClock())
    yield made
    made.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant."""
    return sign_up(kit, "acme")


def coming(token, host="acme.localhost", reason="ticket 7", **facts):
    """Return what a request says of itself."""
    headers = {} if reason is None else {"x-support-reason": reason}
    return RequestCredentials(host, token, RequestFacts(**facts), RequestView(host=host, header=headers.get))


def of_support(kit, tenant=None, scope="superadmin", **claims):
    """Return a token of the support."""
    return kit.tokens.issue("cid", tenant, scope=scope, **claims)


def entries(kit, tenant):
    """Return who entered a tenant from outside, and why."""
    with kit.scope(tenant):
        found = kit.audit.latest()
    return [
        (event.impersonator, event.details["reason"], event.request_id)
        for event in found
        if event.action == "tenant.impersonated"
    ]


@pytest.mark.parametrize("scope", ["superadmin", "read superadmin write"])
def test_the_support_enters(kit, acme, scope):
    """Whom the token says to be one of it enters the tenant that the host names, in the roles of the support."""
    found = kit.identify(coming(of_support(kit, scope=scope), request_id="r1"))
    assert (acme, None, Actor("cid"), {"reader"}) == (
        found.tenant,
        found.actor,
        found.impersonator,
        found.roles,
    )
    assert [("cid", "ticket 7", "r1")] == entries(kit, acme)
    with enter(found):
        kit.access.authorizer.require(found, "documents:read")
        with pytest.raises(PermissionDenied):
            kit.access.authorizer.require(found, "documents:write")


def test_each_request_is_an_event(kit, acme):
    """Also one of somebody who was just there, so none is answered from memory on an event loop."""
    token = of_support(kit)
    for number in range(3):
        kit.identify(coming(token, request_id=str(number)))
        assert kit.recall(coming(token)) is None
    assert ["2", "1", "0"] == [request_id for _, _, request_id in entries(kit, acme)]


@pytest.mark.parametrize("reason", [None, "", "  ", ", ,", "x" * 501, "a\0b", "\ud800"], ids=repr)
def test_without_a_reason_nobody_enters(kit, acme, reason):
    """A reason is what a trail can hold; without one nothing is entered, and nothing is recorded."""
    with pytest.raises(ReasonRequired, match="X-Support-Reason"):
        kit.identify(coming(of_support(kit), reason=reason))
    with pytest.raises(ReasonRequired):
        kit.require_support(coming(of_support(kit), reason=reason))
    assert [] == entries(kit, acme)


@pytest.mark.parametrize(
    "scope",
    ["", "superadmins", "SUPERADMIN", "super admin", ["superadmin"], {"superadmin": 1}, None, 1, True],
    ids=repr,
)
def test_whose_token_says_something_else_is_a_stranger(kit, acme, scope):
    """The word is compared letter by letter, among words; a claim of another shape is none."""
    token = kit.tokens.issue("cid", acme, scope=scope)
    with pytest.raises(NotAMember):
        kit.identify(coming(token))
    with pytest.raises(SupportRequired):
        kit.require_support(coming(token))


def test_where_there_is_no_support_the_claim_means_nothing(database):
    """A kit that was told of none knows none."""
    kit = make_kit(database, clock=FixedClock())
    try:
        acme = sign_up(kit, "acme")
        with pytest.raises(NotAMember):
            kit.identify(coming(of_support(kit, acme)))
        with pytest.raises(SupportRequired):
            kit.require_support(coming(of_support(kit, acme)))
    finally:
        kit.dispose()


def test_the_tenant_of_the_token_and_the_host_agree(kit, acme):
    """A token of the support that names a tenant opens that one, and not another's host."""
    bolt = sign_up(kit, "bolt")
    assert acme == kit.identify(coming(of_support(kit, acme))).tenant
    assert bolt == kit.identify(coming(of_support(kit, bolt), host=None)).tenant
    with pytest.raises(SourcesDisagree):
        kit.identify(coming(of_support(kit, bolt)))


def test_what_holds_for_all_holds_for_the_support(kit):
    """A suspended tenant is not served, and entry rules are asked."""
    rules = EntryRules(allow=("192.0.2.0/24",))
    acme = sign_up(kit, "acme", entry=rules)
    with pytest.raises(AddressRefused):
        kit.identify(coming(of_support(kit), client="203.0.113.1"))
    kit.identify(coming(of_support(kit), client="192.0.2.7"))
    with kit.unscoped_session(reason="bill", actor="test") as session:
        kit.directory.change_status(session, acme, "suspended")
        session.commit()
    with pytest.raises(TenantSuspended):
        kit.identify(coming(of_support(kit), client="192.0.2.7"))


def test_limits_hold_for_the_support(kit, acme):
    """A token that is good for some permissions is good for no more in its hands."""
    found = kit.identify(coming(of_support(kit, perm=[])))
    with pytest.raises(PermissionDenied):
        kit.access.authorizer.require(found, "documents:read")


def test_a_provider_of_one_tenant_has_no_support(database):
    """Tokens of an issuer that speaks of one tenant open no other, and do not make anybody the support of that one."""
    of_all, of_acme = (Provider(f"https://{name}.example/", P256, "ES256") for name in ("all", "acme"))
    mapped = ClaimMap(tenant="organization", further={"scope": "scp"})
    acme_id = UUID(int=1)
    trust = Trust(
        issuers=[of_all.issuer(claims=mapped), of_acme.issuer(claims=mapped, tenant=acme_id)], support=SUPPORT
    )
    kit = make_kit(database, trust=trust, clock=FixedClock())
    try:
        acme = sign_up(kit, "acme", tenant_id=acme_id)
        sign_up(kit, "bolt")
        with pytest.raises(NotAMember):
            kit.identify(coming(of_acme.token("cid", scp="superadmin")))
        with pytest.raises(SupportRequired):
            kit.require_support(coming(of_acme.token("cid", scp="superadmin")))
        assert acme == kit.identify(coming(of_all.token("cid", scp="superadmin"))).tenant
        with pytest.raises(NotAMember):  # a claim that is not mapped means nothing
            kit.identify(coming(of_all.token("cid", organization=str(acme_id), scope="superadmin")))
    finally:
        kit.dispose()


def test_an_api_key_is_never_the_supports(kit, acme):
    """A program of a tenant has its own tenant."""
    with kit.scope(acme):
        made = kit.api_keys.create("import", lifetime=60, roles=["writer"])
        kit.session().commit()
    with pytest.raises(SupportRequired):
        kit.require_support(coming(made.text))


def test_nobody_asks_for_all_tenants(kit):
    """Without a token it is a 401."""
    with pytest.raises(NotAuthenticated):
        kit.require_support(coming(None))


@pytest.mark.parametrize("scope", ["", " ", "two words", "a\tb"])
def test_the_scope_is_one_word(scope):
    """What no token could say is refused when configuring."""
    with pytest.raises(ConfigurationError, match="one word"):
        Support(scope=scope)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_roles_are_known(database):
    """A role that the matrix does not have is refused when the kit is made."""
    with pytest.raises(ConfigurationError, match="no role 'root'"):
        make_kit(database, trust=Trust(support=replace(SUPPORT, roles=["root"])))


def test_the_support_makes_no_key_that_may_more(database):
    """One without roles is not taken for a script, which may make any; a key would enter without a trace."""
    kit = make_kit(database, trust=Trust(support=Support()), clock=FixedClock())
    try:
        sign_up(kit, "acme")
        scope = kit.identify(coming(of_support(kit)))
        assert (frozenset(), None) == (scope.roles, scope.limits)
        with kit.entered(scope), pytest.raises(PermissionDenied, match="documents:read"):
            kit.api_keys.create("later", lifetime=60, roles=["writer"])
    finally:
        kit.dispose()


@pytest.mark.parametrize("perm", [[], ["documents:read"]])
def test_a_token_for_some_permissions_shows_not_all_tenants(kit, acme, perm):
    """None of them is for that."""
    with pytest.raises(SupportRequired, match="some permissions"):
        kit.require_support(coming(of_support(kit, perm=perm)))


def test_a_reason_is_kept_as_it_was_written(kit, acme):
    """Servers hand headers on as bytes in letters; what is UTF-8 is read as that, and what is not stays."""
    for given, kept in (
        ("Prüfung".encode().decode("latin-1"), "Prüfung"),
        ("caf\xe9", "café"),
        ("ticket 7", "ticket 7"),
    ):
        kit.identify(coming(of_support(kit), reason=given))
        assert kept == entries(kit, acme)[0][1]
