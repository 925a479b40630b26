"""What stands before a view and refuses: a decorator, and a function that runs before all views of a blueprint."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import current_app

__all__ = ["Guard"]


class Guard:
    """
    Refuses a request by raising, before its view runs.

    .. code-block:: python

        @app.get("/documents")
        @tenancy.requires("documents:read")
        def documents(): ...

        blueprint.before_request(tenancy.requires("documents:read").check)

    .. versionadded:: 0.1
    """

    def __init__(self, check: Callable[[], object]) -> None:
        self._check = check

    def check(self) -> None:
        """Refuse the current request, or do nothing."""
        self._check()

    def __call__(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view that is run if the request is not refused; an async one, too."""

        @wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            self._check()
            return current_app.ensure_sync(view)(*arguments, **named)

        return guarded
