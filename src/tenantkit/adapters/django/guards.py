"""What stands before a view and refuses: a decorator for functions and methods, and a mixin for classes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest

__all__ = ["Guard", "GuardedView"]

Check = Callable[[HttpRequest, dict[str, Any]], object]


class Guard:
    """
    Refuses a request by raising, before its view runs.

    .. code-block:: python

        @tenancy.requires("documents:read")
        def documents(request): ...

        path("documents/", tenancy.requires("documents:read")(DocumentList.as_view()))

        class DocumentList(GuardedView, ListView):
            guards = [tenancy.requires("documents:read")]

    .. versionadded:: 0.1
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    def check(self, request: HttpRequest, named: dict[str, Any]) -> None:
        """Refuse a request, or do nothing."""
        self._check(request, named)

    def __call__(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view that is run if the request is not refused; an async one, too."""
        if iscoroutinefunction(view):

            @wraps(view)
            async def aguarded(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
                await sync_to_async(self._check)(request, named)
                return await view(request, *arguments, **named)

            return aguarded

        @wraps(view)
        def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            self._check(request, named)
            return view(request, *arguments, **named)

        return guarded


class GuardedView:
    """
    Mixin for class-based views: its ``guards`` are asked, in their order, before the request is dispatched.

    .. versionadded:: 0.1
    """

    guards: tuple[Guard, ...] | list[Guard] = ()

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        """Ask the guards, and dispatch."""
        dispatch: Any = super().dispatch  # type: ignore[misc]
        if getattr(self, "view_is_async", False):
            return self._adispatch(dispatch, request, *arguments, **named)
        for guard in self.guards:
            guard.check(request, named)
        return dispatch(request, *arguments, **named)

    async def _adispatch(self, dispatch: Any, request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        for guard in self.guards:
            await sync_to_async(guard.check)(request, named)
        return await dispatch(request, *arguments, **named)
