"""
The pin: which scope a connection works for, as a private object on the connection.

It is no execution option and not in ``session.info``: what a caller can name, a caller can forge.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.engine import Connection

from tenantkit.core.scope import Scope, current_or_none
from tenantkit.exceptions import ScopeChanged, ScopeRequired
from tenantkit.isolation.refusals import refusal
from tenantkit.isolation.registry import Registry

__all__ = ["Pin", "exchanged", "forget", "pin_of", "pinned_scope", "refuse_other"]

_ATTRIBUTE: Final = "_tenantkit_pin"


class Pin:
    """The scope of a session, its bound values for one registry, and the parent rows seen to be its own."""

    __slots__ = ("_rehearsing", "is_rehearsing", "known", "missing", "registry", "scope", "values")

    def __init__(self, scope: Scope, registry: Registry) -> None:
        self.scope = scope
        self.registry = registry
        self.values, self.missing = registry.values(scope)
        self.known: dict[Any, set[object]] = {}
        self._rehearsing: Pin | None = None
        self.is_rehearsing = False

    def for_rehearsal(self, registry: Registry) -> "Pin":
        """Return the pin of the same scope in which tables in shadow are enforced."""
        if self._rehearsing is None:
            self._rehearsing = Pin(self.scope, registry)
        return self._rehearsing

    def attach(self, connection: Connection) -> bool:
        """Put the pin on a connection that carries none, or carries this one; return whether it carried none."""
        refuse_other(connection, (self,))
        is_new = getattr(connection, _ATTRIBUTE, None) is None
        setattr(connection, _ATTRIBUTE, self)
        return is_new

    def value_of(self, name: str) -> Any:
        """Return one bound value, by its name; raises as :meth:`check_known`."""
        if name in self.missing:
            raise refusal(self.missing[name])
        return self.values[name]

    def check_known(self, names: Collection[str]) -> None:
        """
        Refuse a statement that needs a value which the scope does not name.

        Raises:
            ScopeRequired: it does not.
        """
        for name, error in self.missing.items():
            if name in names:
                raise refusal(error)

    def detach(self, connection: Connection) -> None:
        """Take the pin off; what was known of parent rows ends with the transaction."""
        self.known.clear()
        if getattr(connection, _ATTRIBUTE, None) is self:
            delattr(connection, _ATTRIBUTE)

    def check_ambient(self) -> None:
        """
        Compare with the scope that the calling code runs in, if it runs in one.

        Raises:
            ScopeChanged: it is another tenant's.
        """
        ambient = current_or_none()
        if ambient is None or ambient is self.scope or _sees_the_same(ambient, self.scope):
            return
        ours, theirs = (
            f"tenant {scope.tenant.slug!r}{f' and {dict(scope.dimensions)}' if scope.dimensions else ''}"
            for scope in (self.scope, ambient)
        )
        raise refusal(
            ScopeChanged(
                f"A session of {ours} was used while {theirs} is in scope. Open a session inside the scope it is used "
                "in, and pass values, not objects, between them."
            )
        )


def refuse_other(connection: Connection, own: Iterable[Pin]) -> None:
    """
    Refuse a connection that carries another session's pin.

    Raises:
        ScopeChanged: it does.
    """
    held = getattr(connection, _ATTRIBUTE, None)
    if held is not None and not any(held is one for one in own):
        raise ScopeChanged(
            f"This connection works for tenant {held.scope.tenant.slug!r} through another session. Give each session a "
            "connection of its own, or end the other session's transaction first."
        )


def _sees_the_same(one: Scope, other: Scope) -> bool:
    return one.tenant.id == other.tenant.id and one.dimensions == other.dimensions


def pin_of(connection: Connection) -> Pin:
    """
    Return the pin of a connection.

    Raises:
        ScopeRequired: it carries none.
    """
    pin = getattr(connection, _ATTRIBUTE, None)
    if pin is None:
        raise refusal(
            ScopeRequired(
                "This connection belongs to no tenant: a scoped engine answers only to a ScopedSession in its "
                "transaction. Use kit.session(), or the owner's engine for DDL, reflection and migrations."
            )
        )
    assert isinstance(pin, Pin)  # noqa: S101 - only attach() sets it
    return pin


def pinned_scope(connection: Connection) -> Scope | None:
    """Return the scope that a connection works for, if it carries a pin."""
    pin = getattr(connection, _ATTRIBUTE, None)
    return None if pin is None else pin.scope


@contextmanager
def exchanged(connection: Any, dialect: Any, pin: Pin) -> Iterator[None]:
    """Let a connection that carries a pin speak another dialect under another pin."""
    before = connection.dialect, getattr(connection, _ATTRIBUTE)
    connection.dialect = dialect
    setattr(connection, _ATTRIBUTE, pin)
    try:
        yield
    finally:
        pin.known.clear()
        connection.dialect = before[0]
        setattr(connection, _ATTRIBUTE, before[1])


def forget(connection: Connection) -> None:
    """Forget the parent rows seen by a connection, if it carries a pin: some of them may be gone."""
    pin = getattr(connection, _ATTRIBUTE, None)
    if pin is not None:
        pin.known.clear()
