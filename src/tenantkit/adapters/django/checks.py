"""What ``manage.py check`` says of a project's tenancy."""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connections

from tenantkit.adapters.django.db.backend import ScopedDatabase
from tenantkit.adapters.django.mirror import undeclared
from tenantkit.exceptions import TenantKitError
from tenantkit.sql.declarations import Shared, declaration_of

__all__ = ["check_project"]

_MIDDLEWARE: Final = "tenantkit.adapters.django.middleware.TenancyMiddleware"


def check_project(**_asked: Any) -> list[CheckMessage]:
    """Return what is wrong with the settings, the databases and the models."""
    config: Any = apps.get_app_config("tenantkit")
    try:
        said = config.configuration
        found = list(_of_databases(said))
        if not any(isinstance(message, Error) for message in found):
            found += [*_of_models(said, config.kit), *_of_requests(config.kit)]
            config.sights.of(connections[said.database].vendor)  # what is declared wrongly is said now
    except TenantKitError as error:
        return [Error(error.message, id="tenantkit.E001")]
    return found


def _of_databases(said: Any) -> Iterator[CheckMessage]:
    for role, alias in (("DATABASE", said.database), ("OWNER", said.owner)):
        if alias not in connections.databases:
            yield Error(
                f"TENANTKIT['{role}'] is {alias!r}, and DATABASES has no such alias.",
                hint="The owner's role owns the tables, and sees all rows. On SQLite it is the same file again.",
                id="tenantkit.E002",
            )
        elif not isinstance(connections[alias], ScopedDatabase):
            yield Error(
                f"DATABASES[{alias!r}] has the ENGINE {connections.databases[alias]['ENGINE']!r}, whose statements are "
                "not scoped.",
                hint="Use tenantkit.adapters.django.db.postgresql or tenantkit.adapters.django.db.sqlite3.",
                id="tenantkit.E003",
            )
    for alias in connections.databases:
        if alias not in (said.database, said.owner) and not isinstance(connections[alias], ScopedDatabase):
            yield checks.Warning(
                f"DATABASES[{alias!r}] is not scoped: whoever names it sees the rows of all tenants in it.",
                id="tenantkit.W001",
            )


def _of_models(said: Any, kit: Any) -> Iterator[CheckMessage]:
    for model in undeclared(apps.get_models(include_auto_created=True), said.models, kit.metadata):
        yield Error(
            f"{model._meta.label} does not say whose rows it holds, so every statement refuses it.",
            hint="Give it `tenancy = scoped_by(...)`, scoped_through(...) or shared(); or name it in TENANTKIT.MODELS.",
            obj=model,
            id="tenantkit.E004",
        )


def _of_requests(kit: Any) -> Iterator[CheckMessage]:
    if _MIDDLEWARE not in settings.MIDDLEWARE:
        yield checks.Warning(
            "MIDDLEWARE lacks the TenancyMiddleware, so no request is in a scope.",
            hint=f"Add {_MIDDLEWARE!r}.",
            id="tenantkit.W002",
        )
    log = kit.all_metadata[-1].tables.get("django_admin_log")
    if log is not None and isinstance(declaration_of(log), Shared):
        yield checks.Warning(
            "admin.LogEntry is shared, so the admin shows every tenant the names of all objects that were changed.",
            hint="Open the admin to staff of your own only; or replace it by an app whose log has a tenant.",
            id="tenantkit.W003",
        )
