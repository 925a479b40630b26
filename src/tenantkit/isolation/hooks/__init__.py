"""The hooks into SQLAlchemy that are not all public: statement compiler, execution context, dialect."""

from tenantkit.isolation.hooks.compiler import ScopedCompiler
from tenantkit.isolation.hooks.dialect import ScopedDialect
from tenantkit.isolation.hooks.execution import ScopedContext
from tenantkit.isolation.hooks.raw import ScopedPreparer, ScopedTypeCompiler

__all__ = ["ScopedCompiler", "ScopedContext", "ScopedDialect", "ScopedPreparer", "ScopedTypeCompiler"]
