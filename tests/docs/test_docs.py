"""
The pages do what they show: their code runs and prints what stands below it.

A fenced block is classed by its first line. ``python`` is run, together with the other ``python`` blocks of its page,
as one script in a folder of its own; ``python no-run`` is not. ``text output`` is what the block above it prints. A
page that imports ``first_steps`` goes on from the tutorial: its two tenants are there. Whether links between pages
hold is found out by the build (``nox -s docs``).
"""

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tenantkit import exceptions
from tenantkit.core.settings import Settings
from tenantkit.exceptions import TenantKitError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
TUTORIAL = DOCS / "tutorial" / "first-endpoint.md"
PAGES = [
    ROOT / "README.md",
    EXAMPLES / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
]
RUN = ("python",)
NO_RUN = ("python", "no-run")
OUTPUT = ("text", "output")
NOT_CODE = {("console",), ("json",), ("sql",), ("text",), ("toml",)}
HIDING_CODE = {"{code-block}", "{code}", "{code-cell}", "{doctest}", "{sourcecode}", "{testcode}"}
MARK = "\x1e"
FENCE = re.compile(r" *(`{3,}|~{3,})(.*)")
CURL = re.compile(
    r'^\$ curl (?:-H "Authorization: Bearer \$(\w+)" )?http://127\.0\.0\.1:8000(\S+)\n(.+)$', re.MULTILINE
)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string in words, the index of its first line, and its lines."""

    info: tuple[str, ...]
    start: int
    lines: tuple[str, ...]


def blocks(page):
    """The fenced blocks of a page."""
    found, fence, info, start = [], None, "", 0
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        match = FENCE.fullmatch(line)
        if fence is None and match:
            fence, info, start = match[1], match[2], number + 1
        elif fence and match and match[1].startswith(fence) and not match[2].strip():
            found.append(Block(tuple(info.split()), start, tuple(lines[start:number])))
            fence = None
    assert fence is None, f"{page}: a block is not closed"
    return found


def has(page, info):
    """Whether a page has a block of a kind."""
    return any(block.info == info for block in blocks(page))


def named(path):
    """A page as a parameter."""
    return pytest.param(path, id=str(path.relative_to(ROOT)))


def script_of(page):
    """The runnable blocks of a page as one script, each line where it stands in the page, and what is to be printed."""
    script, expected = [""] * (len(page.read_text(encoding="utf-8").splitlines()) + 1), []
    ran = None
    for block in blocks(page):
        if block.info == RUN:
            script[block.start : block.start + len(block.lines)] = block.lines
            ran = block
        elif block.info == OUTPUT:
            assert ran, f"{page}:{block.start}: output of nothing"
            script[ran.start + len(ran.lines)] = f"print({MARK!r})"
            expected.append("\n".join(block.lines))
            ran = None
    return "\n".join(script), expected


def environment(folder):
    """The variables of a reader who works through the pages in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENANTKIT_")}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("TENANTKIT_TEST_")}
    return kept | {
        "COLUMNS": "110",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH")))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TENANTKIT_DATABASE_URL": f"sqlite:///{folder / 'notes.db'}",
        "TENANTKIT_TOKEN_SECRET": "0123456789abcdef" * 3,
    }


def run(folder, *arguments):
    """What Python prints when it is run in a folder; warnings are errors."""
    command = [sys.executable, "-X", "utf8", "-W", "error", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def trimmed(text):
    """A text without spaces at the ends of lines, which SQLAlchemy prints and editors remove."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@pytest.fixture
def signed_up(tmp_path):
    """A folder in which the tutorial's two tenants are signed up, and their tokens by name."""
    printed = run(tmp_path, EXAMPLES / "first_tenants.py")
    return tmp_path, dict(re.findall(r"^(\w+)=(\S+)", printed, re.MULTILINE))


@pytest.fixture
def served(signed_up):
    """The tutorial's application, served as the tutorial says; the address and the tokens."""
    folder, tokens = signed_up
    command = [sys.executable, "-m", "uvicorn", "first_steps:app", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            said = iter(server.stderr.readline, "")
            address = next((found[0] for line in said if (found := re.search(r"http://\S+:\d+", line))), None)
            assert address, "the server did not start"
            yield address, tokens
        finally:
            server.terminate()
            server.stderr.read()


@pytest.mark.parametrize("page", [named(page) for page in PAGES])
def test_each_block_is_classed(page):
    """A block is of a known kind, so that none is left out by a misspelling."""
    known = {RUN, NO_RUN, OUTPUT, *NOT_CODE}
    unknown = [
        f"line {block.start}: {' '.join(block.info)}"
        for block in blocks(page)
        if block.info not in known
        if not block.info or not block.info[0].startswith("{") or block.info[0] in HIDING_CODE
    ]
    assert unknown == []


@pytest.mark.parametrize("page", [named(page) for page in PAGES if has(page, RUN)])
def test_code_runs_and_prints_what_the_page_says(page, tmp_path):
    """The Python of a page runs from top to bottom, and prints what stands below it and nothing else."""
    text, expected = script_of(page)
    if "first_steps import" in text:
        run(tmp_path, EXAMPLES / "first_tenants.py")
    script = tmp_path / f"{page.stem}_page.py"
    script.write_text(text, encoding="utf-8")
    printed = run(tmp_path, script).split(MARK)
    assert [trimmed(part) for part in printed] == [*map(trimmed, expected), ""]


@pytest.mark.parametrize("page", [named(page) for page in PAGES if has(page, NO_RUN)])
def test_code_that_is_not_run_is_python(page):
    """What cannot be run here has no syntax errors at least."""
    shown = ["\n".join(block.lines) for block in blocks(page) if block.info == NO_RUN]
    assert [None] * len(shown) == [syntax_error(code) for code in shown]


def syntax_error(code):
    """Return what is wrong with the syntax of a piece of Python, or None."""
    try:
        compile(code, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return str(error)
    return None


@pytest.mark.parametrize("page", [named(page) for page in PAGES[:2]])
def test_links_lead_somewhere(page):
    """What a page outside of the documentation links to is there; the build checks the others."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_first_steps_are_thirteen_lines():
    """The first endpoint takes thirteen lines below its imports, docstrings aside."""
    source = (EXAMPLES / "first_steps.py").read_text(encoding="utf-8")
    aside = set()
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            aside.update(range(node.lineno, node.end_lineno + 1))
    lines = [
        line for number, line in enumerate(source.splitlines(), 1) if line.strip() and number not in aside
    ]
    assert len(lines) == 13


def test_readme_shows_the_first_steps():
    """The README's example is the file that the tutorial and the tests run."""
    first = next(block for block in blocks(ROOT / "README.md") if block.info[:1] == ("python",))
    assert "\n".join(first.lines) == (EXAMPLES / "first_steps.py").read_text(encoding="utf-8").rstrip("\n")


def test_readme_shows_what_the_demo_prints(tmp_path):
    """The README's transcript is what the demo prints; times, the port and the length of lines aside."""
    main = "from tenantkit.cli import main; main()"
    shown = next(block for block in blocks(ROOT / "README.md") if block.info == ("text",))
    assert told(run(tmp_path, "-c", main, "demo")) == told("\n".join(shown.lines))


def told(transcript):
    """A transcript without what differs from run to run."""
    return re.sub(r"\d+:\d\d:\d\d|127\.0\.0\.1:\d+|[─━]+", "", trimmed(transcript))


def test_tutorial_answers_as_shown(served):
    """Each request of the tutorial, sent to the server that it starts, is answered as the page shows."""
    address, tokens = served
    asked = CURL.findall(TUTORIAL.read_text(encoding="utf-8"))
    answers = []
    for name, path, _ in asked:
        headers = {"Authorization": f"Bearer {tokens[name]}"} if name else {}
        answers.append((name, path, httpx.get(address + path, headers=headers).text))
    assert answers == asked
    assert len(asked) == TUTORIAL.read_text(encoding="utf-8").count("$ curl")
    assert any('"status": 404' in answer for _, _, answer in answers)


def test_recipe_and_scope_prints_what_the_page_says(tmp_path):
    """The comparison with the recipe is shown as it comes out."""
    printed = run(tmp_path, EXAMPLES / "recipe_and_scope.py").strip("\n")
    assert printed in ["\n".join(block.lines) for block in blocks(DOCS / "why.md")]


def test_example_tests_pass(tmp_path):
    """The tests that show how to test with real servers pass."""
    file = EXAMPLES / "test_with_real_servers.py"
    options = ["-q", f"--rootdir={tmp_path}", f"--config-file={os.devnull}", "-p", "no:cacheprovider"]
    assert "2 passed" in run(tmp_path, "-m", "pytest", *options, file)


def test_no_example_is_forgotten():
    """Each example is run by a test above; an adapter by the contract of adapters, a product over HTTP."""
    project = EXAMPLES / "documents" / "with_django"  # whose files Django loads
    files = {
        str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py") if project not in path.parents
    }
    assert files == {
        *(f"documents/{name}.py" for name in ("models", "service", "sign_up", "with_fastapi", "with_flask")),
        "first_steps.py",
        "first_tenants.py",
        "litestar_adapter.py",
        "own_organizations.py",
        "recipe_and_scope.py",
        "test_with_real_servers.py",
    }


@pytest.fixture(scope="module")
def from_source():
    """The Sphinx extension that writes parts of pages; it needs Sphinx in a build only."""
    place = importlib.util.spec_from_file_location("from_source", DOCS / "_ext" / "from_source.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_error_catalogue_is_complete(from_source):
    """The catalogue holds every class of error, each with a text of its own."""
    defined = [
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, TenantKitError)
    ]
    catalogue = from_source.error_catalogue()
    assert from_source.errors() == defined
    assert [kind.__name__ for kind in defined if f"### {kind.__name__}\n" not in catalogue] == []
    assert [kind.__name__ for kind in defined if not inspect.cleandoc(kind.__doc__ or "")] == []


def test_settings_table_is_complete(from_source):
    """Every setting is documented, and nothing else."""
    assert list(from_source.setting_meanings()) == list(Settings.model_fields)
    assert from_source.settings_table().count("\n") == len(Settings.model_fields) + 1


def test_tests_that_a_page_cites_exist():
    """Where a page names the test of a promise, there is one of that name."""
    cited = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))}
    contracts = ROOT / "src" / "tenantkit" / "testing" / "contracts"
    defined = {
        name
        for module in [*(ROOT / "tests").rglob("test_*.py"), *contracts.glob("*.py")]
        for name in re.findall(
            r"^\s*(?:async )?def (test_\w+)", module.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert cited
    assert cited <= defined
