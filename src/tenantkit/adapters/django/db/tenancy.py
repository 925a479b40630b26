"""What one database connection knows of tenancy: what it may run now, what it told the database, which rows it saw."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import NO_DB_ALIAS

from tenantkit.adapters.django.db.admission import Admitted
from tenantkit.adapters.django.db.joint import JointSessions
from tenantkit.core.scope import Scope, current_or_none
from tenantkit.exceptions import ConfigurationError, ScopeRequired, StatementRefused
from tenantkit.isolation.local_settings import UNSCOPED

if TYPE_CHECKING:
    from tenantkit.adapters.django.apps import TenantkitConfig
    from tenantkit.adapters.django.db.sights import Sight

__all__ = ["Tenancy"]

_NOTHING: object = object()


class Tenancy:
    """
    The state of one connection; Django keeps one connection for each alias and thread.

    Attributes:
        joint: the sessions of SQLAlchemy that work in the connection's transactions.
        schema_editors: how many are open.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._own_calls = int(connection.alias == NO_DB_ALIAS)  # where databases are made, and no rows are
        self._unscoped = 0
        self._told: object = _NOTHING
        self._known: dict[tuple[str, str], set[object]] = {}
        self._known_for: object = None
        self.joint = JointSessions()
        self.schema_editors = 0

    @cached_property
    def config(self) -> "TenantkitConfig":
        """The app, which holds what the settings say; it is looked for once, since every expression asks."""
        try:
            found: TenantkitConfig = apps.get_app_config("tenantkit")
        except LookupError:
            raise ConfigurationError(
                f"The database {self._connection.alias!r} is scoped, and INSTALLED_APPS lacks "
                "'tenantkit.adapters.django'. Add it."
            ) from None
        return found

    @property
    def functions(self) -> frozenset[str]:
        """Names of SQL functions that may be called besides the built-in list."""
        return self.config.configuration.functions

    @property
    def elements(self) -> tuple[type, ...]:
        """Classes of expressions that may write SQL."""
        return self.config.configuration.elements

    # what is in sight ------------------------------------------------------------------------------------------

    @property
    def is_owner(self) -> bool:
        """Whether the connection is the owner's, which sees all tenants' rows where somebody says why."""
        return bool(self._connection.alias == self.config.configuration.owner)

    @property
    def is_unscoped(self) -> bool:
        """Whether rows of all tenants are in sight now."""
        return bool(self._unscoped or self.schema_editors)

    @property
    def may_speak(self) -> bool:
        """Whether a cursor takes SQL that no compiler made: Django's own, or anybody's where all rows are in sight."""
        return self.is_unscoped or bool(self._own_calls)

    def sight(self, lifted: frozenset[str]) -> "Sight | None":
        """Return what is in sight now without some rules, or None where everything is."""
        if self.is_unscoped:
            return None
        found: Sight = self.config.sights.of(self._connection.vendor, lifted)
        return found

    def values(self, sight: "Sight", names: Sequence[str]) -> list[Any]:
        """Return values of the current scope as the driver takes them."""
        return [sight.stored(sight.binds[name], self.value(sight, name)) for name in names]

    def value(self, sight: "Sight", name: str) -> Any:
        """
        Return a value of the current scope.

        Raises:
            ScopeRequired: there is no scope, or it does not say.
        """
        scope = current_or_none()
        if scope is None:
            raise ScopeRequired(self._why_none())
        values, missing = sight.values(scope)
        if name in missing:
            raise missing[name]
        return values[name]

    def _why_none(self) -> str:
        if self.is_owner:
            return (
                f"The database {self._connection.alias!r} shows rows of all tenants, and nobody said why they are "
                "needed. Use `with unscoped(reason=..., actor=...) as alias:`."
            )
        return (
            "No tenant is in scope here, and this statement reads or writes rows that belong to one. Enter a scope "
            'with `with kit.scope("acme"):`, let TenancyMiddleware do it, or use unscoped() for all tenants.'
        )

    @contextmanager
    def unscoped(self) -> Iterator[None]:
        """Let the connection see all tenants' rows; who may is asked elsewhere."""
        self._unscoped += 1
        self._told = _NOTHING
        try:
            yield
        finally:
            self._unscoped -= 1
            self._told = _NOTHING
            self.forget()

    @contextmanager
    def own_call(self) -> Iterator[None]:
        """Let Django itself speak: savepoints, constraints, the catalog."""
        self._own_calls += 1
        try:
            yield
        finally:
            self._own_calls -= 1

    # what is known ---------------------------------------------------------------------------------------------

    def known(self, table: str, column: str) -> set[object]:
        """Return the keys that this transaction saw to be in sight; outside of one nothing is kept."""
        scope = current_or_none()
        if not self._connection.in_atomic_block or scope is None:
            return set()
        if self._known_for != scope.boundary:
            self._known.clear()
            self._known_for = scope.boundary
        return self._known.setdefault((table, column), set())

    def forget(self) -> None:
        """Forget the rows that were seen: some may be gone."""
        self._known.clear()

    def ended(self) -> None:
        """Take note that a transaction ended, or was rolled back to a savepoint."""
        self._told = _NOTHING
        self.forget()

    # what is run -----------------------------------------------------------------------------------------------

    @contextmanager
    def running(self, sql: Any, params: Any) -> Iterator[None]:
        """
        Let a statement run if it may, once the database knows for whom.

        Raises:
            StatementRefused: no compiler made it for this scope and these parameters.
        """
        is_compiled = isinstance(sql, Admitted) and sql.holds_for(params)
        if self.schema_editors or (self._own_calls and not is_compiled):
            yield
            return
        if not self._unscoped and not is_compiled:
            raise StatementRefused(
                f"Raw SQL is not scoped: {str(sql)[:80]!r}. Write it with the ORM; or as text in the kit's session, "
                "with vouch(); or, for all tenants' rows, in unscoped()."
            )
        if not self.has_policies:
            yield
        elif self._connection.in_atomic_block:
            self.tell(current_or_none())
            yield
        else:  # settings are local to a transaction, also behind a transaction pooler
            with transaction.atomic(using=self._connection.alias):
                self.tell(current_or_none())
                yield

    @property
    def has_policies(self) -> bool:
        """Whether the database is to be told for whom it works."""
        return self.config.configuration.policies and self._connection.vendor == "postgresql"

    def tell(self, scope: Scope | None) -> None:
        """Tell the database what its policies compare with, once a transaction and scope."""
        if self._unscoped:
            said: object = UNSCOPED
        elif scope is None:  # rows that belong to nobody need no scope, and others are refused before
            return
        else:
            said = scope.boundary
        if said == self._told:
            return
        told = {UNSCOPED: "on"} if self._unscoped else self._settings(scope)
        calls = ", ".join(["set_config(%s, %s, true)"] * len(told))
        with self._connection.connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", [part for pair in told.items() for part in pair])
        self._told = said

    def _settings(self, scope: Scope | None) -> dict[str, str]:
        sight: Sight = self.config.sights.of(self._connection.vendor)
        values = sight.values(scope)[0] if scope is not None else {}
        spelled = {name: (bind, values.get(bind.key)) for name, bind in sight.settings}
        return {
            name: "" if value is None else str(sight.stored(bind, value))
            for name, (bind, value) in spelled.items()
        }
