"""Slugs that are made of names."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.core.tenant import is_slug
from tenantkit.directory import slug_candidates, slugify

NAMES = {
    "Acme": "acme",
    "Acme & Söhne GmbH": "acme-sohne-gmbh",
    "  Acme  ": "acme",
    "Weiß": "weiss",
    "École Française": "ecole-francaise",
    "O'Neill / Partners": "o-neill-partners",
    "\N{FULLWIDTH DIGIT THREE}\N{FULLWIDTH LATIN CAPITAL LETTER M}": "3m",
    "-- 7 --": "7",
    "東京": "",
    "!!!": "",
    "": "",
    "a" * 100: "a" * 63,
    "a" * 62 + " b": "a" * 62,
}


@pytest.mark.parametrize(("name", "slug"), NAMES.items(), ids=NAMES)
def test_a_slug_is_what_is_left_of_a_name(name, slug):
    """Letters without their marks and digits stay, what stands between them is a hyphen, the rest goes."""
    assert slug == slugify(name)


@pytest.mark.hostile
@given(st.text())
def test_of_any_name_a_slug_or_nothing(name):
    """Whatever a name is, its slug is one, or nothing is left; making it again changes nothing."""
    slug = slugify(name)
    assert slug == "" or is_slug(slug)
    assert slug == slugify(slug)


@pytest.mark.hostile
@given(st.text())
def test_candidates_are_slugs_and_differ(name):
    """A hundred of them, each one a slug, no two alike."""
    found = list(slug_candidates(name))
    assert 100 == len(found) == len(set(found))
    assert all(map(is_slug, found))


def test_the_order_of_candidates():
    """The name's own first, then with numbers from 2 on; long ones are cut for them."""
    assert ["acme", "acme-2", "acme-3"] == list(islice(slug_candidates("Acme"), 3))
    assert ["tenant", "tenant-2"] == list(islice(slug_candidates("東京"), 2))
    assert ["a" * 63, "a" * 61 + "-2"] == list(islice(slug_candidates("a" * 80), 2))
