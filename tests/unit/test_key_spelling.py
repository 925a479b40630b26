"""Keys as texts of a request spell them."""

from uuid import UUID

import pytest
from sqlalchemy import BigInteger, Integer, String, Uuid

from tenantkit.sql.spelling import read_key

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("column", "text", "key"),
    [
        (Integer(), "7", 7),
        (Integer(), "-7", -7),
        (Integer(), str(2**31 - 1), 2**31 - 1),
        (BigInteger(), str(2**63 - 1), 2**63 - 1),
        (String(), "seven", "seven"),
        (Uuid(), ID, UUID(ID)),
    ],
)
def test_one_spelling(column, text, key):
    """A key is read as it is written."""
    assert key == read_key(column, text)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Integer(), text)
        for text in ("", " 7", "+7", "07", "7_0", "\u0667", "7.0", "0x7", str(2**31), "9" * 5000, "\ud800")
    ]
    + [(BigInteger(), str(2**63)), (String(), "a\0b"), (String(), "\ud800")]
    + [(Uuid(), text) for text in (ID.upper(), f"{{{ID}}}", ID.replace("-", ""), "x")],
)
def test_what_no_row_has(column, text):
    """What the column cannot hold, and other spellings, are no keys: the database is not asked."""
    assert read_key(column, text) is None
