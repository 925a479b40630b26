"""What the repository promises to whoever clones it: it names no machine, its locks are whole, its commands agree."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Put together here, so that this file does not hold what it looks for.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (("py" + "pi", "org"), ("python" + "hosted", "org"), ("registry", "npmjs", "org"))
]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|farm|Users)/[\w.]")
README_COMMAND = re.compile(r"^python3 -m venv .*\bnox -s (\w+)$", re.MULTILINE)


def _committed():
    """Each file that is or would be committed; without git, each that is not hidden or built."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listing, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    folders = {line.rstrip("/") for line in ignored if line.endswith("/")} | {".git"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not folders & set(path.relative_to(ROOT).parts) and path.suffix != ".pyc"
    ]


def _lines():
    for path in _committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def _read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def _pins(lock):
    """The requirements of a lock, each with its hashes."""
    logical = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in logical.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(Requirement(line.split("--hash=")[0]), line.count("--hash=sha256:")) for line in lines]


def test_no_file_holds_a_path_of_a_machine():
    """A path below somebody's home or work folder works on one machine only."""
    assert [place for place, line in _lines() if MACHINE_PATH.search(line)] == []


def test_no_file_names_an_index():
    """Where packages come from is the business of the machine that installs them."""
    found = [place for place, line in _lines() if any(host in line.lower() for host in INDEX_HOSTS)]
    assert found == []


def test_there_is_one_kind_of_lock():
    """`uv.lock` would name hosts; the hashed locks under requirements/ name none."""
    assert [path.name for path in _committed() if path.name == "uv.lock"] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_is_pinned_and_hashed(lock):
    """Each line of a lock is one exact version with the hashes of its files, from no particular place."""
    pins = _pins(lock)
    assert [str(pin) for pin, hashes in pins if not hashes or pin.url or not _exact(pin)] == []
    assert pins


def _exact(pin):
    return [specifier.operator for specifier in pin.specifier] == ["=="]


def test_locks_agree():
    """A package has the same versions in every lock."""
    (everything,) = [lock for lock in LOCKS if lock.stem == "dev"]
    known = {(pin.name, str(pin.specifier)) for pin, _ in _pins(everything)}
    other = {(pin.name, str(pin.specifier)) for lock in LOCKS for pin, _ in _pins(lock)}
    assert other - known == set()


def test_locks_are_as_new_as_the_requirements():
    """What pyproject.toml asks for is what the locks hold; `nox -s lock` writes them anew."""
    (everything,) = [lock for lock in LOCKS if lock.stem == "dev"]
    pins = {}
    for pin, _ in _pins(everything):
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    asked = [
        Requirement(line)
        for lines in (
            PROJECT["project"]["dependencies"],
            *PROJECT["project"]["optional-dependencies"].values(),
            *(
                [entry for entry in group if isinstance(entry, str)]
                for group in PROJECT["dependency-groups"].values()
            ),
        )
        for line in lines
    ]
    unmet = {
        str(need)
        for need in asked
        if canonicalize_name(need.name) != "tenantkit"
        if not any(
            need.specifier.contains(specifier.version)
            for pin in pins.get(canonicalize_name(need.name), [])
            for specifier in pin.specifier
        )
    }
    assert unmet == set()


def test_matrix_begins_at_the_lower_bound():
    """The lowest SQLAlchemy that tox tests is the lowest that pyproject.toml allows."""
    (bound,) = [
        specifier.version
        for line in PROJECT["project"]["dependencies"]
        if (need := Requirement(line)).name == "sqlalchemy"
        for specifier in need.specifier
        if specifier.operator == ">="
    ]
    steps = PROJECT["tool"]["tox"]["env_run_base"]["deps"]
    assert [f"sqlalchemy=={bound}"] in [step["then"] for step in steps]


def test_matrix_and_machine_name_the_same_interpreters():
    """`.python-version`, the matrix and the classifiers speak of the same versions of Python."""
    (axes,) = PROJECT["tool"]["tox"]["env_list"]
    trove = "Programming Language :: Python :: "
    classified = [
        line.removeprefix(trove)
        for line in PROJECT["project"]["classifiers"]
        if line.startswith(f"{trove}3.")
    ]
    assert _read(".python-version").split() == axes["product"][0] == classified


def test_readme_commands_are_the_ones_that_run():
    """The README's two commands stand in CONTRIBUTING too, and CI runs the second as it is written."""
    commands = {match[1]: match[0] for match in README_COMMAND.finditer(_read("README.md"))}
    assert sorted(commands) == ["demo", "tests"]
    assert commands["tests"] in _read(".ci/run")
    assert [command for command in commands.values() if command not in _read("CONTRIBUTING.md")] == []


def test_extras_that_are_promised_exist():
    """`all` is all the other extras."""
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - {"all"}
