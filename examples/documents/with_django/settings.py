"""The settings of the project; `TENANTKIT_TOKEN_SECRET` is read from the environment."""

import os
from pathlib import Path

from tenantkit.quotas import Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree

HERE = Path(__file__).parent.parent
_DATABASE = {
    "ENGINE": "tenantkit.adapters.django.db.sqlite3",
    "NAME": os.environ.get("DOCUMENTS_DATABASE", "documents.db"),
    "OPTIONS": {"transaction_mode": "IMMEDIATE"},
}

ALLOWED_HOSTS = ["*"]
DATABASES = {
    "owner": _DATABASE,
    "default": _DATABASE,
}  # on PostgreSQL: a role that owns the tables, and one that works
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["tenantkit.adapters.django", "with_django.apps.Documents"]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "tenantkit.adapters.django.middleware.TenancyMiddleware",
]
ROOT_URLCONF = "with_django.urls"
SECRET_KEY = os.environ.get("TENANTKIT_TOKEN_SECRET", "")
USE_TZ = True

TENANTKIT = {
    "RESOLVE": agree(TokenClaim("org")),
    "ROLES": Matrix.read(HERE / "roles.toml"),
    "PLANS": Plans.read(HERE / "plans.toml"),
    "CENTRAL": ["/me"],
    "HEALTH": "/health",
}
