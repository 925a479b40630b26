"""
Tenancy for FastAPI: middleware, dependencies and documents.

.. code-block:: python

    app = FastAPI()
    tenancy = Tenancy(app, kit)

    @app.post("/documents", dependencies=[tenancy.requires("documents:create"), tenancy.consumes("documents")])
    def upload(body: NewDocument, session: Tenancy.Session) -> DocumentOut: ...
"""

from importlib.util import find_spec

from tenantkit.exceptions import DependencyMissing

if find_spec("fastapi") is None:
    raise DependencyMissing("tenantkit.adapters.fastapi needs FastAPI: pip install 'tenantkit[fastapi]'.")

from tenantkit.adapters.fastapi.dependencies import (
    ActorDep,
    AsyncSessionDep,
    ScopeDep,
    SessionDep,
    UnscopedSessionDep,
)
from tenantkit.adapters.fastapi.tenancy import Tenancy

__all__ = ["ActorDep", "AsyncSessionDep", "ScopeDep", "SessionDep", "Tenancy", "UnscopedSessionDep"]
