"""
Both checkers agree with the code of this folder.

It has no ``__init__``: a package named ``typing`` directly below a folder that is none would shadow Python's own.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHECKERS = {
    "mypy": ["--config-file=pyproject.toml", "--explicit-package-bases"],
    "pyright": ["--project=pyproject.toml", f"--pythonpath={sys.executable}"],
}


def checked(checker: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a checker on a path."""
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed here")
    return subprocess.run(
        [sys.executable, "-m", checker, *CHECKERS[checker], str(path)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_users_write_is_typed(checker: str) -> None:
    """The typed usage of the public face has no errors, and what must be an error is one."""
    done = checked(checker, HERE)
    assert (0, "") == (done.returncode, done.stderr), done.stdout


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_checkers_look(checker: str, tmp_path: Path) -> None:
    """A wrong use of the face is found, so that silence means something."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text('from tenantkit import Tenant, new_id\nTenant(new_id(), "acme").slug = 1 + new_id()\n')
    done = checked(checker, wrong)
    assert done.returncode == 1
    assert "wrong.py:2" in done.stdout
