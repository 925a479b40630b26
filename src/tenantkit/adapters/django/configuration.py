"""``settings.TENANTKIT``: read once, checked, and translated for the kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.conf import settings
from django.utils.module_loading import import_string

from tenantkit.exceptions import ConfigurationError

__all__ = ["Configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    What the settings say.

    Attributes:
        kit: makes the kit: a callable, which gets the keyword arguments that the project decides for it.
        database: alias of the database in which the application works.
        owner: alias of the database whose role owns the tables; it sees all tenants' rows in ``unscoped()``.
        models: declarations of models that cannot be edited, by label.
        functions: names of SQL functions that may be called besides the built-in list, in lower case.
        elements: classes of the application's own expressions and lookups that write SQL.
        rules: further row rules.
        policies: whether the tables have row level security.
        public, central, optional, health: see :class:`~tenantkit.adapters.paths.Paths`.
        atomic: whether the middleware opens a transaction for each request.
    """

    database: str = "default"
    owner: str = "owner"
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    elements: tuple[type, ...] = ()
    rules: tuple[Any, ...] = ()
    policies: bool = False

    @classmethod
    def read(cls) -> Self:
        """Return what ``settings.TENANTKIT`` says."""
        given = dict(getattr(settings, "TENANTKIT", {}))
        known = {one.name.upper(): one.name for one in fields(cls)}
        if unknown := sorted(given.keys() - known.keys()):
            raise ConfigurationError(f"TENANTKIT holds {', '.join(unknown)}. Known are {', '.join(sorted(known))}.")
        values = {known[key]: value for key, value in given.items()}
        values["functions"] = frozenset(str(name).lower() for name in values.get("functions", ()))
        values["elements"] = tuple(_classes(values.get("elements", ())))
        values["rules"] = tuple(values.get("rules", ()))
        return cls(**values)


def _classes(paths: Any) -> Any:
    return [import_string(path) if isinstance(path, str) else path for path in paths]
