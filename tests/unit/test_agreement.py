"""How sources settle on one tenant."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tenantkit import Tenant
from tenantkit.exceptions import (
    ConfigurationError,
    HostMalformed,
    NotAuthenticated,
    SourcesDisagree,
    TenantRequired,
    TenantSuspended,
    TokenInvalid,
    UnknownTenant,
)
from tenantkit.resolution import Host, Named, RequestView, TokenClaim, agree

UA, HA = Tenant(1, "ua"), Tenant(2, "ha")
BOTH = agree(TokenClaim("org"), Host("{tenant}.localhost"))
GOOD = {"sub": "ann", "org": "1"}


def lookup(*tenants):
    """Return a directory of these tenants that remembers what was asked."""
    asked = []

    def found(key, value):
        asked.append((key, value))
        return next((tenant for tenant in tenants if str(getattr(tenant, key)) == value), None)

    return SimpleNamespace(
        asked=asked,
        by_slug=lambda slug: found("slug", slug),
        by_id=lambda tenant_id: found("id", tenant_id),
    )


def settled(host, claims, directory=None):
    """Return the tenant that a request's host and claims settle on."""
    return BOTH.settle(BOTH.read(RequestView(host=host), claims), directory or lookup(UA, HA)).tenant


@pytest.mark.parametrize("sources", [(), (Host("{tenant}.x"),), (Host("{tenant}.x"), Host("{tenant}.y"))])
def test_an_authenticated_source_is_needed(sources):
    """Sources that a client can choose are not enough: refused when configuring."""
    with pytest.raises(ConfigurationError, match=r"agree\(\) needs a source that the client cannot choose"):
        agree(*sources)


@pytest.mark.parametrize("host", ["ua.localhost", "UA.localhost:80", "localhost", "other.example", None, ""])
def test_sources_that_speak_agree(host):
    """A token alone, or a token and the host of the same tenant, settle on it."""
    assert UA == settled(host, GOOD)


def test_each_source_costs_one_look_up():
    """Each source that speaks is looked up once."""
    directory = lookup(UA, HA)
    settled("ua.localhost", GOOD, directory)
    assert [("id", "1"), ("slug", "ua")] == directory.asked


def test_sources_that_disagree_are_refused():
    """A token of one tenant on the host of another is refused; the message names both places."""
    with pytest.raises(SourcesDisagree, match="The token claim 'org' and host name different tenants"):
        settled("ha.localhost", GOOD)


def test_the_order_of_sources_does_not_matter():
    """Which source is asked first makes no difference to the refusal."""
    turned = agree(Host("{tenant}.localhost"), TokenClaim("org"))
    with pytest.raises(SourcesDisagree):
        turned.settle(turned.read(RequestView(host="ha.localhost"), GOOD), lookup(UA, HA))


@pytest.mark.parametrize("host", ["ua.localhost", "ha.localhost", "none.localhost", "localhost", None])
def test_a_host_alone_is_nobody(host):
    """Without a token a request is not authenticated, whether or not its host names a tenant."""
    with pytest.raises(NotAuthenticated, match="Authorization: Bearer"):
        BOTH.read(RequestView(host=host), {})


def test_a_token_without_a_tenant_is_told_so():
    """A good token that names no tenant is a problem of the tenant and not of the token."""
    for host in ("localhost", "ua.localhost"):
        with pytest.raises(
            TenantRequired, match=r"TokenClaim\('org'\): silent .*; Host\('{tenant}.localhost'\): "
        ):
            BOTH.read(RequestView(host=host), {"sub": "ann"})


@pytest.mark.parametrize("claim", [1, True, ["1"], {"id": "1"}, "", 1.0, 0, False], ids=repr)
def test_a_claim_of_another_shape_is_refused(claim):
    """The claim is the text of an id; anything else makes the token invalid."""
    with pytest.raises(TokenInvalid, match="'org'"):
        BOTH.read(RequestView(), {"sub": "ann", "org": claim})


def test_a_malformed_host_is_refused_with_a_good_token():
    """A token does not make a malformed host good."""
    with pytest.raises(HostMalformed):
        BOTH.read(RequestView(host="evil.com:80@ua.localhost"), GOOD)


@pytest.mark.parametrize(
    ("host", "claims", "place"),
    [("none.localhost", GOOD, "host"), ("ua.localhost", GOOD | {"org": "3"}, "token claim 'org'")],
)
def test_unknown_tenants_are_refused(host, claims, place):
    """A source that names a tenant that does not exist is refused; the message names the place and not the name."""
    with pytest.raises(UnknownTenant, match=f"The {place} names a tenant that does not exist") as caught:
        settled(host, claims)
    assert "none" not in caught.value.message


def test_suspended_tenants_are_refused():
    """A suspended tenant is not served."""
    with pytest.raises(TenantSuspended, match="'ua' is suspended"):
        settled("ua.localhost", GOOD, lookup(replace(UA, status="suspended"), HA))


def test_disagreement_comes_before_suspension():
    """Whether another tenant is suspended is not told to those who sign in elsewhere."""
    with pytest.raises(SourcesDisagree):
        settled("ha.localhost", GOOD, lookup(UA, replace(HA, status="suspended")))


def test_a_source_may_be_anybodys():
    """Any object with `authenticated` and `read` is a source."""
    proxy = SimpleNamespace(
        authenticated=True, read=lambda _host, _claims: Named("slug", "ha", "proxy", authenticated=True)
    )
    found = agree(proxy)
    assert HA == found.settle(found.read(RequestView(), {}), lookup(UA, HA)).tenant
