"""What may stand before a handler and refuse: the same guards in every framework, each spelled its way."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from tenantkit.exceptions import ConfigurationError
from tenantkit.kit import TenantKit
from tenantkit.quotas import check_units

__all__ = ["Guards"]

Spelled = TypeVar("Spelled")


class Guards(ABC, Generic[Spelled]):
    """
    The guards that an application asks for; an adapter says what each is in its framework.

    What a guard needs is looked up in the kit when the guard is made, so that a wrong name ends the start of the
    application, and not a request.

    .. versionadded:: 0.1
    """

    def requires(self, permission: str, *, some: bool = False) -> Spelled:
        """
        Return a guard that refuses with 403 unless the actor has a permission.

        Args:
            permission: the permission, on every resource.
            some: whether it is enough that they can have it on some resource: for a handler that asks about each, by
                ``kit.access.require(permission, row)`` or ``kit.access.filter``.

        Raises:
            ConfigurationError: the permission is not declared in the matrix.
        """
        self._check(lambda kit: kit.roles.check_declared(permission))
        return self._asks(lambda kit: kit.access.require(permission, some=some), 403)

    def requires_any(self, *permissions: str) -> Spelled:
        """
        Return a guard that refuses with 403 unless the actor has one of several permissions.

        Raises:
            ConfigurationError: one is not declared in the matrix, or none is given.
        """
        if not permissions:
            raise ConfigurationError("requires_any() needs a permission at least.")
        for permission in permissions:
            self._check(partial(_declares, permission=permission))
        return self._asks(lambda kit: kit.access.require_any(permissions), 403)

    def requires_role(self, *roles: str) -> Spelled:
        """
        Return a guard that refuses with 403 unless the actor holds one of several roles, or one that includes one.

        Credentials that are good for some permissions alone stand for no role.

        Raises:
            ConfigurationError: the matrix has no such role, or none is given.
        """
        self._check(lambda kit: kit.roles.check_roles(*roles))
        return self._asks(lambda kit: kit.access.require_role(*roles), 403)

    def consumes(self, meter: str, units: int = 1) -> Spelled:
        """
        Return a guard that counts units, and refuses with 402 at the plan's limit.

        The units are counted in the request's transaction: a request that fails counts nothing.

        Raises:
            ConfigurationError: the meter is unknown, or the units are no whole number from 1 up.
        """
        check_units(units)
        self._check(lambda kit: kit.plans.check_meter(meter))
        return self._consumes(meter, units)

    def owns(self, model: type[Any], *, by: str, key: str, unless: str | None = None) -> Spelled:
        """
        Return a guard that refuses with 403 unless the row that the path names is the actor's.

        A row that the tenant does not have is a 404. Costs one statement. A session of SQLAlchemy knows the row from
        then on: ``session.get`` of it costs nothing more.

        Args:
            model: the class of the row.
            by: its attribute that holds the owner's user id.
            key: the path parameter that holds the primary key.
            unless: a permission that stands in for owning.

        Raises:
            ConfigurationError: the class has no such attribute, or the permission is not declared.
        """
        if unless is not None:
            self._check(lambda kit: kit.roles.check_declared(unless))
        return self._owns(model, by, key, unless)

    def requires_workspace(self) -> Spelled:
        """Return a guard that refuses with 400 unless the token names a workspace."""
        return self._asks(lambda kit: kit.require_workspace(), 400)

    @abstractmethod
    def _check(self, is_known: Callable[[TenantKit], object]) -> None:
        """Let the kit be asked whether it knows what a guard needs."""

    @abstractmethod
    def _asks(self, question: Callable[[TenantKit], object], status: int) -> Spelled:
        """Return a guard that asks the kit at each request; what is raised is answered with the status."""

    @abstractmethod
    def _consumes(self, meter: str, units: int) -> Spelled: ...

    @abstractmethod
    def _owns(self, model: type[Any], by: str, key: str, unless: str | None) -> Spelled: ...


def _declares(kit: TenantKit, permission: str) -> None:
    kit.roles.check_declared(permission)
