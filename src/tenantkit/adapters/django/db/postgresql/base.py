"""PostgreSQL: name ``tenantkit.adapters.django.db.postgresql`` as the ENGINE of a database."""

from django.db.backends.postgresql import base
from django.db.backends.postgresql.creation import DatabaseCreation
from django.db.backends.postgresql.features import DatabaseFeatures
from django.db.backends.postgresql.introspection import DatabaseIntrospection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

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
    """A connection to PostgreSQL."""

    SchemaEditorClass = scoped_editor(DatabaseSchemaEditor)
    creation_class = scoped_creation(DatabaseCreation)
    features_class = scoped_features(DatabaseFeatures)
    introspection_class = scoped_introspection(DatabaseIntrospection)
    ops_class = scoped_operations(DatabaseOperations, "tenantkit.adapters.django.db.postgresql.compiler")
