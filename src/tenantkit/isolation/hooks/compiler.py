"""
The hooks into SQLAlchemy's statement compiler: every FROM element gets its conditions, every raw piece is refused.

They are not public, so they stand in this package and nowhere else, and a canary proves at start that this SQLAlchemy
calls them. They are mixed into the classes of whatever dialect an engine has (:mod:`engine`). What they add is decided
elsewhere: :mod:`criteria`, :mod:`raw_sql`, :mod:`writes`.
"""

from tenantkit.isolation.hooks.raw import RawHooks
from tenantkit.isolation.hooks.reading import ReadingHooks
from tenantkit.isolation.hooks.upserts import UpsertHooks

__all__ = ["ScopedCompiler"]


class ScopedCompiler(RawHooks, ReadingHooks, UpsertHooks):
    """Statement compiler: whatever is read, written or spelled."""
