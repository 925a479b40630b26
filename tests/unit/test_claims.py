"""The claims that hold a dimension."""

from uuid import UUID

import pytest

from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.resolution import Claim

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(("kind", "told", "value"), [(str, "a", "a"), (int, 7, 7), (UUID, ID, UUID(ID))])
def test_a_value(kind, told, value):
    """It is read as its type; a token without the claim names none."""
    assert value == Claim("workspace", kind).read({"workspace": told})
    assert Claim("workspace", kind).read({}) is None


@pytest.mark.parametrize(
    ("kind", "told"), [(str, 7), (int, "7"), (int, True), (int, 7.0), (UUID, "x"), (UUID, 7), (str, ["a"])]
)
def test_another_type(kind, told):
    """A token that says something else is refused, and not read as something near it."""
    with pytest.raises(TokenInvalid):
        Claim("workspace", kind).read({"workspace": told})


def test_a_type_that_is_none():
    """It is an error when it is declared."""
    with pytest.raises(ConfigurationError):
        Claim("workspace", float)
    assert "Claim('workspace', int)" == repr(Claim("workspace", int))
