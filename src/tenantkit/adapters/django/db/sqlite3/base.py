"""SQLite: name ``tenantkit.adapters.django.db.sqlite3`` as the ENGINE of a database."""

from django.db.backends.sqlite3 import base

from tenantkit.adapters.django.db.backend import scoped_database

__all__ = ["DatabaseWrapper"]

DatabaseWrapper = scoped_database(base.DatabaseWrapper, "tenantkit.adapters.django.db.sqlite3.compiler")
