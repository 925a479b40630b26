"""
Tenancy for Django: an app whose models are scoped in Django's own SQL compiler, with a middleware and guards.

.. code-block:: python

    INSTALLED_APPS = ["tenantkit.adapters.django", ...]
    MIDDLEWARE = ["tenantkit.adapters.django.middleware.TenancyMiddleware", ...]
    DATABASES = {"default": {"ENGINE": "tenantkit.adapters.django.db.postgresql", ...}, ...}
    TENANTKIT = {"TOKEN_SECRET": ..., "RESOLVE": "shop.tenancy.resolve", ...}
"""

from importlib.util import find_spec

from tenantkit.exceptions import DependencyMissing

if find_spec("django") is None:
    raise DependencyMissing("tenantkit.adapters.django needs Django: pip install 'tenantkit[django]'.")

from tenantkit.adapters.django.guards import Guard, GuardedView
from tenantkit.adapters.django.nouns import Tenancy, tenancy

__all__ = ["Guard", "GuardedView", "Tenancy", "tenancy"]
