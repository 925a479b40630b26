"""Names of permissions: how they are written, what a wildcard stands for, which one was meant."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["WILDCARD", "is_name", "is_separator", "meant", "named_by"]

WILDCARD: Final = "*"
_PART: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_SEPARATOR: Final = re.compile(r"[:./]\Z")


def is_separator(text: str) -> bool:
    """Whether a text can stand between the parts of a name: ``:``, ``.`` or ``/``."""
    return _SEPARATOR.match(text) is not None


def is_name(text: str, separator: str) -> bool:
    """Whether a text is the name of a permission: two parts at least, of letters, digits, ``_`` and ``-``."""
    parts = text.split(separator)
    return len(parts) > 1 and all(map(_PART.match, parts))


def named_by(pattern: str, names: Iterable[str], separator: str) -> frozenset[str]:
    """Return the names that a pattern stands for: itself, all that begin so (``documents:*``), or all (``*``)."""
    if pattern == WILDCARD:
        return frozenset(names)
    if pattern.endswith(separator + WILDCARD):
        beginning = pattern.removesuffix(WILDCARD)
        return frozenset(name for name in names if name.startswith(beginning))
    return frozenset(name for name in names if name == pattern)


def meant(text: str, names: Collection[str]) -> str:
    """Return a sentence that says which name was meant, or which there are; the empty text where there are none."""
    close = get_close_matches(text, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There are {', '.join(sorted(names))}." if names else ""
