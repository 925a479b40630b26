"""The nouns of tenancy as FastAPI's dependencies."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from tenantkit.adapters.asgi import EXCHANGE_KEY, in_thread, session_of
from tenantkit.adapters.exchange import Exchange
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current
from tenantkit.isolation import ScopedSession, UnscopedSession
from tenantkit.kit import TenantKit
from tenantkit.rbac import Ownership

__all__ = [
    "ActorDep",
    "Asks",
    "AsyncSessionDep",
    "Check",
    "ConsumesInLoop",
    "ConsumesInThread",
    "OwnsInLoop",
    "OwnsInThread",
    "ScopeDep",
    "SessionDep",
    "UnscopedSessionDep",
]


def _kit(request: HTTPConnection) -> TenantKit:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    return exchange.kit


async def _actor(request: HTTPConnection) -> Actor | None:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    return exchange.actor


async def _scope() -> Scope:
    return current()


async def _session(request: HTTPConnection) -> ScopedSession:
    return await session_of(request.scope)


async def _async_session(request: HTTPConnection) -> AsyncSession:
    return _kit(request).async_session()


def _unscoped_session(request: HTTPConnection) -> Iterator[UnscopedSession]:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    with exchange.unscoped_session() as session:
        yield session


ActorDep = Annotated[Actor | None, Depends(_actor)]
ScopeDep = Annotated[Scope, Depends(_scope)]
SessionDep = Annotated[ScopedSession, Depends(_session)]
AsyncSessionDep = Annotated[AsyncSession, Depends(_async_session)]
UnscopedSessionDep = Annotated[UnscopedSession, Depends(_unscoped_session)]


class Check:
    """A dependency that refuses, and the status with which it does."""

    status: int


class Asks(Check):
    """Asks the kit."""

    def __init__(self, question: Callable[[TenantKit], object], status: int) -> None:
        self.question, self.status = question, status

    async def __call__(self, request: HTTPConnection) -> None:
        """Refuse as the kit refuses."""
        self.question(_kit(request))


class _Consumes(Check):
    status = 402

    def __init__(self, meter: str, units: int) -> None:
        self.meter, self.units = meter, units


class ConsumesInThread(_Consumes):
    """Counts units in the request's transaction."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Refuse at the plan's limit."""
        await in_thread(request.scope, _kit(request).quotas.consume, self.meter, self.units)


class ConsumesInLoop(_Consumes):
    """Counts units in the transaction of the async session."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Refuse at the plan's limit."""
        await _kit(request).quotas.aconsume(self.meter, self.units)


class _Owns(Check):
    status = 403

    def __init__(self, ownership: Ownership, key: str) -> None:
        self.ownership, self.key = ownership, key


class OwnsInThread(_Owns):
    """Compares the owner of a row with the actor."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Refuse unless they are the same."""
        key = str(request.path_params[self.key])
        await in_thread(request.scope, _kit(request).require_owner, self.ownership, key)


class OwnsInLoop(_Owns):
    """Compares the owner of a row with the actor, on the async session."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Refuse unless they are the same."""
        await _kit(request).arequire_owner(self.ownership, str(request.path_params[self.key]))
