"""Whose class is it: Django's or ours, or somebody else's."""

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

__all__ = ["foreign_ancestors", "is_known"]

_OURS: Final = "tenantkit.adapters.django."


@cache
def is_known(kind: type) -> bool:
    """Whether a class is Django's or ours: it stands where it says, so that no other can claim to."""
    if not kind.__module__.startswith(("django.", _OURS)):
        return False
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def foreign_ancestors(kind: type) -> Iterator[type]:
    """Yield the classes of which a class is made that are somebody else's, itself first."""
    return (ancestor for ancestor in kind.__mro__ if ancestor is not object and not is_known(ancestor))
