"""What the actor of the current scope may do: asked, and asked before functions run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from tenantkit.core.scope import current
from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac import Authorizer, Decision, Mode, check_owner, guarded
from tenantkit.rbac.conditions import read_attribute

__all__ = ["KitQuestions"]

Selected = TypeVar("Selected", bound=Select[Any])
Function = TypeVar("Function", bound=Callable[..., Any])


class KitQuestions:
    """
    What the actor of the current scope may do. Costs no statement; see :class:`~tenantkit.rbac.Authorizer`.

    .. versionadded:: 0.1
    """

    authorizer: Authorizer

    def check(self, permission: str, resource: object = None) -> bool:
        """Whether the actor may do something to a resource; see :meth:`Authorizer.check`."""
        return self.authorizer.check(current(), permission, resource)

    def check_some(self, permission: str) -> bool:
        """Whether there can be a resource to which they may; see :meth:`Authorizer.check_some`."""
        return self.authorizer.check_some(current(), permission)

    def require(self, permission: str, resource: object = None, *, some: bool = False) -> None:
        """Refuse unless they may; see :meth:`Authorizer.require`."""
        self.authorizer.require(current(), permission, resource, some=some)

    def require_any(self, permissions: Sequence[str], resource: object = None) -> None:
        """Refuse unless one of several permissions is allowed; see :meth:`Authorizer.require_any`."""
        self.authorizer.require_any(current(), permissions, resource)

    def require_role(self, *roles: str) -> None:
        """Refuse unless the actor holds one of several roles; see :meth:`Authorizer.require_role`."""
        self.authorizer.require_role(current(), *roles)

    def explain(self, permission: str, resource: object = None) -> Decision:
        """Return the answer, with what it rests on; see :meth:`Authorizer.explain`."""
        return self.authorizer.explain(current(), permission, resource)

    def check_many(self, questions: Iterable[tuple[str, object]], mode: Mode = "all") -> list[bool]:
        """Return the answers to several questions; see :meth:`Authorizer.check_many`."""
        return self.authorizer.check_many(current(), questions, mode)

    def allowed_actions(self, resource: object = None) -> frozenset[str]:
        """Return all permissions that the actor has on a resource; see :meth:`Authorizer.allowed_actions`."""
        return self.authorizer.allowed_actions(current(), resource)

    def filter(self, statement: Selected, permission: str, *, model: Any = None) -> Selected:
        """Return a select of only those rows on which they may; see :meth:`Authorizer.filter`."""
        return self.authorizer.filter(current(), statement, permission, model=model)

    # decorators of functions, whatever calls them -----------------------------------------------------------------

    def requires(
        self, permission: str, *, on: str | None = None, some: bool = False
    ) -> Callable[[Function], Function]:
        """
        Decorate a function, sync or async, so that it is refused without a permission.

        .. code-block:: python

            @kit.access.requires("documents:update", on="document")
            def rename(document: Document, name: str) -> None: ...

        Args:
            permission: the permission.
            on: the parameter that holds the resource; on every resource by default.
            some: whether it is enough that the actor can have it on some resource.

        Raises:
            ConfigurationError: the permission is not declared, or the function has no such parameter.
        """
        self.authorizer.matrix.check_declared(permission)
        return guarded(lambda resource: self.require(permission, resource, some=some), on)

    def requires_any(self, *permissions: str, on: str | None = None) -> Callable[[Function], Function]:
        """
        Decorate a function so that it is refused without one of several permissions; see :meth:`requires`.

        Raises:
            ConfigurationError: one is not declared, none is given, or the function has no such parameter.
        """
        if not permissions:
            raise ConfigurationError("No permission is named: name one at least.")
        for permission in permissions:
            self.authorizer.matrix.check_declared(permission)
        return guarded(lambda resource: self.require_any(permissions, resource), on)

    def requires_role(self, *roles: str) -> Callable[[Function], Function]:
        """
        Decorate a function so that it is refused without one of several roles; see :meth:`requires`.

        Raises:
            ConfigurationError: the matrix has no such role, or none is given.
        """
        self.authorizer.matrix.check_roles(*roles)
        return guarded(lambda _resource: self.require_role(*roles), None)

    def owns(self, on: str, *, by: str, unless: str | None = None) -> Callable[[Function], Function]:
        """
        Decorate a function so that it is refused unless a resource is the actor's; see :meth:`requires`.

        Args:
            on: the parameter that holds the resource.
            by: its attribute that holds the owner's user id.
            unless: a permission that stands in for owning.

        Raises:
            ConfigurationError: the permission is not declared, the function has no such parameter, or, once it is
                called, the class of the resource no such attribute.
        """
        if unless is not None:
            self.authorizer.matrix.check_declared(unless)

        def check(resource: object) -> None:
            if unless is None or not self.check(unless):
                check_owner(current(), read_attribute(resource, by), type(resource).__name__)

        return guarded(check, on)
