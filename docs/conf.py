"""How Sphinx builds these pages: `nox -s docs`, or `sphinx-build -n -W docs docs/_build/html`."""

import builtins
import sys
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tenantkit"
author = "The tenantkit developers"
copyright = "the tenantkit developers, MIT license"
version = release = installed_version("tenantkit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_source"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tenantkit {version}"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False  # the signature says the type
napoleon_use_ivar = True  # attributes of dataclasses are described once, in the class

# intersphinx would fetch the inventories of other projects, and this build must work without a network: names of
# other projects stay plain text. What is ours must resolve.
OTHERS = (
    "annotated_types collections contextlib datetime fastapi os pathlib psycopg pydantic pydantic_settings"
)
OTHERS += " _pytest cryptography django flask ipaddress jwt sqlalchemy starlette types typing uuid"
nitpick_ignore_regex = [
    (r"py:.*", rf"(?:{'|'.join(OTHERS.split())})\..*"),
    (r"py:.*", rf"(?:{'|'.join(dir(builtins))})(?:\[.*| \| tuple\[str)?"),
    (r"py:.*", r"(?:alembic\..*|Operations(?:\..*)?)"),  # what Alembic writes into docstrings of operations
    # in signatures, as SQLAlchemy spells them or where an import is for type checking only
    (
        r"py:class",
        r"_\w+|JoinTransactionMode|OrmExecuteOptionsParameter|Query|Tracer|Histogram|Office|AsyncEngine|AsyncSession",
    ),
    # types of private fields and of what SQLAlchemy's hooks exchange; they may change in any version
    (r"py:class", r"tenantkit\.isolation\.(?:registry|vouch)\.(?:Entry|Stamp|_Raw)"),
    (
        r"py:class",
        r"tenantkit\.(?:adapters\.guards\.Spelled|directory\.(?:cache\.Found|model\.Item|settings\.Model))",
    ),  # type variables
    (r"py:class", r"tenantkit\.(?:rbac|kit)\.\w+\.(?:Selected|Function)"),
    (r"py:class", r"tenantkit\.testing\.contracts\.world\.\w+"),
    (r"py:class", r"tenantkit\.testing\.services\.(?:processes\.Stay|databases\.Admin)"),
    (r"py:attr", r"public"),  # a class attribute without a docstring of its own
]

# autodoc looks at the attributes of a mixin, which SQLAlchemy thinks is a mistake
warnings.filterwarnings("ignore", message="Unmanaged access of declarative attribute")
