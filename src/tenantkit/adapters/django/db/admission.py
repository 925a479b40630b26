"""
Which SQL a cursor takes: what a scoped compiler made, for this scope and with these parameters, and nothing else.

So `raw()`, a cursor's own SQL and whatever else comes past the compilers is refused at the last exit, however it got
there.
"""

from typing import Any, Final

from django.db.backends.utils import CursorWrapper

from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import StatementRefused

__all__ = ["Admitted", "AdmittingCursor", "admitting"]

_READING: Final = frozenset(
    [
        "arraysize",
        "close",
        "description",
        "fetchall",
        "fetchmany",
        "fetchone",
        "itersize",
        "lastrowid",
        "name",
        "nextset",
        "pgresult",
        "rowcount",
        "rownumber",
        "scroll",
        "statusmessage",
        "tzinfo_factory",
    ]
)


class Admitted(str):
    """A statement that was compiled for a scope, with its parameters."""

    __slots__ = ("boundary", "parameters")

    parameters: tuple[Any, ...]
    boundary: object

    @classmethod
    def now(cls, sql: str, parameters: Any) -> "Admitted":
        """Admit a statement in the scope that the calling code runs in."""
        made = cls(sql)
        made.parameters, made.boundary = tuple(parameters or ()), _boundary()  # a list could change
        return made

    def holds_for(self, parameters: Any) -> bool:
        """Whether it may run here and now with some parameters."""
        return tuple(parameters or ()) == self.parameters and self.boundary == _boundary()


def _boundary() -> object:
    scope = current_or_none()
    return None if scope is None else scope.boundary


class AdmittingCursor(CursorWrapper):
    """A cursor of a scoped database."""

    db: Any

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Run a statement that was compiled for this scope; refuse any other."""
        with self.db.tenancy.running(sql, params):
            if isinstance(sql, Admitted) and params is not None and not self.db.tenancy.may_speak:
                params = (
                    sql.parameters
                )  # what was compared, and not what may say something else the next time
            return super().execute(sql, params)

    def executemany(self, sql: Any, param_list: Any) -> Any:
        """Refuse, unless rows of all tenants are in sight: no compiler speaks this way."""
        with self.db.tenancy.running(sql, None):
            return super().executemany(sql, param_list)

    def callproc(self, *args: Any, **options: Any) -> Any:
        """Refuse, unless rows of all tenants are in sight: a procedure reads what it likes."""
        with self.db.tenancy.running("a procedure", None):
            return super().callproc(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name not in _READING and not self.db.tenancy.may_speak:
            raise StatementRefused(
                f"cursor.{name} goes past the compiler that scopes statements. Use the ORM, or unscoped()."
            )
        return super().__getattr__(name)


def admitting(kind: type[CursorWrapper]) -> type[CursorWrapper]:
    """Return a cursor class of Django's with the refusals."""
    return type(f"Admitting{kind.__name__}", (AdmittingCursor, kind), {"__module__": __name__})
