"""Which rows a scope may see: the rule objects. Decides; builds no SQL and runs none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tenantkit.core.scope import Scope

__all__ = ["TENANT", "RowRule"]


@dataclass(frozen=True, slots=True)
class RowRule:
    """
    One condition that every row in sight meets: its column equals a value of the scope, or is NULL.

    Args:
        name: names the bound value (``tenantkit_<name>``) and the rule in messages; an identifier.
        column: the rule holds for each declared table with a column of this name. None where each table declares
            its column itself, as it does for the tenant.
        value: the value, read from the scope once, at a session's first use. None stands for ``IS NULL``.
        on_write: ``"stamp"`` writes the value into new rows and forbids to change it; ``"keep"`` leaves writes
            alone.

    .. versionadded:: 0.1
    """

    name: str
    column: str | None
    value: Callable[[Scope], object] | None
    on_write: Literal["stamp", "keep"] = "stamp"


TENANT: Final = RowRule(name="tenant", column=None, value=lambda scope: scope.tenant.id)
