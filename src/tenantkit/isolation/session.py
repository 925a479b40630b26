"""
Sessions that belong to one tenant, and the one kind that belongs to none.

The statements are scoped below, by the engine. A session adds what SQL cannot: it is pinned to its scope for life,
answers from its identity map only in that scope, and stamps new objects.
"""

from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, IteratorResult
from sqlalchemy.orm import Session, SessionTransaction, object_mapper

from tenantkit.core.scope import Scope, current
from tenantkit.exceptions import ForeignTenant, StatementRefused
from tenantkit.isolation.difference import report
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.hooks import is_transactional
from tenantkit.isolation.local_settings import telling_unscoped, values_to_tell
from tenantkit.isolation.pin import Pin, refuse_other
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule
from tenantkit.isolation.sights import names_of

__all__ = ["ScopedSession", "UnscopedSession"]

_UNSCOPED = "tenantkit.unscoped"
_OWNER = "tenantkit.owner"
_END = object()


class ScopedSession(Session):
    """
    A session pinned to one scope.

    Used under another tenant's scope it raises; outside of any scope it works by its pin. For asyncio:
    ``AsyncSession(engine, sync_session_class=ScopedSession, scope=scope)``.

    Args:
        bind: an engine of ``scope_engine``, or one connection of it.
        scope: the scope; by default the current one.
        lift: rules that do not hold in this session, such as ``SOFT_DELETE``.
        options: as for ``sqlalchemy.orm.Session``.

    Raises:
        ScopeRequired: no scope was given, and none is entered.
        ConfigurationError: a rule cannot be lifted; said when a transaction begins.

    .. versionadded:: 0.1
    """

    def __init__(
        self, bind: Any = None, *, scope: Scope | None = None, lift: Collection[RowRule] = (), **options: Any
    ) -> None:
        self.__scope = scope if scope is not None else current()
        self.__lifted = names_of(lift)
        self.__pins: dict[Registry, Pin] = {}
        self.__pinned: list[tuple[Connection, Pin]] = []
        super().__init__(bind, **options)

    @property
    def scope(self) -> Scope:
        """The scope that the session is pinned to."""
        return self.__scope

    @property
    def lifted(self) -> frozenset[str]:
        """The names of the rules that do not hold in it."""
        return self.__lifted

    def _pin(self, registry: Registry) -> Pin:
        pin = self.__pins.get(registry)
        if pin is None:
            pin = self.__pins[registry] = Pin(self.__scope, registry)
        return pin

    def get_bind(self, *args: Any, **options: Any) -> Any:
        """Return the engine or connection for a statement, as any session; one that is not scoped is refused."""
        # every way to a connection comes through here; after_begin alone would be asked once in a transaction
        bind = super().get_bind(*args, **options)
        if getattr(bind.dialect, "tenantkit_sights", None) is None:
            raise StatementRefused(
                "A scoped session was given a connection whose statements are not scoped. Bind it to an engine of "
                "scope_engine(); for rows of all tenants use unscoped_session()."
            )
        if isinstance(bind, Connection):
            refuse_other(bind, self.__pins.values())
        return bind

    def _sight(self, bind: Any) -> Any:
        """Return the dialect in which this session speaks on an engine or connection."""
        return bind.dialect.tenantkit_sights.of(self.__lifted)

    def _attach(self, connection: Connection) -> None:
        dialect = self._sight(connection)
        pin = self._pin(dialect.tenantkit_registry)
        is_new = pin.attach(connection)
        connection.dialect = dialect
        self.__pinned.append((connection, pin))
        if is_new and dialect.tenantkit_telling is not None:
            if not is_transactional(connection):
                raise StatementRefused(
                    "Policies read settings of the transaction, and this connection is in AUTOCOMMIT. Leave that "
                    "isolation level out."
                )
            dialect.tell(connection, values_to_tell(pin, dialect))

    def _detach(self) -> None:
        for connection, pin in self.__pinned:
            pin.detach(connection)
            connection.dialect = connection.engine.dialect
        self.__pinned.clear()

    def _identity_lookup(self, *args: Any, **options: Any) -> Any:
        # the one place from which get() and many-to-one loads answer without SQL
        self._check_ambient()
        return super()._identity_lookup(*args, **options)

    def __iter__(self) -> Iterator[object]:
        self._check_ambient()
        return super().__iter__()

    def _execute_internal(self, statement: Any, *args: Any, **options: Any) -> Any:
        result = super()._execute_internal(statement, *args, **options)
        if isinstance(result, IteratorResult):  # rows that the ORM makes while they are fetched
            asked = {**getattr(statement, "_execution_options", {}), **options.get("execution_options", {})}
            if asked.get("stream_results") or asked.get("yield_per"):
                result.iterator = self._checked_rows(result.iterator)
        return result

    def _checked_rows(self, rows: Iterator[Any]) -> Iterator[Any]:
        while True:
            self._check_ambient()
            row = next(rows, _END)
            if row is _END:
                return
            yield row

    def _merge(self, state: Any, *args: Any, **options: Any) -> Any:
        self._check_ambient()  # without a load it answers from the identity map
        # merge() comes here for each related object too; it would copy a foreign tenant after the stamping
        _own_values(self, state.obj())
        return super()._merge(state, *args, **options)

    def _stamps(self, instance: Any) -> list[tuple[str, object]]:
        """Return the attributes of an object that rules stamp, each with this session's value."""
        mapper = object_mapper(instance)
        dialect = self._sight(self.get_bind(mapper))
        registry = dialect.tenantkit_registry
        pin = self._pin(registry)
        return [(key, pin.value_of(stamp.bind.key)) for key, stamp in registry.stamped_attributes(mapper)]

    def _entries(self, instance: Any) -> list[Entry]:
        mapper = object_mapper(instance)
        dialect = self._sight(self.get_bind(mapper))
        return [dialect.tenantkit_registry.entry(table) for table in mapper.tables]

    def _is_ruled(self, instance: Any) -> bool:
        return any(entry.is_ruled for entry in self._entries(instance))

    def _shadows(self, instance: Any) -> tuple[str, ...]:
        """Return the tables of an object that are in shadow."""
        return tuple(entry.table.fullname for entry in self._entries(instance) if entry.mode == "shadow")

    def _check_ambient(self) -> None:
        for pin in self.__pins.values():
            pin.check_ambient()


class UnscopedSession(Session):
    """
    A session over the rows of all tenants; opened by ``kit.unscoped_session(reason=...)``, which records it.

    What it loads cannot be added to or merged into a scoped session.

    Args:
        bind: an engine of the role that owns the tables.
        policies: whether each transaction tells the database that it is unscoped, so that policies let the owner see
            all rows.
        options: as for ``sqlalchemy.orm.Session``.

    .. versionadded:: 0.1
    """

    marks: ClassVar[str] = _UNSCOPED

    def __init__(self, bind: Any = None, *, policies: bool = False, **options: Any) -> None:
        self.__policies = policies
        super().__init__(bind, **options)

    def _tell(self, connection: Connection) -> None:
        if self.__policies:
            connection.execute(telling_unscoped()).close()


@event.listens_for(ScopedSession, "after_begin")
def _pin_connection(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    if isinstance(session, ScopedSession):
        session._attach(connection)


@event.listens_for(UnscopedSession, "after_begin")
def _tell_unscoped(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    if isinstance(session, UnscopedSession):
        session._tell(connection)


@event.listens_for(ScopedSession, "after_transaction_end")
def _unpin_connections(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None and isinstance(session, ScopedSession):
        session._detach()


@event.listens_for(ScopedSession, "before_attach")
def _stamp(session: Session, instance: Any) -> None:
    """Give a new object what the rules stamp, and refuse an object of another tenant."""
    assert isinstance(session, ScopedSession)  # noqa: S101 - the event is of this class
    _fill(instance, _own_values(session, instance))


def _fill(instance: Any, stamps: list[tuple[str, object]]) -> None:
    for key, own in stamps:
        if instance.__dict__.get(key) is None and instance._sa_instance_state.key is None:
            setattr(instance, key, own)


def _own_values(session: ScopedSession, instance: Any) -> list[tuple[str, object]]:
    """Return what rules stamp in an object; refuse one of another tenant, or report it where it is in shadow."""
    try:
        return _refuse_foreign(session, instance)
    except ForeignTenant as error:
        tables = session._shadows(instance)
        if not tables:
            raise
        report(tables, session.scope.tenant.slug, f"it would fail with ForeignTenant: {error}")
        return session._stamps(instance)


def _refuse_foreign(session: ScopedSession, instance: Any) -> list[tuple[str, object]]:
    """Refuse an object of another tenant or of an unscoped session; return what rules stamp in it."""
    state = instance._sa_instance_state
    kind, again = type(instance).__name__, "Load it again in this scope, by its id."
    if state.info.get(_UNSCOPED):
        raise ForeignTenant(f"{kind} was loaded by an unscoped session. {again}")
    holder = state.session
    owner = holder.scope.boundary if isinstance(holder, ScopedSession) else state.info.get(_OWNER)
    if owner not in (None, session.scope.boundary):
        raise ForeignTenant(f"{kind} comes from a session of another scope. {again}")
    stamps = session._stamps(instance)
    if owner is None and state.key is not None:
        loaded = instance.__dict__.keys() - {"_sa_instance_state"}
        if loaded and loaded.isdisjoint(key for key, _ in stamps) and session._is_ruled(instance):
            raise ForeignTenant(f"{kind} was loaded elsewhere and does not show whose it is. {again}")
    for key, own in stamps:
        given = instance.__dict__.get(key)
        if given is not None and given != own:
            raise ForeignTenant(
                f"{type(instance).__name__}.{key} is {given!r}, which is not this session's: it works for "
                f"{session.scope.tenant.slug!r}. Leave a new object's out, it is stamped; and never change it."
            )
    return stamps


@event.listens_for(ScopedSession, "before_flush")
def _guard(session: Session, _context: Any, _objects: Any) -> None:
    """Refuse changed tenants before any SQL is sent; what is changed after this is refused by the compiler."""
    assert isinstance(session, ScopedSession)  # noqa: S101
    for instance in (*session.new, *session.dirty):
        if session._shadows(instance):  # reported when it came, and its SQL will be
            _fill(instance, session._stamps(instance))
        else:
            _stamp(session, instance)


@event.listens_for(ScopedSession, "persistent_to_detached")
def _mark_owner(session: Session, instance: Any) -> None:
    """Note whose an object is that outlives its session; objects without a tenant column do not show it."""
    assert isinstance(session, ScopedSession)  # noqa: S101
    instance._sa_instance_state.info[_OWNER] = session.scope.boundary


@event.listens_for(UnscopedSession, "loaded_as_persistent")
@event.listens_for(UnscopedSession, "pending_to_persistent")
@event.listens_for(UnscopedSession, "detached_to_persistent")
def _mark_unscoped(_session: Session, instance: Any) -> None:
    instance._sa_instance_state.info[_UNSCOPED] = True
