"""PostgreSQL: name ``tenantkit.adapters.django.db.postgresql`` as the ENGINE of a database."""

from django.db.backends.postgresql import base

from tenantkit.adapters.django.db.backend import scoped_database

__all__ = ["DatabaseWrapper"]

DatabaseWrapper = scoped_database(base.DatabaseWrapper, "tenantkit.adapters.django.db.postgresql.compiler")
