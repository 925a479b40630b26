"""The nouns of tenancy for Django: one object, whose kit is the project's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connections

from tenantkit.adapters.django.guards import Guard
from tenantkit.adapters.guards import Guards
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current
from tenantkit.exceptions import ConfigurationError, RowNotFound
from tenantkit.isolation import ScopedSession, UnscopedSession
from tenantkit.kit import TenantKit
from tenantkit.rbac import Ownership, check_owner

__all__ = ["Tenancy", "tenancy"]


class Tenancy(Guards[Guard]):
    """
    What views, commands and tasks of a Django project ask of tenancy; there is one, ``tenancy``.

    :meth:`~tenantkit.adapters.guards.Guards.owns` takes a model, or a class of SQLAlchemy's.

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

    @contextmanager
    def unscoped_session(self, request: Any) -> Iterator[UnscopedSession]:
        """
        Open a session of SQLAlchemy's over all tenants' rows, for the support; see :meth:`Exchange.unscoped_session`.

        For Django's ORM, ask :meth:`unscoped` in it.
        """
        with request.tenantkit.unscoped_session() as session:
            yield session

    def _check(self, is_known: Callable[[TenantKit], object]) -> None:
        is_known(self.kit)

    def _asks(self, question: Callable[[TenantKit], object], status: int) -> Guard:  # noqa: ARG002 - nothing is documented
        return Guard(lambda _request, _named: question(self.kit))

    def _consumes(self, meter: str, units: int) -> Guard:
        return Guard(lambda _request, _named: self.kit.quotas.consume(meter, units))

    def _owns(self, model: type[Any], by: str, key: str, unless: str | None) -> Guard:
        find = _finder(model, by, unless)
        return Guard(lambda _request, named: find(self.kit, str(named[key])))

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
        if unless is None or not kit.access.check(unless):
            check_owner(current(), row[0], name)

    return find


tenancy = Tenancy()
