"""Whose rows are these? Every statement scoped, whatever its shape, dialect or author."""

from tenantkit.isolation.difference import Difference
from tenantkit.isolation.engine import scope_async_engine, scope_engine
from tenantkit.isolation.policies import Policies, Policy, TablePolicies
from tenantkit.isolation.rules import SOFT_DELETE, RowRule
from tenantkit.isolation.session import ScopedSession, UnscopedSession
from tenantkit.isolation.vouch import vouch
from tenantkit.sql.declarations import (
    SoftDeletable,
    TenantScoped,
    declare,
    scoped_by,
    scoped_through,
    shared,
    soft_deletable,
)
from tenantkit.sql.keys import tenant_foreign_key, tenant_unique

__all__ = [
    "SOFT_DELETE",
    "Difference",
    "Policies",
    "Policy",
    "RowRule",
    "ScopedSession",
    "SoftDeletable",
    "TablePolicies",
    "TenantScoped",
    "UnscopedSession",
    "declare",
    "scope_async_engine",
    "scope_engine",
    "scoped_by",
    "scoped_through",
    "shared",
    "soft_deletable",
    "tenant_foreign_key",
    "tenant_unique",
    "vouch",
]
