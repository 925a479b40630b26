"""
On whose behalf code runs: the only ContextVar of tenantkit.

A scope is entered and left by token. Leaving checks that one leaves one's own scope, so a forgotten or doubled
exit is an error where it happens and not a leak somewhere else.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tenantkit.core.actor import Actor
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ScopeNotLeft, ScopeRequired

__all__ = ["RequestFacts", "Scope", "current", "current_or_none", "enter", "outside"]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """
    What is worth remembering of the request that runs: its id, where it came from, and what named its tenant.

    .. versionadded:: 0.1
    """

    request_id: str | None = None
    client: str | None = None
    user_agent: str | None = None
    resolved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """
    One tenant, the actor that works in it, the actor's roles there, permissions beside them, and facts of the request.

    Where somebody from outside works in the actor's place, or in nobody's, that is the impersonator. Where the actor's
    credentials are good for less than the roles grant, the limits are the permissions that they are good for.

    Dimensions are what further row rules ask for: ``{"workspace": 7}``; their values are hashable. Rules are what
    counts for the actor beside the application's matrix: :class:`~tenantkit.rbac.MemberRules`. A scope also holds what
    was opened in it (the kit's sessions), by the object that opened it.

    .. versionadded:: 0.1
    """

    tenant: Tenant
    actor: Actor | None = None
    roles: frozenset[str] = frozenset()
    request: RequestFacts = field(default_factory=RequestFacts)
    impersonator: Actor | None = None
    limits: frozenset[str] | None = None
    permissions: frozenset[str] = frozenset()
    rules: Any = None
    dimensions: Mapping[str, Any] = field(default_factory=dict, hash=False)
    held: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def boundary(self) -> tuple[object, frozenset[tuple[str, Any]]]:
        """The tenant's id and the dimensions; two scopes of one boundary see the same rows."""
        return self.tenant.id, frozenset(self.dimensions.items())

    @property
    def is_bounded(self) -> bool:
        """Whether its actor may do what roles and credentials say; a script's says nothing of them, and may all."""
        return bool(self.roles) or self.limits is not None or self.request.resolved_by is not None

    def dimension(self, name: str) -> Any:
        """
        Return one of the dimensions.

        Raises:
            ScopeRequired: the scope does not say.
        """
        try:
            return self.dimensions[name]
        except KeyError:
            raise ScopeRequired(
                f"This scope of tenant {self.tenant.slug!r} names no {name}. Enter one that does: "
                f"kit.scope(..., dimensions={{{name!r}: ...}})."
            ) from None


_scope: ContextVar[Scope | None] = ContextVar("tenantkit_scope", default=None)


def current_or_none() -> Scope | None:
    """
    The scope the calling code runs in, or None outside of any.

    .. versionadded:: 0.1
    """
    return _scope.get()


def current() -> Scope:
    """
    The scope the calling code runs in.

    Raises:
        ScopeRequired: no scope was entered.

    .. versionadded:: 0.1
    """
    scope = _scope.get()
    if scope is None:
        raise ScopeRequired(
            'No tenant is in scope here. Enter one with `with kit.scope("acme"): ...`, or let an adapter\'s '
            "middleware do it; a thread or task that you start yourself must enter the scope itself."
        )
    return scope


class enter:  # noqa: N801 - reads as a verb: `with enter(scope):`
    """
    Enter a scope for the length of a ``with`` block.

    Costs two ContextVar operations; opens nothing.

    Raises:
        ScopeNotLeft: on leaving, when another scope is the current one.

    .. versionadded:: 0.1
    """

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Scope:
        if self._token is not None:
            raise ScopeNotLeft("This scope is entered already; make a new `enter(scope)` for each block.")
        self._token = _scope.set(self._scope)
        return self._scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token = self._token
        try:
            if token is None or _scope.get() is not self._scope:
                raise ValueError  # noqa: TRY301 - the same refusal as the context's own
            _scope.reset(token)
        except ValueError:  # of reset(): the scope was entered in another thread or task
            raise ScopeNotLeft(
                f"Tenant {self._scope.tenant.slug!r} is not the innermost scope: scopes are left in the reverse "
                "order of entering, in the same thread or task. Use `with` blocks."
            ) from error
        self._token = None


class outside:  # noqa: N801 - reads as a word of the sentence: `with outside():`
    """
    Run a ``with`` block in no scope, whatever scope the context was copied from.

    .. versionadded:: 0.1
    """

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _scope.set(None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _scope.reset(self._token)
