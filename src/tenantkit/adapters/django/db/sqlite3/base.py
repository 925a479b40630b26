"""SQLite: name ``tenantkit.adapters.django.db.sqlite3`` as the ENGINE of a database."""

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.creation import DatabaseCreation
from django.db.backends.sqlite3.features import DatabaseFeatures
from django.db.backends.sqlite3.introspection import DatabaseIntrospection
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor

from tenantkit.adapters.django.db.backend import (
    ScopedDatabase,
    scoped_creation,
    scoped_editor,
    scoped_features,
    scoped_introspection,
    scoped_operations,
)

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(ScopedDatabase, base.DatabaseWrapper):
    """A connection to SQLite."""

    SchemaEditorClass = scoped_editor(DatabaseSchemaEditor)
    creation_class = scoped_creation(DatabaseCreation)
    features_class = scoped_features(DatabaseFeatures)
    introspection_class = scoped_introspection(DatabaseIntrospection)
    ops_class = scoped_operations(DatabaseOperations, "tenantkit.adapters.django.db.sqlite3.compiler")

    def _start_transaction_under_autocommit(self) -> None:
        with self.tenancy.own_call():
            super()._start_transaction_under_autocommit()
