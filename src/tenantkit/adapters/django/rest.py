"""Tenancy for Django REST framework: who asks, whether they may, and errors as problem answers."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from tenantkit.adapters.django.nouns import tenancy
from tenantkit.adapters.django.responses import problem_response
from tenantkit.core.actor import Actor
from tenantkit.exceptions import ConfigurationError, DependencyMissing, TenantKitError

if find_spec("rest_framework") is None:
    raise DependencyMissing(
        "tenantkit.adapters.django.rest needs Django REST framework: pip install djangorestframework."
    )

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.views import exception_handler as default_handler
from rest_framework.viewsets import ModelViewSet

__all__ = ["ActorAuthentication", "ActorUser", "RolesPermission", "TenantViewSet", "exception_handler"]


class ActorUser:
    """
    The actor of a request, as Django REST framework asks for a user.

    .. versionadded:: 0.1
    """

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.pk = self.id = actor.id

    def __str__(self) -> str:
        return self.id


class ActorAuthentication(BaseAuthentication):
    """
    Takes whom the middleware has identified as the user of the request.

    .. versionadded:: 0.1
    """

    def authenticate(self, request: Any) -> tuple[ActorUser, None] | None:
        """Return the actor, if somebody is known."""
        actor = tenancy.actor(request)
        return None if actor is None else (ActorUser(actor), None)

    def authenticate_header(self, _request: Any) -> str:
        """Return the challenge of a 401."""
        return "Bearer"


class RolesPermission(BasePermission):
    """
    Asks the matrix for what a view's ``required_permission`` says: one permission, or one for each action.

    .. versionadded:: 0.1
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        """
        Refuse with 403, naming the permission, unless the actor's roles grant it.

        Raises:
            ConfigurationError: the view says nothing of the action, or names what the matrix does not declare.
            PermissionDenied: the roles do not grant it.
        """
        said = getattr(view, "required_permission", None)
        action = getattr(view, "action", None) or request.method.lower()
        permission = said.get(action) if isinstance(said, Mapping) else said
        if permission is None:
            if request.method == "OPTIONS":
                return True
            raise ConfigurationError(
                f"{type(view).__name__} does not say which permission {action!r} needs. Set required_permission."
            )
        tenancy.kit.roles.check_declared(permission)
        tenancy.kit.access.require(permission)
        return True


class TenantViewSet(ModelViewSet):
    """
    A ``ModelViewSet`` over rows of the scope's tenant, each action behind a permission.

    Rows of other tenants are a 404, in the path and in related fields; the tenant is stamped, and no field of it is
    read from a request.

    .. code-block:: python

        class DocumentViewSet(TenantViewSet):
            queryset = Document.objects.all()
            serializer_class = DocumentSerializer
            required_permission = {"list": "documents:read", "create": "documents:create", ...}

    .. versionadded:: 0.1
    """

    authentication_classes: ClassVar[list[Any]] = [ActorAuthentication]
    permission_classes: ClassVar[list[Any]] = [RolesPermission]
    required_permission: str | Mapping[str, str] | None = None

    def get_exception_handler(self) -> Any:
        """Return what answers errors."""
        return exception_handler


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Any:
    """
    Answer an error of ours by its problem document, and any other as Django REST framework does.

    Set it as ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``; :class:`TenantViewSet` does so by itself.

    .. versionadded:: 0.1
    """
    if not isinstance(error, TenantKitError):
        return default_handler(error, context)
    return problem_response(context["request"].tenantkit, error)
