"""The compilers of PostgreSQL, scoped."""

from django.db.backends.postgresql import compiler

from tenantkit.adapters.django.db.reading import ScopedAggregate, ScopedSelect
from tenantkit.adapters.django.db.writing import ScopedDelete, ScopedInsert, ScopedUpdate

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLCompiler(ScopedSelect, compiler.SQLCompiler):
    """SELECT."""


class SQLAggregateCompiler(ScopedAggregate, compiler.SQLAggregateCompiler):
    """SELECT of aggregates over a subquery."""


class SQLInsertCompiler(ScopedInsert, compiler.SQLInsertCompiler):
    """INSERT."""


class SQLUpdateCompiler(ScopedUpdate, compiler.SQLUpdateCompiler):
    """UPDATE."""


class SQLDeleteCompiler(ScopedDelete, compiler.SQLDeleteCompiler):
    """DELETE."""
