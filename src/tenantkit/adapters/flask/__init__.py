"""
Tenancy for Flask: an extension, decorators for views and blueprints, and commands.

.. code-block:: python

    tenancy = Tenancy(kit=kit)

    def create_app():
        app = Flask(__name__)
        tenancy.init_app(app)
        return app

    @blueprint.post("/documents")
    @tenancy.requires("documents:create")
    @tenancy.consumes("documents")
    def upload(): ...
"""

from importlib.util import find_spec

from tenantkit.exceptions import DependencyMissing

if find_spec("flask") is None:
    raise DependencyMissing("tenantkit.adapters.flask needs Flask: pip install 'tenantkit[flask]'.")

from tenantkit.adapters.flask.guards import Guard
from tenantkit.adapters.flask.tenancy import Tenancy

__all__ = ["Guard", "Tenancy"]
