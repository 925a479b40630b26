"""What stands before a function and refuses, whoever calls it."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any, TypeVar, cast

from tenantkit.exceptions import ConfigurationError

__all__ = ["guarded"]

Function = TypeVar("Function", bound=Callable[..., Any])


def guarded(check: Callable[[object], object], on: str | None = None) -> Callable[[Function], Function]:
    """
    Return a decorator of functions, sync or async, that asks before the function is run.

    A generator is refused when it is made, and not at its first step.

    Args:
        check: raises where the function is refused; given the resource, or None.
        on: the parameter of the function that holds the resource.

    Raises:
        ConfigurationError: the function has no such parameter.

    .. versionadded:: 0.1
    """

    def decorate(function: Function) -> Function:
        shape = signature(function)
        if on is not None and on not in shape.parameters:
            raise ConfigurationError(f"{function.__qualname__}() has no parameter {on!r}.")

        def ask(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            if on is None:
                check(None)
                return
            bound = shape.bind(*arguments, **named)
            bound.apply_defaults()
            resource = bound.arguments[on]
            if resource is None:
                raise ConfigurationError(f"{function.__qualname__}() was given no {on!r} to be asked about.")
            check(resource)

        if iscoroutinefunction(function):

            @wraps(function)
            async def asked_async(*arguments: Any, **named: Any) -> Any:
                ask(arguments, named)
                return await function(*arguments, **named)

            return cast("Function", asked_async)

        @wraps(function)
        def asked(*arguments: Any, **named: Any) -> Any:
            ask(arguments, named)
            return function(*arguments, **named)

        return cast("Function", asked)

    return decorate
