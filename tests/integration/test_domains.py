"""Domains that tenants bring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.directory import normalize_domain
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue
from tests.integration.office import make_kit, sign_up

SHOP = "shop.acme.example"


@pytest.fixture
def acme(kit):
    """Give a tenant."""
    return sign_up(kit, "acme")


@pytest.fixture
def bolt(kit):
    """Give another one."""
    return sign_up(kit, "bolt")


@pytest.fixture
def anywhere(kit, acme, bolt):
    """Give a session over all tenants."""
    with kit.unscoped_session(reason="look at the directory", actor="admin") as session:
        yield session


def test_a_domain_is_a_tenants_once_it_is_verified(kit, acme, anywhere):
    """Until the record is in the DNS it leads nowhere; then it leads to the tenant, however it is spelled."""
    made = kit.domains.add(anywhere, acme, "Shop.ACME.example.")
    assert (SHOP, f"_tenantkit.{SHOP}") == (made.name, made.record_name)
    assert kit.domains.by_domain(anywhere, SHOP) is None
    verified = kit.domains.verify(anywhere, acme, SHOP, ["v=spf1 -all", f" {made.record} "])
    assert verified.verified_at is not None
    for spelled in (SHOP, SHOP.upper(), f"{SHOP}."):
        assert acme == kit.domains.by_domain(anywhere, spelled)
    assert [verified] == kit.domains.list_of(anywhere, acme)


@pytest.mark.parametrize(
    "records", [[], [""], ["tenantkit-verification="], ["\ud800"], ["TENANTKIT-VERIFICATION=X"]]
)
def test_without_the_record_it_is_nobodys(kit, acme, anywhere, records):
    """The message says which record is missing."""
    made = kit.domains.add(anywhere, acme, SHOP)
    with pytest.raises(InvalidValue, match=made.record):
        kit.domains.verify(anywhere, acme, SHOP, records)
    assert kit.domains.by_domain(anywhere, SHOP) is None


def test_several_may_say_it_and_one_shows_it(kit, acme, bolt, anywhere):
    """Who merely says that a domain is theirs keeps nobody from showing it; once it is shown, nobody else may."""
    first, second = kit.domains.add(anywhere, bolt, SHOP), kit.domains.add(anywhere, acme, SHOP)
    assert first.challenge != second.challenge
    with pytest.raises(InvalidValue):
        kit.domains.verify(anywhere, acme, SHOP, [first.record])
    kit.domains.verify(anywhere, acme, SHOP, [second.record])
    for attempt in (
        lambda: kit.domains.verify(anywhere, bolt, SHOP, [first.record]),
        lambda: kit.domains.add(anywhere, acme, SHOP),
        lambda: kit.domains.add(anywhere, bolt, SHOP),
    ):
        with pytest.raises(AlreadyTaken):
            attempt()
    assert acme == kit.domains.by_domain(anywhere, SHOP)


def test_a_domain_that_was_removed(kit, acme, bolt, anywhere):
    """Leads nowhere, and can be somebody else's."""
    kit.domains.verify(anywhere, acme, SHOP, [kit.domains.add(anywhere, acme, SHOP).record])
    with pytest.raises(InvalidValue):
        kit.domains.remove(anywhere, bolt, SHOP)
    kit.domains.remove(anywhere, acme, SHOP)
    assert kit.domains.by_domain(anywhere, SHOP) is None
    kit.domains.verify(anywhere, bolt, SHOP, [kit.domains.add(anywhere, bolt, SHOP).record])
    assert bolt == kit.domains.by_domain(anywhere, SHOP)


def test_each_step_is_told(kit, acme, anywhere):
    """With the domain, and who did it."""
    made = kit.domains.add(anywhere, acme, SHOP)
    kit.domains.verify(anywhere, acme, SHOP, [made.record])
    kit.domains.remove(anywhere, acme, SHOP)
    events = [event for event in kit.audit.trail.latest(anywhere) if event.action.startswith("domain.")]
    assert [("domain.removed", "admin"), ("domain.verified", "admin"), ("domain.added", "admin")] == [
        (event.action, event.actor) for event in events
    ]
    assert {SHOP} == {event.details["domain"] for event in events}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example",
        "192.0.2.1",
        "::1",
        "a..b",
        ".example.com",
        "-a.example",
        "a_b.example",
        "a" * 64 + ".example",
        "a." * 130 + "example",
        "exa mple.com",
        "http://example.com",
        "example.com:80",
        "*.example.com",
        "exam\nple.com",
        "\ufdfa" * 1_000_000,
        "a" * 50 + ".example." + " " * 300,
        "\ud800.com",
    ],
)
def test_what_is_no_domain(kit, acme, anywhere, text):
    """It is refused, and leads nowhere."""
    with pytest.raises(InvalidValue) as caught:
        kit.domains.add(anywhere, acme, text)
    assert "domain" == caught.value.field
    assert kit.domains.by_domain(anywhere, text) is None


def test_domains_in_other_scripts():
    """They are kept as the DNS has them."""
    assert "xn--mnchen-3ya.example" == normalize_domain("München.example")
    assert "xn--mnchen-3ya.example" == normalize_domain("xn--mnchen-3ya.example")


@pytest.mark.hostile
@given(st.text())
def test_any_text_is_a_domain_or_none(text):
    """Whatever is typed is refused or made a name that stays itself."""
    try:
        name = normalize_domain(text)
    except InvalidValue:
        return
    assert name == normalize_domain(name)
    assert name.isascii()
    assert name == name.lower()


def test_the_applications_own_domains(database):
    """Nobody brings them, nor what is below them: a tenant of another slug could pass for it."""
    kit = make_kit(database, reserved_domains=["Example.com"])
    tenant = sign_up(kit, "acme")
    with kit.unscoped_session(reason="try", actor="test") as session:
        for name in ("example.com", "bolt.example.com", "a.b.example.com"):
            with pytest.raises(InvalidValue):
                kit.domains.add(session, tenant, name)
        assert kit.domains.add(session, tenant, "notexample.com")
        session.rollback()
    kit.dispose()
    with pytest.raises(ConfigurationError):
        make_kit(database, reserved_domains=["localhost"])


def test_a_scope_sees_its_own(kit, acme, bolt):
    """A tenant's administrator adds and sees domains of that tenant alone."""
    with kit.scope(bolt):
        kit.domains.add(kit.session(), bolt, SHOP)
        kit.session().commit()
    with kit.scope(acme):
        assert [] == kit.domains.list_of(kit.session(), bolt)
        assert [] == kit.domains.list_of(kit.session(), acme)
