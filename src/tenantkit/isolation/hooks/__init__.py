"""The hooks into SQLAlchemy that are not all public: statement compiler, execution context, dialect."""

from tenantkit.isolation.hooks.compiler import ScopedCompiler
from tenantkit.isolation.hooks.dialect import ScopedDialect
from tenantkit.isolation.hooks.execution import ScopedContext, is_transactional
from tenantkit.isolation.hooks.raw import ScopedPreparer, ScopedTypeCompiler
from tenantkit.isolation.hooks.statement import COVERED

__all__ = [
    "COVERED",
    "ScopedCompiler",
    "ScopedContext",
    "ScopedDialect",
    "ScopedPreparer",
    "ScopedTypeCompiler",
    "is_transactional",
]
