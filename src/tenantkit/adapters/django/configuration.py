"""``settings.TENANTKIT``: read once, checked, and translated for the kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from django.conf import settings
from django.utils.module_loading import import_string

from tenantkit.adapters.paths import Paths
from tenantkit.core.settings import Settings
from tenantkit.exceptions import ConfigurationError

__all__ = ["Configuration"]

_OF_PATHS: Final = ("public", "central", "optional", "health", "context")
_OF_KIT: Final = (
    "roles",
    "plans",
    "clock",
    "dimensions",
    "tenant_settings",
    "trust",
    "organizations",
    "features",
    "checks",
)
_URLS: Final = ("database_url", "owner_database_url")


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    What the settings say; whatever is an object there may be the dotted path of one.

    Args:
        database: alias of the database in which the application works.
        owner: alias of the database whose role owns the tables; it sees all tenants' rows in ``unscoped()``.
        atomic: whether the middleware opens a transaction for each request.
        models: declarations of models that cannot be edited, by label.
        metadata: tables of SQLAlchemy that the project has besides its models.
        functions: names of SQL functions that may be called besides the built-in list.
        elements: classes of the application's own expressions, lookups and fields that write SQL.
        rules: further row rules.
        resolve: how a request's tenant is settled.
        engine_options: for ``sqlalchemy.create_engine``, of the engines with connections of the kit's own, such as
            ``{"pool_size": 2}``.
        kit: what else :class:`~tenantkit.kit.TenantKit` takes: roles, plans, dimensions ...
        paths: the paths that need no tenant.
        settings: the values of :class:`~tenantkit.core.settings.Settings`, but for the URLs of the databases.

    Raises:
        ConfigurationError: a key is unknown.
    """

    database: str = "default"
    owner: str = "owner"
    atomic: bool = True
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: tuple[Any, ...] = ()
    functions: frozenset[str] = frozenset()
    elements: tuple[type, ...] = ()
    rules: tuple[Any, ...] = ()
    resolve: Any = None
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    kit: Mapping[str, Any] = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def policies(self) -> bool:
        """Whether the tables have row level security."""
        return bool(self.settings.get("policies"))

    @classmethod
    def read(cls) -> Self:
        """Return what ``settings.TENANTKIT`` says."""
        given = {str(key).lower(): value for key, value in dict(getattr(settings, "TENANTKIT", {})).items()}
        own = [one.name for one in fields(cls) if one.name not in ("kit", "paths", "settings")]
        of_settings = [name for name in Settings.model_fields if name not in _URLS]
        known = {*own, *_OF_KIT, *_OF_PATHS, "authzen", *of_settings}
        if unknown := sorted(name.upper() for name in given.keys() - known):
            raise ConfigurationError(
                f"TENANTKIT holds {', '.join(unknown)}. Known are {', '.join(sorted(name.upper() for name in known))}."
            )
        values = {name: given[name] for name in own if name in given}
        values |= {
            name: tuple(map(_imported, values.get(name, ()))) for name in ("metadata", "elements", "rules")
        }
        values["functions"] = frozenset(str(name).lower() for name in values.get("functions", ()))
        values["resolve"] = _imported(values.get("resolve"))
        return cls(
            **values,
            kit={name: _imported(given[name]) for name in _OF_KIT if name in given},
            paths=Paths(
                **{name: given[name] for name in _OF_PATHS if name in given},
                authzen=_imported(given.get("authzen")),
            ),
            settings={name: given[name] for name in of_settings if name in given},
        )


def _imported(value: Any) -> Any:
    """Return what a dotted path names, or what is no text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ConfigurationError(f"TENANTKIT names {value!r}, which cannot be imported: {error}.") from error
