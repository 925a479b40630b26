"""Which addresses may enter."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantkit.core.tenant import EntryRules
from tenantkit.directory import check_networks, is_admitted, read_address
from tenantkit.exceptions import InvalidValue

OFFICE, LAPTOP, SIX = "192.0.2.0/24", "198.51.100.7", "2001:db8::/32"


@pytest.mark.parametrize(
    ("client", "admitted"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:192.0.2.1", True),
        ("::ffff:192.0.3.1", False),
        ("::192.0.2.1", False),
        ("fe80::1%eth0", False),
        (None, False),
        ("", False),
        ("unknown", False),
        ("192.0.2.1:80", False),
        ("192.0.2.01", False),
        ("0x7f.1", False),
        ("3221225985", False),
        ("192.0.2.1\n", False),
    ],
)
def test_an_allow_list(client, admitted):
    """Who is in it may enter, by IPv4, by IPv6, and by IPv4 within IPv6; who is not, or is nowhere, may not."""
    assert admitted == is_admitted(EntryRules(allow=(OFFICE, LAPTOP, SIX)), client)


@pytest.mark.parametrize(
    ("client", "admitted"),
    [
        ("192.0.2.9", False),
        ("::ffff:192.0.2.9", False),
        ("192.0.3.9", True),
        (None, False),
        ("unknown", False),
    ],
)
def test_a_deny_list(client, admitted):
    """Who is in it may not enter; nor who might be, since nobody knows where they are."""
    assert admitted == is_admitted(EntryRules(deny=(OFFICE,)), client)


def test_the_deny_list_wins():
    """An address in both may not enter."""
    rules = EntryRules(allow=(OFFICE,), deny=("192.0.2.9",))
    assert (True, False) == (is_admitted(rules, "192.0.2.8"), is_admitted(rules, "192.0.2.9"))


@pytest.mark.parametrize("client", [None, "192.0.2.1", "nonsense"])
def test_without_lists_everybody_may(client):
    """A tenant that says nothing asks for nothing."""
    assert is_admitted(EntryRules(), client)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2",
        "localhost",
        "*",
        "2001:db8::/129",
        "192.0.2.0/255.0.255.0",
        "::ffff:192.0.2.0/120",
        "::ffff:192.0.2.1",
        "1",
    ],
)
@pytest.mark.parametrize("field", ["allow", "deny"])
def test_what_is_no_network_is_refused(field, text):
    """A list that holds something else is refused when it is set, and says what and in which list."""
    with pytest.raises(InvalidValue) as caught:
        check_networks(EntryRules(**{field: (OFFICE, text)}))
    assert field == caught.value.field


def test_networks_are_accepted():
    """Addresses and networks of both kinds."""
    check_networks(EntryRules(allow=(OFFICE, LAPTOP, SIX, "::1", "0.0.0.0/0"), deny=("::/0",)))
    check_networks(None)


@pytest.mark.hostile
@given(st.text() | st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:.%/]{0,45}"))
@example("%")
@example("1" * 5000)
def test_any_text_is_read(text):
    """Whatever a client is called, it is an address or none, and enters no list that does not name it."""
    address = read_address(text)
    assert address is None or read_address(str(address)) == address
    assert not is_admitted(EntryRules(allow=("203.0.113.77/32",)), text) or str(address) == "203.0.113.77"
