"""Tenants and their slugs."""

import dataclasses
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit import Actor, Tenant, new_id
from tenantkit.core.clock import SystemClock
from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock

LABEL = "abcdefghijklmnopqrstuvwxyz0123456789"

GOOD = ["a", "7", "acme", "a-b", "a--b", "0-9", "xn--bcher-kva", "a" * 63]
BAD = {
    "empty": "",
    "upper case": "Acme",
    "hyphen first": "-acme",
    "hyphen last": "acme-",
    "underscore": "a_b",
    "dot": "a.b",
    "space": "a b",
    "line feed at the end": "acme\n",
    "carriage return at the end": "acme\r",
    "line separator at the end": "acme\u2028",
    "NUL": "acme\0",
    "slash": "../etc",
    "at sign": "evil@acme",
    "percent": "acme%00",
    "umlaut": "bücher",
    "Kelvin sign": "\u212a",
    "dotless i": "\u0131",
    "full width": "\uff41cme",
    "Arabic digit": "\u0663",
    "64 characters": "a" * 64,
    "10 kB": "a" * 10_240,
}


@pytest.mark.parametrize("slug", GOOD)
def test_a_dns_label_is_a_slug(slug):
    """Every lower-case DNS label of 1 to 63 characters names a tenant."""
    assert slug == Tenant(1, slug).slug


@pytest.mark.parametrize("slug", BAD.values(), ids=BAD)
def test_nothing_else_is_a_slug(slug):
    """What is no DNS label is refused when the tenant is made, in a message that says what a slug is."""
    assert is_slug(slug) is False
    with pytest.raises(ConfigurationError, match="one DNS label of 1 to 63 lower-case letters"):
        Tenant(1, slug)


def test_a_huge_slug_is_not_repeated():
    """The refusal of a 10 kB slug shows its beginning only."""
    with pytest.raises(ConfigurationError) as caught:
        Tenant(1, "A" * 10_240)
    assert len(caught.value.message) < 300


@pytest.mark.hostile
@given(st.text(max_size=80))
def test_slugs_by_their_definition(text):
    """A text is a slug exactly if the definition, spelled out without a regular expression, says so."""
    inner = all(character in LABEL + "-" for character in text)
    ends = text[:1] in (*LABEL,) and text[-1:] in (*LABEL,)
    assert (1 <= len(text) <= 63 and inner and ends) == is_slug(text)


@pytest.mark.parametrize("tenant_id", [UUID(int=7), 7, -7, "t-7"], ids=repr)
def test_ids_of_three_types(tenant_id):
    """A tenant id is a UUID, an int or a str, kept as it is."""
    assert tenant_id == Tenant(tenant_id, "acme").id


@pytest.mark.parametrize("tenant_id", [None, True, 1.5, b"7", ["7"]], ids=repr)
def test_ids_of_other_types_are_refused(tenant_id):
    """Any other id is refused, a boolean too, in a message that names the type."""
    with pytest.raises(ConfigurationError, match=type(tenant_id).__name__):
        Tenant(tenant_id, "acme")


def test_tenants_are_values():
    """Two tenants of the same data are equal; none can be changed."""
    tenant = Tenant(new_id(), "acme")
    assert tenant == dataclasses.replace(tenant)
    assert (True, "default") == (tenant.active, tenant.plan)
    with pytest.raises(dataclasses.FrozenInstanceError):
        tenant.slug = "bolt"


def test_a_program_is_an_actor_of_its_own_kind():
    """A program that acts has a name and the kind "system", a person the kind "user"."""
    assert Actor("nightly", "system") == Actor.system("nightly")
    assert "user" == Actor("ann").kind


def test_the_machines_clock_is_a_clock():
    """The clock of the machine keeps the promise of the protocol: an aware moment in UTC."""
    clock = SystemClock()
    assert isinstance(clock, Clock)
    assert 0 == clock.now().utcoffset().total_seconds()
