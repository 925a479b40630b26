"""Conditions as data: read back from what :attr:`Condition.data` gives."""

from typing import Any, Final

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions.attributes import Attribute, FromScope
from tenantkit.rbac.conditions.compounds import AllOf, AnyOf, Not
from tenantkit.rbac.conditions.promise import Condition
from tenantkit.rbac.conditions.relations import Owner, Related

__all__ = ["condition_from"]

_MAX_DEPTH: Final = 40


def condition_from(data: Any) -> Condition:
    """
    Return the condition that data describes: what :attr:`Condition.data` gives.

    ``{"owner": "created_by"}``, ``{"attribute": "status", "is": "draft"}``, ``{"related": "folder", "where": {...}}``,
    ``{"all": [...]}``, ``{"any": [...]}``, ``{"not": {...}}``.

    Raises:
        ConfigurationError: it describes none, or one that is made of others more than 40 deep.

    .. versionadded:: 0.1
    """
    return _read(data, _MAX_DEPTH)


def _read(data: Any, depth: int) -> Condition:
    if depth == 0:
        raise ConfigurationError(
            f"Conditions are made of others up to {_MAX_DEPTH} deep, and this one is deeper."
        )
    match data:
        case {"owner": str(by), **rest} if not rest:
            return Owner(by)
        case {"owner": str(by), "unless": str(unless), **rest} if not rest:
            return Owner(by, unless)
        case {"attribute": str(name), **rest} if len(rest) == 1:
            return Attribute(name, *_comparison(name, *rest.popitem()))
        case {"related": str(name), "where": where, **rest} if not rest:
            return Related(name, _read(where, depth - 1))
        case {"all": list(several)} | {"any": list(several)} if several and len(data) == 1:
            made = [_read(one, depth - 1) for one in several]
            return AllOf(*made) if "all" in data else AnyOf(*made)
        case {"not": one, **rest} if not rest:
            return Not(_read(one, depth - 1))
    raise ConfigurationError(
        f"{data!r} is no condition. One is written as {{owner = ...}}, {{attribute = ..., is = ...}}, "
        "{related = ..., where = ...}, {all = [...]}, {any = [...]} or {not = ...}."
    )


def _comparison(name: str, operator: Any, value: Any) -> tuple[Any, Any]:
    if operator in ("present", "missing"):
        if value is not True:
            raise ConfigurationError(f"{operator!r} of the attribute {name!r} is true, or is left out.")
        return operator, None
    match value:
        case {"scope": str(known), **rest} if not rest:
            return operator, FromScope(known)
    return operator, value
