"""The places of a request that can name a tenant, and how they are put together."""

import warnings
from types import SimpleNamespace
from urllib.parse import quote, urlencode, urljoin, urlsplit

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
    SourceRetired,
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
    Retired,
    Session,
    Silent,
    TokenClaim,
    agree,
    changeover,
    client_of,
    first,
)

PROXY, STRANGER = "10.0.0.7", "203.0.113.9"
UA, HA = Tenant(1, "ua"), Tenant(2, "ha")
GOOD = {"sub": "ann", "org": "1"}
KEY = Named("id", "1", "API key", authenticated=True)


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
    return resolver.settle(resolver.read(request, claims), lookup(**directory)).tenant


def read(source, request, claims):
    """Return what a source names; None where it is silent, and where its place is not there."""
    said = source.read(request, claims)
    return said if isinstance(said, Named) else None


# claims and domains -------------------------------------------------------------------------------------------


def test_a_claim_can_hold_the_slug():
    """Where a provider knows tenants by their slugs."""
    assert Named("slug", "ua", "token claim 'org'", authenticated=True) == read(
        TokenClaim("org", by="slug"), seen(), {"org": "ua"}
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
    found = read(CustomDomain("Example.com", "test"), seen(host=host), {})
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
    found = read(PathPrefix("/t/{tenant}"), seen(path=path), {})
    assert slug == (found and found.value)


def test_a_part_further_on():
    """The pattern can go on."""
    source = PathPrefix("/{tenant}/api")
    assert "ua" == read(source, seen(path="/ua/api/notes"), {}).value
    assert read(source, seen(path="/ua/admin"), {}) is None
    assert read(source, seen(path="/ua"), {}) is None


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
    assert "ua" == read(Header("X-Tenant"), seen({"x-tenant": "ua"}), {}).value
    named = read(
        Header("X-Tenant-Id", by="id"), seen({"x-tenant-id": "01900000-0000-7000-8000-000000000001"}), {}
    )
    assert ("id", False) == (named.by, named.authenticated)
    assert read(Header("X-Tenant"), seen(), {}) is None


@pytest.mark.parametrize("value", ["", "UA", "ua, ha", "ua,ua", " ua", "ua ", "u\u00e4", "ua\0", "a" * 64])
@pytest.mark.parametrize("source", [Header("X-Tenant"), QueryParam("tenant")], ids=["header", "query"])
def test_what_is_no_slug_is_refused(source, value):
    """It is a 400, and no tenant that is spelled otherwise; nor is one of several."""
    request = seen({"x-tenant": value}, query=urlencode({"tenant": value}))
    with pytest.raises(SourceMalformed):
        read(source, request, {})


@pytest.mark.parametrize("value", ["", "a" * 65, "1, 2", "' OR 1=1 --", "\ud800"])
def test_what_is_no_id_is_refused(value):
    """Before anybody looks it up."""
    with pytest.raises(SourceMalformed):
        read(Header("X-Tenant", by="id"), seen({"x-tenant": value}), {})


@pytest.mark.parametrize(
    ("peer", "believed"),
    [(PROXY, True), ("10.0.1.1", False), (STRANGER, False), (None, False), ("unix:", False), ("::1", True)],
)
def test_a_header_that_a_proxy_writes(peer, believed):
    """It counts, and is authenticated, from the proxy; from elsewhere it is not read at all."""
    source = Header("X-Tenant", trusted=["10.0.0.0/24", "::1"])
    assert source.authenticated
    found = read(source, seen({"x-tenant": "ua"}, peer=peer), {})
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
    found = read(QueryParam("tenant"), seen(query=query), {})
    assert slug == (found and found.value)


@pytest.mark.parametrize(
    "query", ["tenant=ua&tenant=ha", "tenant=ua&tenant=ua", "tenant", "tenant=", "&".join(["a=1"] * 101)]
)
def test_queries_that_are_refused(query):
    """Several of the name, none at all, and more parameters than anybody needs."""
    with pytest.raises(SourceMalformed):
        read(QueryParam("tenant"), seen(query=query), {})


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
    with pytest.raises(TenantRequired, match=r"Host\(.*\): absent; Header\('X-Tenant'\): absent"):
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
    evidence = resolver.read(seen(host="ha.localhost"), {}, vouched=KEY)
    assert ["1", "ha"] == [named.value for named in evidence.spoken]
    with pytest.raises(SourcesDisagree, match="The API key and host name different tenants"):
        resolver.settle(evidence, lookup())
    assert (KEY,) == resolver.read(seen(), {}, vouched=KEY).spoken


@pytest.mark.parametrize(
    "resolver",
    [
        agree(TokenClaim("org"), Host("{tenant}.localhost")),
        first(TokenClaim("org"), Host("{tenant}.localhost")),
    ],
    ids=["agree", "first"],
)
def test_who_is_trusted_may_name_any_tenant(resolver):
    """The support has no tenant of its own: whatever place names one counts, and nothing is nobody's."""
    claims = {"sub": "ann", "scope": "superadmin"}
    evidence = resolver.read(seen(host="ha.localhost"), claims, trusted=True)
    assert (HA, "host") == ((found := resolver.settle(evidence, lookup())).tenant, found.resolved_by)
    with pytest.raises(TenantRequired):
        resolver.read(seen(), claims, trusted=True)


def test_a_default_contradicts_nobody():
    """It stands in for whom nobody named, and an API key names its tenant."""
    with pytest.warns(RuntimeWarning, match="Leave it out"):
        resolver = first(TokenClaim("org"), Default("ha"))
    assert (KEY,) == resolver.read(seen(), {}, vouched=KEY).spoken


def test_what_each_source_said():
    """Sources that name a tenant, are silent, and are absent are told apart; those that were not asked are not told."""
    proxied = Header("X-Tenant", trusted=[PROXY])
    resolver = agree(
        TokenClaim("org"),
        Host("{tenant}.localhost"),
        proxied,
        first(QueryParam("t"), PathPrefix("/t/{tenant}")),
    )
    request = seen({"x-tenant": "ha"}, host="www.localhost", query="t=ua", path="/t/ha", peer=STRANGER)
    evidence = resolver.read(request, GOOD)
    assert (
        "TokenClaim('org'): id '1'",
        "Host('{tenant}.localhost'): silent (the label is reserved)",
        "Header('X-Tenant'): silent (it comes from nobody who is trusted)",
        "QueryParam('t'): slug 'ua'",
    ) == evidence.told
    resolution = resolver.settle(evidence, lookup())
    assert (UA, "token claim 'org' and query parameter 't'") == (resolution.tenant, resolution.resolved_by)


@pytest.mark.parametrize(
    ("source", "request_", "claims", "why"),
    [
        (TokenClaim("org"), seen(), {"sub": "ann"}, "the token has no such claim"),
        (TokenClaim("org"), seen(), {}, None),
        (Host("{tenant}.localhost"), seen(host="other.example"), {}, "it is another host"),
        (Host("{tenant}.localhost"), seen(host="a.b.localhost"), {}, "it is another host"),
        (Host("{tenant}.localhost"), seen(host="ua-.localhost"), {}, "the label is no slug"),
        (Host("{tenant}.localhost"), seen(), {}, None),
        (CustomDomain("example.com"), seen(host="www.example.com"), {}, "it is the application's own"),
        (
            CustomDomain("example.com"),
            seen(host="127.0.0.1"),
            {},
            "it is an address, or the name of a machine",
        ),
        (CustomDomain("example.com"), seen(), {}, None),
        (PathPrefix("/t/{tenant}"), seen(path="/t/A B"), {}, "what stands there is no slug"),
        (PathPrefix("/t/{tenant}"), seen(path="/other"), {}, None),
        (Session("tenant"), seen(session=lambda: {"other": 1}), {}, "it holds no such value"),
        (Session("tenant"), seen(session=lambda: {"tenant": ""}), {}, "it holds no such value"),
        (Session("tenant"), seen(), {}, None),
    ],
)
def test_silent_is_not_absent(source, request_, claims, why):
    """A place that is there and names no tenant says why; one that is not there is None."""
    assert source.read(request_, claims) == (None if why is None else Silent(why))


def test_a_refusal_says_what_was_heard():
    """The trail has it, whichever refusal it is; the message of a disagreement names no tenant."""
    resolver = agree(TokenClaim("org"), Host("{tenant}.localhost"))
    with pytest.raises(SourcesDisagree) as caught:
        settled(resolver, seen(host="ha.localhost"))
    assert ("TokenClaim('org'): id '1'", "Host('{tenant}.localhost'): slug 'ha'") == caught.value.heard
    assert not {"ua", "ha"} & set(caught.value.message.split())
    with pytest.raises(TenantRequired) as caught:
        resolver.read(seen(host="ha.localhost"), {"sub": "ann"})
    assert "TokenClaim('org'): silent (the token has no such claim)" == caught.value.heard[0]


# sessions -------------------------------------------------------------------------------------------------------


def test_a_session():
    """What the server keeps of a client is authenticated: it can stand in an agreement alone."""
    resolver = agree(Session("tenant"))
    assert HA == settled(resolver, seen(session=lambda: {"tenant": "ha"}), {"sub": "ann"})
    by_id = agree(Session("tenant_id", by="id"))
    assert UA == settled(by_id, seen(session=lambda: {"tenant_id": 1}), {"sub": "ann"})
    with pytest.raises(SourceMalformed):
        settled(resolver, seen(session=lambda: {"tenant": "A B"}), {"sub": "ann"})


# names of before ------------------------------------------------------------------------------------------------


def renamed(*, old):
    """Return a directory in which the tenant `ha` was called otherwise before."""
    return SimpleNamespace(by_slug=lambda slug: HA if slug in ("ha", old) else None, by_id=lambda _id: UA)


def location_of(resolver, request):
    """Return where a request by a name of before belongs, or None where it is served."""
    found = resolver.settle(resolver.read(request, {"sub": "ann"}), renamed(old="old"))
    assert HA == found.tenant
    return found.by_old_slug and found.by_old_slug.moved(found.tenant.slug)


@pytest.mark.parametrize(
    ("source", "request_", "location"),
    [
        (Host("{tenant}.localhost"), {"host": "old.localhost"}, "//ha.localhost/"),
        (
            Host("{tenant}.example.com"),
            {"host": "OLD.example.com:8443", "path": "/a b/\u00e4;x=1", "query": "q=%C3%A4&r=1"},
            "//ha.example.com:8443/a%20b/%C3%A4;x=1?q=%C3%A4&r=1",
        ),
        (
            Host("{tenant}.localhost"),
            {"host": "old.localhost", "path": "//evil.example/x"},
            "//ha.localhost/evil.example/x",
        ),
        (
            Host("{tenant}.localhost"),
            {"host": "old.localhost", "path": "/\r\nSet-Cookie: a", "query": "\r\nb: c"},
            "//ha.localhost/%0D%0ASet-Cookie:%20a?%0D%0Ab:%20c",
        ),
        (PathPrefix("/t/{tenant}"), {"path": "/t/old/notes", "query": "page=2"}, "/t/ha/notes?page=2"),
        (PathPrefix("/{tenant}"), {"path": "/old//evil.example"}, "/ha//evil.example"),
        (PathPrefix("/t/{tenant}"), {"path": "/t/old/x", "mount": "/app"}, "/app/t/ha/x"),
        (
            Host("{tenant}.localhost"),
            {"host": "old.localhost", "path": "/x", "mount": "/app"},
            "//ha.localhost/app/x",
        ),
    ],
)
def test_a_name_of_before_leads_on(source, request_, location):
    """The request is sent where it belongs, to the same path and query, and to no other place that it could spell."""
    assert location == location_of(first(source), seen(**request_))


@pytest.mark.hostile
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_redirect_leads_to_the_tenants_host(path, query):
    """Whatever stands in path and query, the place is the tenant's host, and the header is one line of ASCII."""
    location = location_of(
        first(Host("{tenant}.localhost")), seen(host="old.localhost:81", path=path, query=query)
    )
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location
    assert "ha.localhost:81" == urlsplit(urljoin("https://old.localhost:81/x", location)).netloc


@pytest.mark.hostile
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_redirect_to_a_path_stays_on_the_host(rest, query):
    """The same for a slug in the path: what follows it leads to no other host."""
    location = location_of(first(PathPrefix("/{tenant}")), seen(path=f"/old/{rest}", query=query))
    assert location.startswith("/ha/")
    assert "this.example" == urlsplit(urljoin("https://this.example/x", location)).netloc


@pytest.mark.parametrize(
    "source",
    [Host("{tenant}.localhost", redirects=False), Header("X-Tenant")],
    ids=["switched off", "header"],
)
def test_a_name_of_before_that_is_served(source):
    """Where nobody is to be sent on, and where there is no address to send to, it names its tenant."""
    assert location_of(first(source), seen({"x-tenant": "old"}, host="old.localhost")) is None


def test_a_stranger_learns_no_new_name():
    """Who disagrees with the token is refused, and not sent on."""
    resolver = agree(TokenClaim("org"), Host("{tenant}.localhost"))
    with pytest.raises(SourcesDisagree):
        resolver.settle(resolver.read(seen(host="old.localhost"), GOOD), renamed(old="old"))


# from one way to another ------------------------------------------------------------------------------------------

OVER = changeover(old=Header("X-Org"), new=TokenClaim("org"))


@pytest.mark.parametrize(
    ("headers", "claims", "tenant", "by"),
    [
        ({}, GOOD, UA, "token claim 'org'"),
        ({"x-org": "ua"}, GOOD, UA, "token claim 'org'"),
        ({"x-org": "ha"}, GOOD, UA, "token claim 'org'"),
        ({"x-org": "ha"}, {"sub": "ann"}, HA, "header X-Org"),
    ],
)
def test_both_ways_are_accepted(headers, claims, tenant, by):
    """Where the new one speaks it counts; where it does not, the old one does."""
    found = OVER.settle(OVER.read(seen(headers), claims), lookup())
    assert (tenant, by) == (found.tenant, found.resolved_by)


@pytest.mark.parametrize(
    ("header", "logged"), [("ua", []), ("ha", ["ha"]), ("nobody", [None])], ids=["same", "other", "unknown"]
)
def test_a_difference_is_logged(header, logged, caplog):
    """The log says that the old way named another tenant, or none that exists, and which one."""
    with caplog.at_level("WARNING", "tenantkit.resolution"):
        evidence = OVER.read(seen({"x-org": header}), GOOD)
        OVER.settle(evidence, lookup())
    assert logged == [record.other for record in caplog.records]
    assert f"Header('X-Org'): slug {header!r}, compared only" == evidence.told[0]


def test_neither_way():
    """Nothing names a tenant then, as ever."""
    with pytest.raises(TenantRequired):
        OVER.read(seen(), {"sub": "ann"})


@pytest.mark.parametrize(
    "resolver",
    [
        agree(changeover(old=TokenClaim("org"), new=Header("X-Org"))),
        agree(changeover(old=TokenClaim("org"), new=Header("X-Org")), Host("{tenant}.localhost")),
    ],
)
def test_an_agreement_rests_on_what_decides(resolver):
    """A claim that is only compared carries nothing: a header does not decide against it."""
    with pytest.raises(TenantRequired):
        resolver.read(seen({"x-org": "ha"}, host="ha.localhost"), GOOD)
    assert UA == settled(resolver, seen(host="ua.localhost"))


def test_only_single_sources_are_retired():
    """Several are refused when configuring, each by itself can be retired."""
    with pytest.raises(ConfigurationError, match="one source"):
        Retired(first(Header("X-Org")))


def test_what_is_retired_is_refused():
    """A request that still names its tenant in the old way is told so; silence and absence are not."""
    resolver = agree(TokenClaim("org"), Retired(Header("X-Org")))
    assert UA == settled(resolver, seen())
    with pytest.raises(SourceRetired, match="header X-Org"):
        settled(resolver, seen({"x-org": "ua"}))
    assert "agree(TokenClaim('org'), Retired(Header('X-Org')))" == repr(resolver)


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
            named = read(source, request, {"sub": "ann"})
        except (SourceMalformed, HostMalformed):  # both are a 400
            continue
        if named is not None and named.by == "slug":
            assert is_slug(named.value)
            assert any(named.value in text for text in (host.lower(), path, query, header)) or "%" in query
