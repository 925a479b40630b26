"""The places of a request that can name a tenant, and how they are put together."""

import warnings
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit import Tenant
from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import (
    ConfigurationError,
    HostMalformed,
    NotAuthenticated,
    SourceMalformed,
    SourcesDisagree,
    TenantRequired,
    UnknownTenant,
)
from tenantkit.resolution import (
    CustomDomain,
    Default,
    Header,
    Host,
    Named,
    PathPrefix,
    QueryParam,
    RequestView,
    TokenClaim,
    agree,
    client_of,
    first,
)

PROXY, STRANGER = "10.0.0.7", "203.0.113.9"
UA, HA = Tenant(1, "ua"), Tenant(2, "ha")
GOOD = {"sub": "ann", "org": "1"}


def seen(headers=None, **facts):
    """Return what sources see of a request."""
    return RequestView(**facts, header=(headers or {}).get)


def lookup(*, domains=()):
    """Return a directory of two tenants, and the domains that they brought."""
    return SimpleNamespace(
        by_slug=lambda slug: next((one for one in (UA, HA) if one.slug == slug), None),
        by_id=lambda tenant_id: next((one for one in (UA, HA) if str(one.id) == tenant_id), None),
        by_domain=lambda domain: dict(domains).get(domain),
    )


def settled(resolver, request, claims=GOOD, **directory):
    """Return the tenant that a request settles on."""
    return resolver.settle(resolver.read(request, claims), lookup(**directory))


# claims and domains -------------------------------------------------------------------------------------------


def test_a_claim_can_hold_the_slug():
    """Where a provider knows tenants by their slugs."""
    assert Named("slug", "ua", "token claim 'org'", authenticated=True) == TokenClaim("org", by="slug").read(
        seen(), {"org": "ua"}
    )


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("shop.acme.example", "shop.acme.example"),
        ("SHOP.acme.example:8443", "shop.acme.example"),
        ("example.com", None),
        ("ua.example.com", None),
        ("a.b.example.com:80", None),
        ("notexample.com", "notexample.com"),
        ("other.test", None),
        ("localhost", None),
        ("127.0.0.1:8000", None),
        (None, None),
        ("", None),
    ],
)
def test_a_domain_that_a_tenant_brought(host, domain):
    """Every host but the application's own, addresses and names of machines is one to look up."""
    found = CustomDomain("Example.com", "test").read(seen(host=host), {})
    assert domain == (found and found.value)
    assert found is None or ("domain", False) == (found.by, found.authenticated)


def test_an_unknown_domain_is_an_unknown_tenant():
    """A host that nobody brought is no other tenant's."""
    resolver = first(CustomDomain("example.com"))
    request = seen(host="shop.acme.example")
    assert HA == settled(resolver, request, domains=[("shop.acme.example", HA)])
    with pytest.raises(UnknownTenant):
        settled(resolver, request)


# paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/t/ua", "ua"),
        ("/t/ua/", "ua"),
        ("/t/ua/notes/7", "ua"),
        ("/t/", None),
        ("/t", None),
        ("/", None),
        ("", None),
        ("/T/ua", None),
        ("/t/UA", None),
        ("/t//ua", None),
        ("//t/ua", None),
        ("/x/t/ua", None),
        ("/t/ua%2f..", None),
        ("/t/../ua", None),
        ("/t/ua;x", None),
        ("/t/u a", None),
        ("t/ua", None),
    ],
)
def test_a_part_of_the_path(path, slug):
    """The part names a tenant as it stands there; what begins otherwise or is no slug names none."""
    found = PathPrefix("/t/{tenant}").read(seen(path=path), {})
    assert slug == (found and found.value)


def test_a_part_further_on():
    """The pattern can go on."""
    source = PathPrefix("/{tenant}/api")
    assert "ua" == source.read(seen(path="/ua/api/notes"), {}).value
    assert source.read(seen(path="/ua/admin"), {}) is None
    assert source.read(seen(path="/ua"), {}) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "/",
        "/t",
        "t/{tenant}",
        "/t/{tenant}/",
        "/{tenant}/{tenant}",
        "/t-{tenant}",
        "/t//{tenant}",
        "/{x}/{tenant}",
    ],
)
def test_patterns_that_are_none(pattern):
    """They are errors when they are made."""
    with pytest.raises(ConfigurationError):
        PathPrefix(pattern)


# headers ------------------------------------------------------------------------------------------------------


def test_a_header():
    """Its name in any case; the slug, or the id."""
    assert "ua" == Header("X-Tenant").read(seen({"x-tenant": "ua"}), {}).value
    named = Header("X-Tenant-Id", by="id").read(
        seen({"x-tenant-id": "01900000-0000-7000-8000-000000000001"}), {}
    )
    assert ("id", False) == (named.by, named.authenticated)
    assert Header("X-Tenant").read(seen(), {}) is None


@pytest.mark.parametrize("value", ["", "UA", "ua, ha", "ua,ua", " ua", "ua ", "u\u00e4", "ua\0", "a" * 64])
@pytest.mark.parametrize("source", [Header("X-Tenant"), QueryParam("tenant")], ids=["header", "query"])
def test_what_is_no_slug_is_refused(source, value):
    """It is a 400, and no tenant that is spelled otherwise; nor is one of several."""
    request = seen({"x-tenant": value}, query=urlencode({"tenant": value}))
    with pytest.raises(SourceMalformed):
        source.read(request, {})


@pytest.mark.parametrize("value", ["", "a" * 65, "1, 2", "' OR 1=1 --", "\ud800"])
def test_what_is_no_id_is_refused(value):
    """Before anybody looks it up."""
    with pytest.raises(SourceMalformed):
        Header("X-Tenant", by="id").read(seen({"x-tenant": value}), {})


@pytest.mark.parametrize(
    ("peer", "believed"),
    [(PROXY, True), ("10.0.1.1", False), (STRANGER, False), (None, False), ("unix:", False), ("::1", True)],
)
def test_a_header_that_a_proxy_writes(peer, believed):
    """It counts, and is authenticated, from the proxy; from elsewhere it is not read at all."""
    source = Header("X-Tenant", trusted=["10.0.0.0/24", "::1"])
    assert source.authenticated
    found = source.read(seen({"x-tenant": "ua"}, peer=peer), {})
    assert believed == (found is not None and found.authenticated)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Header(""),
        lambda: Header("X Tenant"),
        lambda: Header("X-Tenant\n"),
        lambda: Header("Authorization"),
        lambda: Header("cookie"),
        lambda: Header("Host"),
        lambda: Header("X-Tenant", trusted=["proxy"]),
        lambda: Header("X-Tenant", trusted=["10.0.0.1/8"]),
        CustomDomain,
        lambda: CustomDomain(""),
        lambda: Default("A B"),
        first,
    ],
)
def test_sources_that_cannot_be(make):
    """They are errors when they are made."""
    with pytest.raises(ConfigurationError):
        make()


# queries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("tenant=ua", "ua"),
        ("a=1&tenant=ua&b=2", "ua"),
        ("tenant=u%61", "ua"),
        ("Tenant=ua", None),
        ("a=tenant%3Dua", None),
        ("", None),
    ],
)
def test_a_parameter_of_the_query(query, slug):
    """The one of the name, decoded as queries are."""
    found = QueryParam("tenant").read(seen(query=query), {})
    assert slug == (found and found.value)


@pytest.mark.parametrize(
    "query", ["tenant=ua&tenant=ha", "tenant=ua&tenant=ua", "tenant", "tenant=", "&".join(["a=1"] * 101)]
)
def test_queries_that_are_refused(query):
    """Several of the name, none at all, and more parameters than anybody needs."""
    with pytest.raises(SourceMalformed):
        QueryParam("tenant").read(seen(query=query), {})


# together -----------------------------------------------------------------------------------------------------


def test_the_first_that_speaks_is_believed():
    """Those behind it are not asked, so that they cannot contradict."""
    resolver = first(TokenClaim("org"), Host("{tenant}.localhost"), Header("X-Tenant"))
    request = seen({"x-tenant": "A B"}, host="ha.localhost")
    assert [UA, HA] == [settled(resolver, request, claims) for claims in (GOOD, {"sub": "ann"})]
    with pytest.raises(SourceMalformed):
        settled(resolver, seen({"x-tenant": "A B"}), {"sub": "ann"})


def test_when_nothing_speaks():
    """With a token the tenant is missing, without one the token is."""
    resolver = first(Host("{tenant}.localhost"), Header("X-Tenant"))
    with pytest.raises(TenantRequired, match=r"Host\(.*\), Header\('X-Tenant'\)"):
        resolver.read(seen(), {"sub": "ann"})
    with pytest.raises(NotAuthenticated):
        resolver.read(seen(), {})


def test_one_inside_the_other():
    """The token, or a trusted proxy's header, must agree with whatever host there is."""
    proxied = Header("X-Tenant", trusted=[PROXY])
    resolver = agree(
        first(TokenClaim("org"), proxied), first(Host("{tenant}.localhost"), CustomDomain("localhost"))
    )
    assert [TokenClaim, Header, Host, CustomDomain] == [type(source) for source in resolver.sources]
    by_proxy = seen({"x-tenant": "ha"}, host="ha.localhost", peer=PROXY)
    assert HA == settled(resolver, by_proxy, {"sub": "ann"})
    for request, claims in (
        (by_proxy, GOOD),
        (seen({"x-tenant": "ua"}, host="ha.localhost", peer=PROXY), {"sub": "ann"}),
    ):
        with pytest.raises(SourcesDisagree):
            settled(resolver, request, claims)
    with pytest.raises(TenantRequired):  # the host alone is nobody, and the header is a stranger's
        settled(resolver, seen({"x-tenant": "ha"}, host="ha.localhost", peer=STRANGER), {"sub": "ann"})


def test_an_agreement_that_does_not_hold_lets_the_next_one_speak():
    """A token without a tenant leaves it to the header, even where there is a host."""
    resolver = first(agree(TokenClaim("org"), Host("{tenant}.localhost")), Header("X-Tenant"))
    assert UA == settled(resolver, seen({"x-tenant": "ha"}, host="ua.localhost"))
    assert HA == settled(resolver, seen({"x-tenant": "ha"}, host="ua.localhost"), {"sub": "ann"})


@pytest.mark.parametrize(
    "resolver",
    [
        agree(TokenClaim("org"), Host("{tenant}.localhost")),
        first(TokenClaim("org"), Host("{tenant}.localhost")),
        first(agree(TokenClaim("org"), Host("{tenant}.localhost")), Header("X-Tenant")),
    ],
    ids=["agree", "first", "both"],
)
def test_where_somebody_vouches_everything_that_speaks_counts(resolver):
    """An API key names its tenant; a host that names another one contradicts it, though it is nobody by itself."""
    assert ["ha"] == [named.value for named in resolver.speak(seen(host="ha.localhost"), {}, vouched=True)]
    assert [] == resolver.speak(seen(), {}, vouched=True)


def test_a_default_contradicts_nobody():
    """It stands in for whom nobody named, and an API key names its tenant."""
    with pytest.warns(RuntimeWarning, match="Leave it out"):
        resolver = first(TokenClaim("org"), Default("ha"))
    assert [] == resolver.speak(seen(), {}, vouched=True)


def test_a_resolver_says_how_it_was_made():
    """As one writes it."""
    spelled = "first(agree(TokenClaim('org'), Host('{tenant}.localhost')), Header('X-Tenant'))"
    assert spelled == repr(first(agree(TokenClaim("org"), Host("{tenant}.localhost")), Header("X-Tenant")))


def test_a_default_warns():
    """It is for development, and says so; it speaks for whom nobody else does."""
    with pytest.warns(RuntimeWarning, match="Leave it out"):
        resolver = first(TokenClaim("org"), Default("ha"))
    assert [UA, HA] == [settled(resolver, seen(), claims) for claims in (GOOD, {"sub": "ann"})]


# where a request comes from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forwarded", "hops", "client"),
    [
        ("203.0.113.9", 0, PROXY),
        (None, 0, PROXY),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("203.0.113.9", 2, None),
        (None, 1, None),
        ("", 1, None),
        ("unknown", 1, None),
        ("203.0.113.9:1234", 1, "203.0.113.9"),
        ("[2001:db8::9]:443", 1, "2001:db8::9"),
        ("2001:db8::9", 1, "2001:db8::9"),
        ("203.0.113.9,", 1, None),
        ("203.0.113.09", 1, None),
    ],
)
def test_the_client_behind_so_many_proxies(forwarded, hops, client):
    """The address that the outermost of one's own proxies added; what a client wrote before it does not count."""
    assert client == client_of(PROXY, forwarded, hops)


# whatever is sent ---------------------------------------------------------------------------------------------

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    EVERYTHING = first(
        TokenClaim("org"),
        Host("{tenant}.localhost"),
        PathPrefix("/t/{tenant}"),
        Header("X-Tenant"),
        QueryParam("tenant"),
        CustomDomain("localhost"),
    )
TEXTS = st.text(max_size=40) | st.from_regex(r"[a-z0-9.:/\[\]-]{0,30}")


@pytest.mark.hostile
@given(
    TEXTS,
    TEXTS | TEXTS.map("/t/{}".format),
    TEXTS | TEXTS.map(lambda text: f"tenant={quote(text, errors='replace')}"),
    TEXTS,
    TEXTS,
    st.integers(0, 3),
)
def test_whatever_is_sent_names_exactly_a_tenant_or_none(host, path, query, header, forwarded, hops):
    """No request raises anything but our own refusal; what is named stands in the request, letter by letter."""
    client = client_of(PROXY, forwarded, hops)
    assert (
        client is None
        or client in (PROXY, *forwarded.replace("[", ",").replace("]", ",").split(","))
        or ":" in forwarded
    )
    request = seen({"x-tenant": header}, host=host, path=path, query=query)
    for source in EVERYTHING.sources:
        try:
            named = source.read(request, {"sub": "ann"})
        except (SourceMalformed, HostMalformed):  # both are a 400
            continue
        if named is not None and named.by == "slug":
            assert is_slug(named.value)
            assert any(named.value in text for text in (host.lower(), path, query, header)) or "%" in query
