"""The registry of access paths: every way to rows that Django's ORM knows."""

from dataclasses import dataclass
from typing import Any

PATHS = []


@dataclass(frozen=True)
class Path:
    """
    One way to rows.

    Attributes:
        run: takes the side whose keys it asks for; what it returns is compared.
        refused: the error that it always ends in, within a scope.
        shared: whether it needs no scope, since it touches no row of a tenant.
    """

    run: Any
    refused: type[Exception] | None = None
    shared: bool = False

    @property
    def name(self):
        return self.run.__name__


def path(run=None, *, refused=None, shared=False):
    """Enter a function into the registry."""

    def enter(function):
        PATHS.append(Path(function, refused, shared))
        return function

    return enter if run is None else enter(run)
