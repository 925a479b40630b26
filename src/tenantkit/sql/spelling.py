"""Keys as texts of a request spell them."""

from typing import Any, Final

from sqlalchemy import BigInteger
from sqlalchemy.types import TypeEngine

__all__ = ["read_key"]

_INTEGER: Final = 2**31  # what the columns hold
_BIG_INTEGER: Final = 2**63


def read_key(column: TypeEngine[Any], text: str) -> Any:
    """
    Return the key that a text spells, or None where no row can have it.

    A key has one spelling: ``+7``, ``07`` and a UUID in braces or capitals are none. The database is never asked for
    what its column cannot hold, which some answer with an error.
    """
    kind = column.python_type
    try:
        text.encode()  # half a surrogate pair fits into no column
        key = kind(text)
    except ValueError:
        return None
    if isinstance(key, int):
        limit = _BIG_INTEGER if isinstance(column, BigInteger) else _INTEGER
        if not -limit <= key < limit:
            return None
    return key if str(key) == text and "\0" not in text else None
