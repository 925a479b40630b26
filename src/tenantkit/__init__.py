"""
tenantkit lets one application serve many organizations.

The names below are loaded at first use: ``import tenantkit`` loads neither SQLAlchemy nor a framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantkit.core.actor import Actor
    from tenantkit.core.ids import new_id
    from tenantkit.core.scope import Scope, current
    from tenantkit.core.settings import Settings
    from tenantkit.core.tenant import Tenant
    from tenantkit.exceptions import TenantKitError
    from tenantkit.kit import TenantKit

    __version__: str

__all__ = [
    "Actor",
    "Scope",
    "Settings",
    "Tenant",
    "TenantKit",
    "TenantKitError",
    "__version__",
    "current",
    "new_id",
]

_ROOMS = {
    "Actor": "core.actor",
    "Scope": "core.scope",
    "Settings": "core.settings",
    "Tenant": "core.tenant",
    "TenantKit": "kit",
    "TenantKitError": "exceptions",
    "current": "core.scope",
    "new_id": "core.ids",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - reads files; only when asked

        return version("tenantkit")
    if name not in _ROOMS:
        raise AttributeError(f"module 'tenantkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"tenantkit.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
