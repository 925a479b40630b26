"""
What a backend of Django's gets besides its compilers: cursors that refuse, and own calls that are let through.

Django sets savepoints, reads the catalog and changes the schema through the same cursors as everybody. What it says so
is let through; it reads no rows of models.
"""

from collections.abc import Iterable
from functools import cache, wraps
from typing import Any, Final

from django.utils.functional import cached_property

from tenantkit.adapters.django.db.admission import Admitted, AdmittingCursor, admitting
from tenantkit.adapters.django.db.tenancy import Tenancy
from tenantkit.adapters.django.db.writing import hidden_row_met
from tenantkit.exceptions import StatementRefused

__all__ = ["ScopedDatabase", "scoped_database"]

_INTROSPECTION: Final = (
    "get_catalog",
    "get_constraints",
    "get_primary_key_column",
    "get_primary_key_columns",
    "get_relations",
    "get_sequences",
    "get_table_description",
    "get_table_list",
    "table_names",
)
_FEATURES: Final = ("supports_json_field", "supports_transactions")
_OPERATIONS: Final = ("compose_sql",)
_CREATION: Final = (
    "_clone_test_db",
    "_create_test_db",
    "_database_exists",
    "_destroy_test_db",
    "deserialize_db_from_string",
    "serialize_db_to_string",
)


class ScopedDatabase:
    """Mixed into a ``DatabaseWrapper``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.tenancy = Tenancy(self)

    def connect(self) -> None:
        """Connect; handlers of ``connection_created``, such as PostgreSQL's types', may ask and set what they need."""
        with self.tenancy.own_call():
            super().connect()  # type: ignore[misc]

    def make_cursor(self, cursor: Any) -> Any:
        """Return a cursor that takes scoped statements only."""
        return AdmittingCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        """Return the same, which logs and counts statements, too."""
        kind = type(super().make_debug_cursor(cursor))  # type: ignore[misc]
        return _admitting(kind)(cursor, self)  # type: ignore[arg-type]  # a class is hashable

    # An error of SQLAlchemy's is none that Django rolls back for, so that is done here.

    def _savepoint(self, sid: str) -> None:
        with self.tenancy.own_call():
            super()._savepoint(sid)  # type: ignore[misc]
        self.tenancy.joint.nest(sid)

    def _savepoint_commit(self, sid: str) -> None:
        try:
            self.tenancy.joint.release(sid)
        except BaseException:
            self._savepoint_rollback(sid)
            raise
        with self.tenancy.own_call():
            super()._savepoint_commit(sid)  # type: ignore[misc]

    def _savepoint_rollback(self, sid: str) -> None:
        try:
            self.tenancy.joint.undo(sid)  # whose savepoints are within this one
        finally:
            with self.tenancy.own_call():
                super()._savepoint_rollback(sid)  # type: ignore[misc]
            self.tenancy.ended()

    def _commit(self) -> None:
        try:
            self.tenancy.joint.flush()
        except BaseException:
            self._rollback()
            raise
        super()._commit()  # type: ignore[misc]
        self.tenancy.joint.committed()
        self.tenancy.ended()

    def _rollback(self) -> None:
        super()._rollback()  # type: ignore[misc]
        self.tenancy.joint.rolled_back()
        self.tenancy.ended()

    def _close(self) -> None:
        super()._close()  # type: ignore[misc]
        self.tenancy.joint.rolled_back()
        self.tenancy.ended()

    def check_constraints(self, table_names: Any = None) -> None:
        """Check constraints, as Django does."""
        with self.tenancy.own_call():
            super().check_constraints(table_names)  # type: ignore[misc]

    def disable_constraint_checking(self) -> bool:
        """Disable constraint checking, as Django does."""
        with self.tenancy.own_call():
            return bool(super().disable_constraint_checking())  # type: ignore[misc]

    def enable_constraint_checking(self) -> None:
        """Enable constraint checking, as Django does."""
        with self.tenancy.own_call():
            super().enable_constraint_checking()  # type: ignore[misc]


class _BegunByHand:
    """Mixed into the wrapper of SQLite, whose transactions Django begins by a statement."""

    tenancy: Tenancy

    def _start_transaction_under_autocommit(self) -> None:
        with self.tenancy.own_call():
            super()._start_transaction_under_autocommit()  # type: ignore[misc]


def scoped_database(kind: Any, compilers: str) -> Any:
    """
    Return the wrapper class of a scoped backend.

    Args:
        kind: the ``DatabaseWrapper`` of a backend of Django's, which names the classes of its parts.
        compilers: the dotted path of the module with the scoped compilers.
    """
    parts = {
        "__module__": kind.__module__,
        "SchemaEditorClass": _scoped_editor(kind.SchemaEditorClass),
        "creation_class": _scoped_creation(kind.creation_class),
        "features_class": _scoped_features(kind.features_class),
        "introspection_class": _scoped_introspection(kind.introspection_class),
        "ops_class": _scoped_operations(kind.ops_class, compilers),
    }
    begins = (
        (_BegunByHand,) if hasattr(kind, "_start_transaction_under_autocommit") else ()
    )  # Django asks by hasattr
    return type("DatabaseWrapper", (*begins, ScopedDatabase, kind), parts)


def _speaking(kind: type, names: Iterable[str], *, unscoped: bool = False) -> type:
    """Return a subclass of a class of Django's whose named methods may run SQL of their own, or see all rows."""
    methods = {name: _own(getattr(kind, name), unscoped=unscoped) for name in names if hasattr(kind, name)}
    return type(f"Scoped{kind.__name__}", (kind,), {"__module__": __name__, **methods})


def _own(method: Any, *, unscoped: bool = False) -> Any:
    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        tenancy: Tenancy = self.connection.tenancy
        with tenancy.unscoped() if unscoped else tenancy.own_call():
            return method(self, *args, **options)

    return call


def _scoped_introspection(kind: type) -> type:
    """Return a class of introspection that may read the catalog, on cursors that nobody else reads from."""
    methods = {name: _on_own_cursor(getattr(kind, name)) for name in _INTROSPECTION if hasattr(kind, name)}
    return type(f"Scoped{kind.__name__}", (kind,), {"__module__": __name__, **methods})


def _on_own_cursor(method: Any) -> Any:
    @wraps(method)
    def call(self: Any, _cursor: Any = None, *names: Any, **options: Any) -> Any:
        tenancy: Tenancy = self.connection.tenancy
        if not tenancy.may_speak and any('"' in name for name in names if isinstance(name, str)):
            raise StatementRefused(f"{names} are no names of tables.")
        with self.connection.cursor() as cursor, tenancy.own_call():
            return method(self, cursor, *names, **options)

    return call


def _scoped_creation(kind: type) -> type:
    """Return a class that may make databases for tests."""
    return _speaking(kind, _CREATION, unscoped=True)


def _scoped_features(kind: type) -> type:
    """Return a class of features that may ask the database for what it can do."""
    asked = {}
    for name in _FEATURES:
        found = next((vars(one)[name] for one in kind.__mro__ if name in vars(one)), None)
        if isinstance(found, cached_property):
            asked[name] = cached_property(_own(found.func))
    return type(f"Scoped{kind.__name__}", (kind,), {"__module__": __name__, **asked})


def _scoped_operations(kind: type, compilers: str) -> type:
    """Return a class of operations with the compilers of a module."""
    scoped = _speaking(kind, _OPERATIONS)
    scoped.compiler_module = compilers  # type: ignore[attr-defined]
    scoped.sql_flush = _flushing(kind)  # type: ignore[attr-defined]
    scoped.fetch_returned_insert_columns = _returned  # type: ignore[attr-defined]
    scoped.sequence_reset_sql = _sequences  # type: ignore[attr-defined]
    return scoped


def _flushing(kind: Any) -> Any:
    """Return what says how all rows of tables are deleted, and is believed by the cursor that does it."""

    @wraps(kind.sql_flush)
    def sql_flush(self: Any, *args: Any, **options: Any) -> list[Admitted]:
        with self.connection.tenancy.own_call():
            return [Admitted.now(one, None) for one in kind.sql_flush(self, *args, **options)]

    return sql_flush


def _sequences(operations: Any, style: Any, models: Any) -> list[Admitted]:
    """Return what sets sequences behind the keys of a fixture that was loaded; it shows no row."""
    spelled = super(type(operations), operations).sequence_reset_sql(style, models)
    return [Admitted.now(one, None) for one in spelled]


def _returned(_operations: Any, cursor: Any, _parameters: Any) -> Any:
    """Return what an INSERT of one row returns; an upsert that meets a hidden row returns nothing."""
    row = cursor.fetchone()
    if row is None:
        raise hidden_row_met()
    return row


def _scoped_editor(kind: Any) -> Any:
    """Return a class of schema editors; while one is open its connection migrates, data of all tenants too."""

    class ScopedSchemaEditor(kind):
        """Changes the schema."""

        def __enter__(self) -> Any:
            self.connection.tenancy.schema_editors += 1
            try:
                return super().__enter__()
            except BaseException:
                self.connection.tenancy.schema_editors -= 1
                raise

        def __exit__(self, *failure: object) -> None:
            try:
                super().__exit__(*failure)
            finally:
                self.connection.tenancy.schema_editors -= 1
                self.connection.tenancy.ended()

    return ScopedSchemaEditor


_admitting = cache(admitting)
