"""The nouns of tenancy for Django: one object, whose kit is the project's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connections

from tenantkit.adapters.django.guards import Guard
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current
from tenantkit.exceptions import ConfigurationError, RowNotFound
from tenantkit.isolation import ScopedSession
from tenantkit.kit import TenantKit
from tenantkit.quotas import check_units
from tenantkit.rbac import check_owner

__all__ = ["Tenancy", "tenancy"]


class Tenancy:
    """
    What views, commands and tasks of a Django project ask of tenancy; there is one, ``tenancy``.

    .. versionadded:: 0.1
    """

    @property
    def kit(self) -> TenantKit:
        """The project's kit, made of ``settings.TENANTKIT``."""
        return self._config.kit  # type: ignore[no-any-return]

    @property
    def session(self) -> ScopedSession:
        """The kit's session, in the transaction that Django has open."""
        return self.kit.session()

    @property
    def scope(self) -> Scope:
        """The request's scope."""
        return current()

    def actor(self, request: Any) -> Actor | None:
        """Return who asks, also on central paths; None where nobody is known."""
        return request.tenantkit.actor  # type: ignore[no-any-return]

    def requires(self, permission: str) -> Guard:
        """
        Return a guard that refuses with 403 unless the actor's roles grant a permission.

        Raises:
            ConfigurationError: the permission is not declared in the matrix.
        """
        self.kit.roles.check_declared(permission)
        return Guard(lambda _request, _named: self.kit.roles.require(current(), permission))

    def consumes(self, meter: str, units: int = 1) -> Guard:
        """
        Return a guard that counts units, and refuses with 402 at the plan's limit.

        The units are counted in the request's transaction: a request that fails counts nothing.

        Raises:
            ConfigurationError: the meter is unknown, or the units are no whole number from 1 up.
        """
        check_units(units)
        self.kit.plans.check_meter(meter)
        return Guard(lambda _request, _named: self.kit.quotas.consume(meter, units))

    def owns(self, model: Any, *, by: str, key: str, unless: str | None = None) -> Guard:
        """
        Return a guard that refuses with 403 unless the row that the path names is the actor's.

        A row that the tenant does not have is a 404. Costs one statement.

        Args:
            model: the model of the row; or a class of SQLAlchemy's.
            by: its field that holds the owner's user id.
            key: the path parameter that holds the primary key.
            unless: a permission that stands in for owning.

        Raises:
            ConfigurationError: the class has no such field, or the permission is not declared.
        """
        if unless is not None:
            self.kit.roles.check_declared(unless)
        find = _finder(model, by, unless)
        return Guard(lambda _request, named: find(self.kit, str(named[key])))

    def requires_workspace(self) -> Guard:
        """Return a guard that refuses with 400 unless the token names a workspace."""
        return Guard(lambda _request, _named: self.kit.require_workspace())

    @contextmanager
    def unscoped(self, *, reason: str, actor: Actor | str | None = None) -> Iterator[str]:
        """
        Let the owner's database show rows of all tenants; yield its alias, for ``using()``.

        Each use is recorded in the central trail first, in a transaction of its own.

        Args:
            reason: why all tenants' rows are needed.
            actor: who needs them: an actor, or the name of a program; the current scope's actor by default.

        Raises:
            ConfigurationError: there is no reason, nobody is named, or the settings forbid it.
        """
        with self.kit.unscoped_session(reason=reason, actor=actor):
            pass  # it is recorded, and refused, as a session is
        alias = self._config.configuration.owner
        with connections[alias].tenancy.unscoped():
            yield alias

    @property
    def _config(self) -> Any:
        return apps.get_app_config("tenantkit")


def _finder(model: Any, by: str, unless: str | None) -> Any:
    """Return what looks for a row and compares its owner."""
    if not hasattr(model, "_meta"):
        from tenantkit.rbac import Ownership

        ownership = Ownership(model, by, unless)
        return lambda kit, key: kit.require_owner(ownership, key)
    try:
        field = model._meta.get_field(by)
    except FieldDoesNotExist:
        raise ConfigurationError(f"{model.__name__} has no field {by!r}.") from None

    def find(kit: TenantKit, key: str) -> None:
        name = model.__name__
        try:
            row = model._default_manager.filter(pk=key).values_list(field.attname).first()
        except (ValidationError, ValueError, TypeError, OverflowError):  # it spells no key of this type
            row = None
        if row is None:
            raise RowNotFound(f"There is no {name} {key[:80]!r}.")
        if unless is None or not kit.roles.allows(current(), unless):
            check_owner(current(), row[0], name)

    return find


tenancy = Tenancy()
