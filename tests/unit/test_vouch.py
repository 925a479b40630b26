"""Raw SQL that a person answers for."""

import pytest
from sqlalchemy import column, literal, literal_column, select, text

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import vouch
from tenantkit.isolation.vouch import Vouched


@pytest.mark.parametrize(
    "element", [text("a = :x").bindparams(x=1), literal_column("a + 1")], ids=["text", "literal"]
)
def test_a_vouched_piece_is_a_copy(element):
    """What is vouched for renders as before, carries the reason, and the original stays unvouched."""
    found = vouch(element, "constant")
    assert (str(element), "constant") == (str(found), found.reason)
    assert isinstance(found, Vouched)
    assert not isinstance(element, Vouched)


@pytest.mark.parametrize("element", [text("a"), literal_column("a")], ids=["text", "literal"])
def test_the_cache_tells_them_apart(element):
    """A statement with a vouched piece has another cache key than the same with the bare one."""
    keys = {select(one)._generate_cache_key().key for one in (element, vouch(element, "constant"))}
    assert 2 == len(keys)


@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_a_reason_is_needed(reason):
    """Without a reason nothing is vouched for."""
    with pytest.raises(ConfigurationError, match="needs a reason"):
        vouch(text("1"), reason)


@pytest.mark.parametrize(
    "element",
    [column("a"), literal(1), select(column("a")), "SELECT 1", None],
    ids=["column", "literal", "select", "str", "None"],
)
def test_only_raw_pieces_are_vouched_for(element):
    """What the compiler scopes or refuses by itself is not vouched for; the message names its type."""
    with pytest.raises(ConfigurationError, match=f"not {type(element).__name__}"):
        vouch(element, "constant")


def test_parameters_are_kept():
    """The values bound in a text stay bound in the copy."""
    found = vouch(text("a = :x").bindparams(x=7), "constant")
    assert {"x": 7} == found.compile().params
