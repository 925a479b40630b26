"""
What can be run here: `nox --list` shows it, `nox` alone runs tests, lint, types and docs.

A session installs what its hashed lock under `requirements/` names, then the wheel that the session `wheel` has just
built from the tree. Arguments after `--` go to the program that the session runs.
"""

import json
import os
import shutil
import ssl
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"  # requires=
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types", "docs"]

DIST = Path("dist")
EXTRAS = sorted(nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"])
LOCKS = {
    "dev": ["pyproject.toml", "--all-extras", "--group=dev"],
    "test": ["pyproject.toml", "--all-extras", "--group=test"],
    "demo": ["pyproject.toml", "--extra=demo"],
    "lint": ["--group=lint"],
    "build": ["--group=build"],
    "nox": ["--group=nox"],
}
SERVERS = "from tenantkit.testing import services; print(*services.service_report(), sep='\\n')"

# uv trusts the authorities that it ships, pip those of the machine, which may know more: a company's proxy.
_trusted = ssl.get_default_verify_paths()
if _trusted.cafile or (_trusted.capath and any(Path(_trusted.capath).iterdir())):
    os.environ.setdefault("UV_SYSTEM_CERTS", "true")


def install_lock(session: nox.Session, name: str) -> None:
    """Install what a lock names, each file checked against its hashes."""
    session.install("--require-hashes", "-r", f"requirements/{name}.txt")


def built_wheel() -> str:
    """Return the path of the wheel that the session `wheel` built."""
    (path,) = DIST.glob("*.whl")
    return str(path)


def install(session: nox.Session, lock: str) -> None:
    """Install what a lock names and the wheel, also over an older one of the same version."""
    install_lock(session, lock)
    session.install("--no-deps", "--force-reinstall", built_wheel())


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Build the wheel into dist/; the sessions that need it ask for it."""
    install_lock(session, "build")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(DIST), silent=True)


@nox.session(default=False, requires=["wheel"])
def demo(session: nox.Session) -> None:
    """Play the story on 336,776 real flights; `-- --help` lists what else it can do."""
    install(session, "demo")
    # Ctrl-C reaches the demo too; it is left the seconds to close its server and its database.
    session.run("tenantkit", "demo", *session.posargs, interrupt_timeout=10, terminate_timeout=5)


@nox.session(requires=["wheel"])
def tests(session: nox.Session) -> None:
    """Test the built wheel, with branch coverage; `-- -n 4 tests/leaks` goes to pytest."""
    install(session, "test")
    session.run("coverage", "erase")
    session.run("python", "-c", SERVERS)
    session.run("coverage", "run", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs)
    session.run("coverage", "combine", silent=True)
    session.run("coverage", "report", *(["--fail-under=0"] if session.posargs else []))


@nox.session(default=False, requires=["wheel"])
def mutations(session: nox.Session) -> None:
    """Take each part of the guard out in turn and see the leak matrix go red."""
    install(session, "test")
    session.run(
        *("pytest", "-n", "2", "tests/leaks/test_mutations.py", *session.posargs),
        env={"TENANTKIT_TEST_MUTATIONS": "each"},
    )


@nox.session(default=False, requires=["wheel"])
def fuzz(session: nox.Session) -> None:
    """Send each parser of hostile input 200,000 inputs; `-- 1000000` sends more."""
    install(session, "test")
    examples = session.posargs[0] if session.posargs else "200000"
    session.run("pytest", "-n", "2", "-m", "hostile", "tests", env={"TENANTKIT_TEST_EXAMPLES": examples})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format; `-- --fix` mends what can be mended."""
    install_lock(session, "lint")
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session(requires=["wheel"])
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, also of what users write."""
    install(session, "dev")
    session.run("mypy")
    session.run("pyright", "--project", "pyproject.toml")
    session.run("pytest", "tests/typing")


@nox.session(default=False, requires=["wheel"])
def completeness(session: nox.Session) -> None:
    """List what is public and has no type of its own, as users' checkers see the installed package."""
    install(session, "dev")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "tenantkit")


@nox.session(requires=["wheel"])
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html; a warning is an error."""
    install(session, "dev")
    # Read anew each time: a page that was built before would hide that a name it refers to is gone.
    session.run("sphinx-build", "-EnW", "--keep-going", *session.posargs, "docs", "docs/_build/html")


@nox.session(default=False, requires=["wheel"])
def bench(session: nox.Session) -> None:
    """Run every benchmark, or with `-- scoping --quick` one of them."""
    install(session, "dev")
    options = [argument for argument in session.posargs if argument.startswith("-")]
    named = [argument for argument in session.posargs if not argument.startswith("-")]
    for name in named or sorted(path.stem for path in Path("bench").glob("[!_]*.py")):
        session.run("python", "-m", f"bench.{name}", *options)


@nox.session(default=False)
def matrix(session: nox.Session) -> None:
    """Test on each Python with the lowest and newest SQLAlchemy 2.0 and 2.1; `-- -e 3.12-sa20-lowest` on one."""
    install_lock(session, "dev")
    report = Path(session.virtualenv.location, "matrix.json")
    report.unlink(missing_ok=True)
    try:
        # Without UV_PYTHON tox looks for interpreters where it always does, not in this session's environment.
        session.run("tox", "run", "--result-json", str(report), *session.posargs, env={"UV_PYTHON": None})
    finally:
        if report.exists():
            session.warn(_left_out(json.loads(report.read_text(encoding="utf-8"))["testenvs"]))


def _left_out(environments: dict[str, dict[str, dict[str, object]]]) -> str:
    """Say which interpreters were missing, so that a green matrix does not hide them."""
    skipped = [name for name, facts in environments.items() if facts.get("result", {}).get("skipped")]
    if not skipped:
        return "Matrix: every interpreter asked for was found."
    missing = sorted({name.partition("-")[0] for name in skipped})
    return f"Matrix: Python {', '.join(missing)} not found, so {len(skipped)} environments were not tested."


@nox.session(default=False, reuse_venv=False, requires=["wheel"])
@nox.parametrize("versions", ["newest", "lowest"])
@nox.parametrize("extra", ["core", *EXTRAS])
def extras(session: nox.Session, extra: str, versions: str) -> None:
    """Install the wheel with one extra alone, unlocked as users do, and run a little of what it brings."""
    if versions == "newest":
        session.install(built_wheel() if extra == "core" else f"{built_wheel()}[{extra}]")
    elif session.venv_backend == "uv":
        chosen = [] if extra == "core" else [f"--extra={extra}"]
        session.install("--resolution=lowest-direct", "-r", "pyproject.toml", *chosen)
        session.install("--no-deps", built_wheel())
    else:
        session.skip("only uv resolves to the lowest versions")
    session.run("python", "tests/packaging/smoke.py", extra)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the locks anew; `-- --upgrade` takes the newest versions."""
    install_lock(session, "nox")
    for name, sources in LOCKS.items():
        agree = [] if name == "dev" else ["--constraint=requirements/dev.txt"]
        session.run(
            *("uv", "pip", "compile", *sources, *agree, f"--output-file=requirements/{name}.txt"),
            *("--universal", "--python-version=3.11", "--generate-hashes"),
            *("--custom-compile-command=nox -s lock", "--no-emit-index-url", "--no-annotate", "--quiet"),
            *session.posargs,
        )
