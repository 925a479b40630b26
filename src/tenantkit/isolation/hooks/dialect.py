"""The hooks into a dialect: driver SQL that it issues itself is let through."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tenantkit.isolation.pin import forget
from tenantkit.isolation.registry import Registry

__all__ = ["ScopedDialect", "is_own_call", "own_call"]

_OWN_CALL: Final = "_tenantkit_dialect_call"


class ScopedDialect:
    """Dialect: its own calls of driver SQL are let through, and a rolled back savepoint forgets known rows."""

    tenantkit_registry: Registry
    tenantkit_sights: Any = None
    tenantkit_telling: Any = None
    tenantkit_enforced: Any = None  # where tables in shadow are enforced
    tenantkit_is_rehearsal = False

    def __init__(self, **options: Any) -> None:
        self._made_with = options
        super().__init__(**options)

    def twin(self) -> Any:
        """Return a new dialect, made as this one was; it shares nothing with it."""
        return type(self)(**self._made_with)

    def tell(self, connection: Any, values: Mapping[str, str]) -> None:
        """Tell the database what its policies compare with, by the driver: no listener takes it for a statement."""
        compiled = self.tenantkit_telling
        parameters: Any = values
        if compiled.positional:
            parameters = tuple(values[name] for name in compiled.positiontup)
        with own_call(connection):
            connection.exec_driver_sql(compiled.string, parameters).close()

    @classmethod
    def get_async_dialect_cls(cls, _url: Any) -> Any:
        return cls  # the class was made from the async one

    def initialize(self, connection: Any) -> None:
        with own_call(connection):
            super().initialize(connection)  # type: ignore[misc]
        if self.tenantkit_sights is not None and self.tenantkit_sights.of(frozenset()) is self:
            self.tenantkit_sights.initialize_others(connection)

    def do_begin_twophase(self, connection: Any, xid: Any) -> None:
        with own_call(connection):
            super().do_begin_twophase(connection, xid)  # type: ignore[misc]

    def do_prepare_twophase(self, connection: Any, xid: Any) -> None:
        with own_call(connection):
            super().do_prepare_twophase(connection, xid)  # type: ignore[misc]

    def do_commit_twophase(self, connection: Any, xid: Any, *args: Any, **kw: Any) -> None:
        with own_call(connection):
            super().do_commit_twophase(connection, xid, *args, **kw)  # type: ignore[misc]

    def do_rollback_twophase(self, connection: Any, xid: Any, *args: Any, **kw: Any) -> None:
        with own_call(connection):
            super().do_rollback_twophase(connection, xid, *args, **kw)  # type: ignore[misc]

    def do_savepoint(self, connection: Any, name: Any) -> None:
        with own_call(connection):  # a session that joins a transaction sets one before it is pinned
            super().do_savepoint(connection, name)  # type: ignore[misc]

    def do_rollback_to_savepoint(self, connection: Any, name: Any) -> None:
        forget(connection)
        with own_call(connection):
            super().do_rollback_to_savepoint(connection, name)  # type: ignore[misc]


def is_own_call(connection: Any) -> bool:
    """Whether the dialect itself is speaking on a connection."""
    return bool(getattr(connection, _OWN_CALL, False))


@contextmanager
def own_call(connection: Any) -> Iterator[None]:
    """Let the dialect itself speak on a connection."""
    before = is_own_call(connection)
    setattr(connection, _OWN_CALL, True)
    try:
        yield
    finally:
        setattr(connection, _OWN_CALL, before)
