"""The one Django project of these tests: its settings, and the databases that it is pointed at in turn."""

from contextlib import contextmanager, nullcontext

import django
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.test import override_settings

from tenantkit.isolation import RowRule, shared
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import Host, TokenClaim, agree

ALIASES, MADE = ("default", "owner"), ("configuration", "kit", "sights")
REGION = RowRule("region", column="region", value=lambda scope: scope.dimension("region"))
TENANCY = {
    "MODELS": {name: shared(writable=True) for name in ("admin", "auth", "contenttypes", "sessions")},
    "PLANS": Plans(Plan("default", {"tags": 100})),
    "ROLES": Matrix({"tags:write": "write tags"}, {"writer": ["tags:write"]}),
    "RESOLVE": agree(TokenClaim("org"), Host("{tenant}.localhost")),
    "RULES": [REGION],
    "TOKEN_SECRET": "a secret of the tests, long enough for HS256",
}
ENGINES = {
    "sqlite": "tenantkit.adapters.django.db.sqlite3",
    "postgresql": "tenantkit.adapters.django.db.postgresql",
}

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": ENGINES["sqlite"]}, "owner": {"ENGINE": ENGINES["sqlite"]}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "tenantkit.adapters.django",
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "rest_framework",
            "tests.adapters.django.shop",
        ],
        SECRET_KEY="of the tests",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        TENANTKIT=TENANCY,
        USE_TZ=True,
    )
    django.setup()


def database(login_or_path, **options):
    """Return the entry of DATABASES for a login to PostgreSQL, or for a file."""
    if isinstance(login_or_path, str):
        return {"ENGINE": ENGINES["sqlite"], "NAME": login_or_path}
    login = login_or_path
    return {
        "ENGINE": ENGINES["postgresql"],
        "NAME": login.database,
        "USER": login.user,
        "PASSWORD": login.password,
        "HOST": login.host,
        "PORT": login.port or "",
        "OPTIONS": options,
    }


class Pointer:
    """A database that the project can be pointed at, as the application's role and as the owner's."""

    def __init__(self, app, owner, **tenancy):
        self._entries = connections.configure_settings({"default": app, "owner": owner})
        self._tenancy = {**TENANCY, **tenancy}
        self._kept = {}
        self._made = {}

    @contextmanager
    def pointed(self):
        """Let the project work on the database; its connections and its kit are kept for the next time."""
        before, connections.settings = connections.settings, self._entries
        for alias in ALIASES:
            _put(alias, self._kept.get(alias))
        config = apps.get_app_config("tenantkit")
        other = (
            override_settings(TENANTKIT=self._tenancy)
            if self._tenancy != settings.TENANTKIT
            else nullcontext()
        )
        with other:
            config.forget()
            vars(config).update(self._made)
            try:
                yield
            finally:
                self._made = {name: vars(config).pop(name) for name in MADE if name in vars(config)}
                self._kept = {alias: connections[alias] for alias in ALIASES}
                for alias in ALIASES:
                    _put(alias, None)
                connections.settings = before

    def close(self):
        """Close the connections."""
        for connection in self._kept.values():
            connection.close()
            if connection.vendor == "postgresql":
                connection.close_pool()
        if "kit" in self._made:
            self._made["kit"].dispose()


def create_kit_tables(role, *, policies):
    """Create the kit's tables, and the policies of all, as their owner."""
    kit = apps.get_app_config("tenantkit").kit
    with kit.owner_engine.begin() as connection:
        kit.metadata.create_all(connection)
        if role:
            connection.exec_driver_sql(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
        if policies:
            kit.policies.create_all(connection)


def _put(alias, connection):
    if hasattr(connections._connections, alias):
        delattr(connections._connections, alias)
    if connection is not None:
        setattr(connections._connections, alias, connection)
