"""The command as a user gives it, in a terminal and a folder of their own."""

import re
import shutil
import signal
import subprocess
import sys

import pytest
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.orm import Session

from tenantkit.cli import demo as command
from tenantkit.demo import service
from tenantkit.exceptions import TenantKitError
from tenantkit.testing.services import find_postgres

COMMAND = [sys.executable, "-c", "from tenantkit.cli import main; main()", "demo"]
# a shell starts what runs in its background with SIGINT ignored, and children inherit that
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


@pytest.fixture
def folder(flights, tmp_path):
    """Give a folder where the flights are there already."""
    shutil.copy(flights, tmp_path / "tenantkit-demo.db")
    return tmp_path


def run(folder, *arguments):
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_whole_demo(tmp_path):
    """An empty folder is all it takes: flights, server, story, trail, table and the line at the end."""
    done = run(tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert "16 carriers loaded." in done.stdout
    assert "UA was shown 58,665 rows, HA was shown 342 rows; 0 of these 59,007 were another" in done.stdout
    assert ["tenantkit-demo.db"] == [path.name for path in tmp_path.iterdir()]


def test_a_second_run(folder):
    """A second run loads nothing and tells the same story."""
    done = run(folder)
    assert (0, "") == (done.returncode, done.stderr)
    assert "The flights are there already." in done.stdout
    assert "0 of these 59,007" in done.stdout


def test_fresh_starts_over(folder):
    """`--fresh` empties the database first, of what an application added, too."""
    kit = service.create_kit(f"sqlite:///{folder / 'tenantkit-demo.db'}")
    with Session(kit.owner_engine) as session:
        session.execute(text("UPDATE flights SET carrier = 'HA'"))
        session.commit()
    kit.dispose()
    assert "0 of these 59,007" not in run(folder).stdout
    assert "0 of these 59,007" in run(folder, "--fresh").stdout


def test_on_postgresql(tmp_path):
    """The same story on PostgreSQL."""
    with find_postgres() as server, server.database() as made:
        done = run(tmp_path, "--database-url", made.owner_url)
    assert (0, "") == (done.returncode, done.stderr)
    assert "0 of these 59,007" in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_ctrl_c_while_it_serves(folder):
    """`--serve` answers until Ctrl-C, which ends it without a trace of Python's."""
    command = [*COMMAND, "--serve"]
    command[2] = INTERRUPTIBLE + command[2]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:
        try:
            port, token = _served(process.stdout)
            answer = _flights(port, token)
            process.send_signal(signal.SIGINT)
            said, complaint = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (200, 58_665) == (answer.status_code, answer.json()["total"])
    assert (130, "") == (process.returncode, complaint)
    assert "Stopped." in said


def _served(lines):
    """Return the port and the token that the command prints when it serves."""
    port = next(found[1] for line in lines if (found := re.search(r"http://ua\.localhost:(\d+)/docs", line)))
    next(line for line in lines if line.startswith("A token of UA"))
    return port, next(lines).strip()


def _flights(port, token):
    import httpx

    headers = {"Host": "ua.localhost", "Authorization": f"Bearer {token}"}
    return httpx.get(f"http://127.0.0.1:{port}/flights?limit=1", headers=headers, timeout=30)


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://nobody:x@127.0.0.1:1/nothing", "sqlite:////no/such/folder/at.db"],
    ids=["server", "folder"],
)
def test_a_database_that_cannot_be_used(tmp_path, url):
    """One sentence says why, and there is no trace of Python's."""
    done = run(tmp_path, "--database-url", url)
    assert (1, "") == (done.returncode, done.stderr)
    assert "The database cannot be used: " in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("url", ["nonsense", "sqlite://"])
def test_a_url_that_is_none(tmp_path, url):
    """A wrong URL is refused before anything is made."""
    done = run(tmp_path, "--database-url", url)
    assert (1, "") == (done.returncode, done.stderr)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sentence", "printed"),
    [
        ("pip install 'tenantkit[demo]'.", "pip install 'tenantkit[demo]'."),
        ("a [bold]word[/] and [/] and a \\[", "a [bold]word[/] and [/] and a \\["),
        ("a trap \x1b[2J\x07\r", "a trap \\x1b[2J\\x07\\r"),
        ("Zürich 🛫", "Zürich 🛫"),
    ],
    ids=["extra", "markup", "control", "letters"],
)
def test_a_sentence_is_printed_to_the_last_letter(sentence, printed, capsys, monkeypatch):
    """An error's message reaches the reader whole, and control characters do not reach the terminal."""

    def fail(*arguments, **options):
        raise TenantKitError(sentence)

    monkeypatch.setattr(command, "_run", fail)
    with pytest.raises(command.typer.Exit) as stopped:
        command.demo()
    assert (1, printed) == (stopped.value.exit_code, capsys.readouterr().out.rstrip("\n"))


def test_a_path_in_the_trail_is_no_command_to_the_terminal(capsys):
    """What a stranger put into a request's path is printed, not obeyed."""
    details = {"method": "GET", "path": "/[red]\x1b[2J[/red]"}
    event = {
        "occurred_at": "2026-01-01T00:00:00+00:00",
        "actor": None,
        "action": "request.refused",
        "outcome": "refused",
        "target": None,
        "details": details,
    }
    command._print_trail(Console(), "trail", [event])
    assert "GET /[red]\\x1b[2J[/red]" in capsys.readouterr().out
