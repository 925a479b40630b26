"""Which rows a scope may see: the rule objects. Decides; builds no SQL and runs none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError

__all__ = ["SOFT_DELETE", "TENANT", "RowRule"]


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
        null_is_shared: whether rows with NULL in the column are in sight, too; a scope never changes them.
        liftable: whether a session may be opened without the rule: ``ScopedSession(..., lift=[rule])``.

    Raises:
        ConfigurationError: the name is no identifier, or the parts contradict each other.

    .. versionadded:: 0.1
    """

    name: str
    column: str | None
    value: Callable[[Scope], object] | None
    on_write: Literal["stamp", "keep"] = "stamp"
    null_is_shared: bool = False
    liftable: bool = False

    def __post_init__(self) -> None:
        """Check the parts against each other."""
        if not (self.name.isidentifier() and self.name.isascii()):
            raise ConfigurationError(
                f"A rule is called {self.name!r}. Name it by an identifier, such as 'region'."
            )
        if self.value is None and self.null_is_shared:
            raise ConfigurationError(
                f"Rule {self.name!r} asks for NULL and shares NULL. Give it a value, or leave null_is_shared out."
            )


TENANT: Final = RowRule(name="tenant", column=None, value=lambda scope: scope.tenant.id)
SOFT_DELETE: Final = RowRule(name="soft_delete", column=None, value=None, on_write="keep", liftable=True)
