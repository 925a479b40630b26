"""The kit of a Django project: its sessions work in Django's transactions."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connections, transaction
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tenantkit.adapters.django.bridge import borrowing, in_test_case, own_connections
from tenantkit.core.scope import Scope
from tenantkit.core.settings import Settings
from tenantkit.core.tenant import TenantId
from tenantkit.directory import CachedLookup, DirectoryCache, Lifetimes
from tenantkit.isolation import ScopedSession
from tenantkit.kit import TenantKit
from tenantkit.kit.health import ping_database
from tenantkit.kit.once import once

__all__ = ["DjangoKit"]


class DjangoKit(TenantKit):
    """
    A kit over the databases of a Django project.

    ``kit.session()`` works in the transaction that ``atomic()`` has open, and is refused outside of one: what the ORM
    and the kit write is committed together. ``session.commit()`` writes what the session holds back; whether it stays
    is decided by ``atomic()``. What the kit records whatever happens, such as refusals, has connections of its own.

    Args:
        settings: the configuration.
        database: alias of the database that the application works in.
        owner: alias of the database whose role owns the tables.
        own_options: for the engines with connections of the kit's own.
        parts: as for :class:`~tenantkit.kit.TenantKit`.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: str,
        owner: str,
        own_options: Mapping[str, Any] | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(settings, **parts)
        self._database, self._owner, self._own_options = database, owner, dict(own_options or {})

    @once
    def engine(self) -> Engine:
        """The scoped engine on Django's connections."""
        # the connection itself tells the policies, since the ORM speaks on it, too
        return borrowing(self._make_engine, self._database, policies=False)

    @property
    def apart_engine(self) -> Engine:
        """The scoped engine on connections of its own; within a TestCase on Django's."""
        return self.engine if in_test_case(self._database) else self._own_engine

    @property
    def owner_engine(self) -> Engine:
        """The owner's engine on connections of its own; within a TestCase on Django's."""
        return self._lent_owner_engine if in_test_case(self._owner) else self._own_owner_engine

    @once
    def _own_engine(self) -> Engine:
        return own_connections(self._make_engine, self._database, **self._own_options)

    @once
    def _own_owner_engine(self) -> Engine:
        return own_connections(self._make_owner_engine, self._owner, **self._own_options)

    @once
    def _lent_owner_engine(self) -> Engine:
        return borrowing(self._make_owner_engine, self._owner, nested=True)

    def session(self, *, with_deleted: bool = False) -> ScopedSession:
        """
        Return the session of the current scope, on the connection of the calling thread.

        Raises:
            ScopeRequired: no scope is entered.
            ConfigurationError: at the first statement, if no ``atomic()`` block is open.
        """
        session = super().session(with_deleted=with_deleted)
        connections[self._database].tenancy.joint.join(session)
        return session

    def async_session(self, *, with_deleted: bool = False) -> Any:
        """Return what runs the session's work in the thread in which Django works for this task."""
        return _InThread(self, with_deleted=with_deleted)

    def release(self, scope: Scope) -> None:
        """Close the sessions that a scope holds; what they hold back is written, and Django decides on it."""
        for session in self._taken(scope):
            if isinstance(session, Session):
                if session.in_transaction():
                    session.commit()
                session.close()

    async def arelease(self, scope: Scope) -> None:
        """Close the sessions that a scope holds, in the thread in which Django works for this task."""
        await sync_to_async(self.release)(scope)

    def _lookup(self, open_session: Callable[[], Session] | None = None) -> CachedLookup:
        if in_test_case(self._owner):  # what is found here is gone when the test is over
            nothing = DirectoryCache(self.clock, Lifetimes(untold=0))
            return CachedLookup(self.organizations, nothing, open_session)
        return super()._lookup(open_session)

    def directory_changed(self, session: Session, tenant_id: TenantId) -> None:
        """Have forgotten what was looked up of a tenant, once Django's transaction ends."""
        super().directory_changed(session, tenant_id)
        if connections[self._database].in_atomic_block:
            changed = partial(self.directory_cache.announce, tenant_id)
            transaction.on_commit(changed, using=self._database)

    def create_tables(self) -> None:
        """Run the migrations as the owner, and create what tables of SQLAlchemy the project has besides."""
        call_command("migrate", database=self._owner, verbosity=0, interactive=False)

    def _ping_database(self) -> None:
        ping_database(self._own_engine)
        ping_database(self.owner_engine)

    def dispose(self) -> None:
        """Close the connections that are the kit's own."""
        self._dispose_redis()
        for name in ("engine", "_own_engine", "_own_owner_engine", "_lent_owner_engine"):
            if name in self.__dict__:
                getattr(self, name).dispose()


class _InThread:
    """Stands for an async session: what the kit's async methods run on it is run on the session, in Django's thread."""

    def __init__(self, kit: DjangoKit, *, with_deleted: bool) -> None:
        self._kit, self._with_deleted = kit, with_deleted

    async def run_sync(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Run a function of a session."""

        def run() -> Any:
            return work(self._kit.session(with_deleted=self._with_deleted), *arguments, **named)

        return await sync_to_async(run)()
