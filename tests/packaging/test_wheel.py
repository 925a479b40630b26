"""What is in the wheel that users install."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tenantkit"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree, built by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_the_package_whole(wheel):
    """Every module and data file of the package is in the wheel, and nothing beside it but its metadata."""
    in_tree = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert in_tree == in_wheel


def test_wheel_says_that_it_is_typed(wheel):
    """Type checkers of users read the annotations."""
    assert "tenantkit/py.typed" in wheel.namelist()


def test_wheel_holds_the_data_of_the_demo(wheel):
    """`tenantkit demo` reads its roles and plans from files, also after a plain install."""
    data = {path.name for path in (SOURCE / "demo").glob("*.toml")}
    names = {
        Path(name).name
        for name in wheel.namelist()
        if name.startswith("tenantkit/demo/") and name.endswith(".toml")
    }
    assert data == names
    assert data


def test_wheel_holds_the_license(wheel):
    """The license travels with the code, and the metadata names it."""
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
    assert _metadata(wheel)["License-Expression"] == "MIT"


def test_wheel_offers_the_command(wheel):
    """`tenantkit` is a command after the install."""
    (name,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    assert "tenantkit = tenantkit.cli:main" in wheel.read(name).decode().splitlines()


def test_wheel_is_for_every_platform(wheel):
    """The code is pure Python: one wheel serves all."""
    assert Path(wheel.filename).name.endswith("-py3-none-any.whl")


def test_wheel_needs_no_file_from_elsewhere(wheel):
    """Every requirement is a name with versions, never a URL or a path."""
    assert [line for line in _metadata(wheel).get_all("Requires-Dist") if " @ " in line] == []


def _metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())
