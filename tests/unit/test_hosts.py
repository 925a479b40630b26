"""The host name as a source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError, HostMalformed
from tenantkit.resolution import Host, Named, RequestView

HOST = Host("{tenant}.localhost")


def read(source, request, claims):
    """Return what a source names; None where it is silent, and where its place is not there."""
    said = source.read(request, claims)
    return said if isinstance(said, Named) else None


NAMES = {
    "plain": "ua.localhost",
    "with a port": "ua.localhost:8000",
    "port of one digit": "ua.localhost:1",
    "highest port": "ua.localhost:65535",
    "upper case": "UA.LocalHost:80",
}
OTHER = {
    "empty": "",
    "another host": "ua.example.com",
    "no tenant": "localhost",
    "one label more": "x.ua.localhost",
    "the place of another label": "localhost.ua",
    "an IPv4 address": "127.0.0.1:8000",
    "reserved www": "www.localhost",
    "reserved api": "API.localhost:80",
    "ends alike": "ua.notlocalhost",
    "an empty label": "ua..localhost",
    "hyphen last": "ua-.localhost",
    "a label of 64": f"{'a' * 64}.localhost",
}
MALFORMED = {
    "user and port before": "evil.com:80@ua.localhost",
    "user before": "evil@ua.localhost",
    "no port after the colon": "ua.localhost:",
    "two ports": "ua.localhost:80:80",
    "port of letters": "ua.localhost:http",
    "port below zero": "ua.localhost:-1",
    "port of six digits": "ua.localhost:100000",
    "port of other digits": "ua.localhost:\u0661\u0662",
    "IPv6 literal": "[::1]:8000",
    "IPv6 literal without brackets": "::1",
    "IPv4 in IPv6": "[::ffff:127.0.0.1]",
    "dot at the end": "ua.localhost.",
    "dot at the beginning": ".ua.localhost",
    "hyphen at the beginning": "-ua.localhost",
    "underscore": "u_a.localhost",
    "underscore in another host": "a_b.example.com",
    "umlaut": "\u00fca.localhost",
    "full width": "\uff55\uff41.localhost",
    "full width dot": "ua\uff0elocalhost",
    "scheme": "http://ua.localhost",
    "path": "ua.localhost/",
    "query": "ua.localhost?x",
    "fragment": "ua.localhost#x",
    "backslash": "evil.com\\.localhost",
    "percent": "ua%2elocalhost",
    "space at the end": "ua.localhost ",
    "space": "ua .localhost",
    "tabulator": "ua.local\thost",
    "line feed at the end": "ua.localhost\n",
    "header injected": "ua.localhost\r\nX: y",
    "NUL": "ua.localhost\0",
    "two hosts": "ua.localhost, ha.localhost",
    "wildcard": "*.localhost",
    "template": "{tenant}.localhost",
    "254 characters": "a." * 122 + "localhost0",
    "10 kB": f"{'a' * 10_240}.localhost",
    "10 kB of dots": "." * 10_240,
}


def test_the_longest_host():
    """A host name has at most 253 characters, whatever the port."""
    longest = "a." * 126 + "a"
    assert (253, 254) == (len(longest), len(MALFORMED["254 characters"]))
    assert read(HOST, RequestView(host=f"{longest}:65535"), {}) is None


@pytest.mark.parametrize("host", NAMES.values(), ids=NAMES)
def test_the_label_names_the_tenant(host):
    """The label in the place of {tenant} names the tenant by its slug; a client could have chosen it."""
    assert Named("slug", "ua", "host", authenticated=False) == read(HOST, RequestView(host=host), {})


@pytest.mark.parametrize("host", [None, *OTHER.values()], ids=["none", *OTHER])
def test_another_host_names_nobody(host):
    """A host name of another shape says nothing."""
    assert read(HOST, RequestView(host=host), {}) is None


@pytest.mark.parametrize("host", MALFORMED.values(), ids=MALFORMED)
def test_malformed_hosts_are_refused(host):
    """What is no host name with an optional port is refused, and is not repeated in the message."""
    with pytest.raises(HostMalformed) as caught:
        read(HOST, RequestView(host=host), {})
    assert "The Host header is not a host name with an optional port." == caught.value.message


@pytest.mark.parametrize("letter", "\u0130\u0131\u017f\u212a", ids=ascii)
def test_letters_that_fold_to_ascii_are_malformed(letter):
    """A letter that only equals an ASCII letter when case is ignored is no letter of a host name."""
    with pytest.raises(HostMalformed):
        read(HOST, RequestView(host=f"u{letter}.localhost"), {})


@pytest.mark.parametrize("port", [65_536, 99_999])
def test_ports_end_at_65535(port):
    """A port that cannot exist makes a host malformed."""
    with pytest.raises(HostMalformed):
        read(HOST, RequestView(host=f"ua.localhost:{port}"), {})


HOSTS = st.one_of(
    st.text(max_size=300),
    st.text("abz09.-_:@[]{}/\\\0\n\r \u00e4\u212a\u0131%", max_size=30),
    st.builds("{}.localhost{}".format, st.text(max_size=70), st.sampled_from(["", ":80", ":", "\n", "."])),
    st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")),
    st.from_regex(r"[a-z0-9-]{1,66}\.localhost(:[0-9]{0,6})?", fullmatch=True),
)


@pytest.mark.hostile
@given(HOSTS)
def test_any_header_is_read_refused_or_passed_by(host):
    """Whatever a client sends as Host gives None, a valid slug, or HostMalformed, and nothing else."""
    try:
        named = read(HOST, RequestView(host=host), {})
    except HostMalformed:
        return
    assert named is None or (is_slug(named.value) and named.by == "slug" and not named.authenticated)


@pytest.mark.hostile
@given(HOSTS)
def test_a_slug_is_what_the_host_says(host):
    """The slug is never made up: it is the first label of the header in lower case."""
    try:
        named = read(HOST, RequestView(host=host), {})
    except HostMalformed:
        return
    assert named is None or named.value == host.split(".")[0].lower()


def test_the_place_may_be_any_label():
    """The tenant may stand in the middle of a name, and letters of the pattern are taken in any case."""
    host = Host("App.{tenant}.Example.com")
    assert "ua" == read(host, RequestView(host="app.ua.example.com"), {}).value
    assert "ua" == read(Host("{tenant}"), RequestView(host="ua"), {}).value
    assert read(host, RequestView(host="other.ua.example.com"), {}) is None


def test_reserved_labels_can_be_chosen():
    """The labels that name no tenant are the application's choice."""
    host = Host("{tenant}.localhost", reserved=("admin",))
    assert read(host, RequestView(host="admin.localhost"), {}) is None
    assert "www" == read(host, RequestView(host="www.localhost"), {}).value


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "example.com",
        "{tenant}.{tenant}",
        "x{tenant}.com",
        "{tenant}x.com",
        "{org}.com",
        "{tenant}.{x}",
    ],
)
def test_patterns_have_one_place(pattern):
    """A pattern has {tenant} exactly once, as a whole label, and beside it nothing in braces."""
    with pytest.raises(ConfigurationError, match="as one whole label"):
        Host(pattern)


@pytest.mark.parametrize(
    "pattern", ["{tenant}.localhost:8000", "{tenant}.localhost.", "{tenant}.b\u00fccher.example"]
)
def test_patterns_that_match_nothing_are_refused(pattern):
    """A pattern that no host name can match is refused when it is made, not silent at each request."""
    with pytest.raises(ConfigurationError):
        Host(pattern)


def test_a_source_shows_its_pattern():
    """In messages a source is spelled as it was made."""
    assert "Host('{tenant}.localhost')" == repr(HOST)
