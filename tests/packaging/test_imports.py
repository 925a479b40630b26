"""
Which room may know which.

Imports run one way: core <- sql <- mechanisms <- kit <- adapters <- demo, testing <- cli, and inside a mechanism
model <- rules <- tables <- statements <- store.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tenantkit"
MODULES = {
    tuple(part for part in path.relative_to(SOURCE).with_suffix("").parts if part != "__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}  # () is the face
NAMED = [pytest.param(path, id=".".join(name) or "tenantkit") for name, path in MODULES.items()]

MECHANISMS = {
    "audit",
    "directory",
    "idempotency",
    "isolation",
    "jobs",
    "lifecycle",
    "quotas",
    "rbac",
    "resolution",
    "tokens",
}
FLOORS = [
    {"exceptions"},
    {"core"},
    {"protocols"},
    {"sql"},
    MECHANISMS,
    {"lint", "migrations", "retrofit"},
    {"kit"},
    {"adapters"},
    {"demo", "testing"},
    {"cli"},
]
SHELVES = ["model", "rules", "tables", "statements", "store"]
SHARED_ADAPTERS = {
    "endpoints",
    "answers",
    "asgi",
    "exchange",
    "guards",
    "heads",
    "operations",
    "own_task",
    "paths",
    "problems",
    "seats",
    "wsgi",
}
USES_THE_FACE = {"cli", "demo", "testing"}
HEAVY = {
    "alembic",
    "django",
    "fastapi",
    "flask",
    "jwt",
    "opentelemetry",
    "pydantic",
    "redis",
    "sqlalchemy",
    "starlette",
}
SAYS_NOTHING = {"base", "common", "helper", "helpers", "misc", "util", "utils"}


def _floor(room):
    """The number of the floor a room stands on, or None if it stands on none."""
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported(name, path):
    """Each module of tenantkit that a file imports, with the name it takes: at its top, in a function, for types."""
    package = name if path.name == "__init__.py" else name[:-1]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            origins = [(tuple(alias.name.split(".")), None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ("tenantkit", *package[: len(package) - node.level + 1]) if node.level else ()
            origin = (*above, *(node.module.split(".") if node.module else ()))
            origins = [(origin, alias.name) for alias in node.names]
        else:
            continue
        for (root, *inside), taken in origins:
            if root == "tenantkit":
                is_module = (*inside, taken) in MODULES
                yield (*inside, taken) if is_module else tuple(inside), None if is_module else taken


# (importing module, imported module, name), but for those of the face, which is lazy and has tests of its own.
TAKEN = [(name, *taken) for name, path in MODULES.items() if name for taken in _imported(name, path)]
IMPORTS = list(dict.fromkeys((name, other) for name, other, _ in TAKEN))


def _said(wrong):
    return [f"{'.'.join(name)} imports {'.'.join(other) or 'tenantkit'}" for name, other in wrong]


def _exported(tree):
    """The names in `__all__`, or None if there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None


def _bound(body):
    """Each name that statements at the top of a module bind."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
            )
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _bound([*node.body, *node.orelse])


def test_every_room_has_its_floor():
    """A package that stands on no floor is a concept without a place: name its floor in this file."""
    assert {name[0] for name in MODULES if name and _floor(name[0]) is None} == set()


def test_every_folder_is_a_package():
    """A folder without `__init__.py` imports by luck, and tools pass it by."""
    folders = {
        folder for path in MODULES.values() for folder in path.parents if folder.is_relative_to(SOURCE)
    }
    assert [
        str(folder.relative_to(SOURCE)) for folder in folders if not (folder / "__init__.py").exists()
    ] == []


def test_imports_run_one_way():
    """No room imports one that stands above it, nor another one on its own floor."""
    wrong = [
        (name, other)
        for name, other in IMPORTS
        # Protocols name the nouns that they promise, for type checkers only.
        if other and other[0] != name[0] != "protocols" and _floor(other[0]) >= _floor(name[0])
    ]
    assert _said(wrong) == []


def test_nothing_inside_imports_the_face():
    """Inside, a name is imported from the room that defines it: through the face, imports would turn round."""
    assert _said((name, other) for name, other in IMPORTS if not other and name[0] not in USES_THE_FACE) == []


def test_imports_in_a_mechanism_run_one_way():
    """Inside a mechanism model <- rules <- tables <- statements <- store."""
    wrong = [
        (name, other)
        for name, other in IMPORTS
        if name[0] in MECHANISMS and name[:1] == other[:1] and {name[-1], other[-1]} <= set(SHELVES)
        if SHELVES.index(other[-1]) > SHELVES.index(name[-1])
    ]
    assert _said(wrong) == []


def test_adapters_do_not_know_each_other():
    """An adapter shares with others the table of problems and the server interface, nothing else."""
    wrong = [
        (name, other)
        for name, other in IMPORTS
        if name[:1] == other[:1] == ("adapters",) and name[1:2] != other[1:2]
        if len(other) > 1 and other[1] not in SHARED_ADAPTERS
    ]
    assert _said(wrong) == []


def test_errors_import_nothing():
    """Whoever can import anything of tenantkit can import its errors."""
    tree = _tree(SOURCE / "exceptions.py")
    assert [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))] == []


def test_every_room_says_what_it_holds():
    """A module called utils, helpers, common, base or misc is a room without a concept."""
    named = [name for name in MODULES if name and name[-1].strip("_") in SAYS_NOTHING]
    backends = [
        name for name in named if name[:3] == ("adapters", "django", "db")
    ]  # Django asks for a `base`
    assert [".".join(name) for name in named if name not in backends] == []


@pytest.mark.parametrize("path", NAMED)
def test_public_modules_say_what_is_public(path):
    """A public module has `__all__`, and every name in it is there."""
    tree = _tree(path)
    if path.stem.startswith("_") and path.stem != "__init__":
        pytest.skip("a private module")
    exported = _exported(tree)
    if exported is None:
        assert [node for node in tree.body if not _is_docstring(node)] == [], "__all__ is missing"
        return
    bound = set(_bound(tree.body)) | ({"__version__"} if path == SOURCE / "__init__.py" else set())
    assert set(exported) - bound == set(), "in __all__, but not there"
    assert len(exported) == len(set(exported))


def test_rooms_take_only_what_is_public():
    """What one room imports from another stands in `__all__` there; the rest is that room's own business."""
    wrong = [
        f"{'.'.join(name)} takes {taken} from {'.'.join(other)}"
        for name, other, taken in TAKEN
        if taken and other in MODULES and other[:1] != name[:1]
        if taken not in (_exported(_tree(MODULES[other])) or ())
    ]
    assert wrong == []


@pytest.mark.parametrize("path", [param for param in NAMED if param.values[0].name == "__init__.py"])
def test_init_files_export_and_do_nothing_else(path):
    """What a package does stands in a module with a name; `__init__` only says what is public."""
    defined = {
        node.name
        for node in _tree(path).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    assert defined - {"__getattr__", "__dir__"} == set()


def test_rooms_are_small():
    """An adapter's module has up to 300 lines, any other up to 450, but for the errors, which are one list."""
    limits = {
        path: 300 if "adapters" in path.parts else 450
        for path in SOURCE.rglob("*.py")
        if path.name != "exceptions.py"
    }
    long = {
        str(path): lines for path in limits if (lines := len(path.read_text().splitlines())) > limits[path]
    }
    assert long == {}


def test_import_is_light():
    """`import tenantkit` and its plain nouns load no database, no framework and no settings library."""
    assert (
        _loaded("import tenantkit; tenantkit.Tenant, tenantkit.Actor, tenantkit.Scope, tenantkit.current")
        == []
    )


def test_settings_load_only_what_settings_need():
    """Whoever reads the configuration pays for pydantic, not for SQLAlchemy."""
    assert _loaded("import tenantkit; tenantkit.Settings") == ["pydantic"]


def test_import_starts_nothing():
    """Importing the face starts no thread and opens no socket."""
    events = _run(
        "import json, sys, threading\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if event in "
        "{'_thread.start_new_thread', 'socket.connect', 'socket.bind', 'subprocess.Popen'} else None)\n"
        "import tenantkit\n"
        "[getattr(tenantkit, name) for name in tenantkit.__all__]\n"
        "print(json.dumps([seen, threading.active_count()]))"
    )
    assert events == [[], 1]


def _is_docstring(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _loaded(code):
    """Which of the heavy packages a new interpreter has loaded after this code."""
    return _run(f"{code}\nimport json, sys\nprint(json.dumps(sorted({HEAVY!r} & set(sys.modules))))")


def _run(code):
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
