"""What to look for in Python source. Reads syntax trees; imports and runs nothing of what it reads."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenantkit.lint.allowance import Allowance

__all__ = ["CODES", "Place", "look_into", "look_through"]

CODES: Final = {
    "unscoped-session": "opens a session over the rows of all tenants",
    "vouched-text": "lets raw SQL through, for which somebody answers",
    "raw-text": "is raw SQL that nobody vouched for: a scoped engine refuses it",
    "plain-engine": "makes an engine whose statements are not scoped",
    "plain-session": "opens a session that belongs to no tenant",
    "raw-cursor": "reaches the driver's connection, past the engine",
    "driver-connection": "connects by the driver, past SQLAlchemy",
    "syntax": "cannot be read as Python",
}
_CALLS: Final = {
    "tenantkit.isolation.vouch": "vouched-text",
    "tenantkit.isolation.UnscopedSession": "unscoped-session",
    "sqlalchemy.text": "raw-text",
    "sqlalchemy.sql.text": "raw-text",
    "sqlalchemy.sql.expression.text": "raw-text",
    "sqlalchemy.create_engine": "plain-engine",
    "sqlalchemy.engine.create_engine": "plain-engine",
    "sqlalchemy.engine_from_config": "plain-engine",
    "sqlalchemy.ext.asyncio.create_async_engine": "plain-engine",
    "sqlalchemy.orm.Session": "plain-session",
    "sqlalchemy.orm.sessionmaker": "plain-session",
    "sqlalchemy.orm.scoped_session": "plain-session",
    "sqlalchemy.ext.asyncio.AsyncSession": "plain-session",
    "sqlalchemy.ext.asyncio.async_sessionmaker": "plain-session",
    **{
        f"{driver}.connect": "driver-connection"
        for driver in (
            "psycopg",
            "psycopg.Connection",
            "psycopg.AsyncConnection",
            "psycopg2",
            "asyncpg",
            "sqlite3",
        )
    },
    "aiosqlite.connect": "driver-connection",
    "asyncpg.create_pool": "driver-connection",
    "pymysql.connect": "driver-connection",
    "aiomysql.connect": "driver-connection",
}
_METHODS: Final = {
    "unscoped_session": "unscoped-session",
    "raw_connection": "raw-cursor",
    "exec_driver_sql": "raw-cursor",
    "cursor": "raw-cursor",
}
_ATTRIBUTES: Final = {"driver_connection": "raw-cursor", "dbapi_connection": "raw-cursor"}
_ALLOWED_HERE: Final = re.compile(r"#\s*tenantkit: allow ([\w-]+) - \S")


@dataclass(frozen=True, slots=True)
class Place:
    """
    A line that leaves the scope.

    Attributes:
        path: the file.
        line: its number, from 1.
        code: what it does, one of ``CODES``.
        shown: the piece of source.

    .. versionadded:: 0.1
    """

    path: Path
    line: int
    code: str
    shown: str

    def __str__(self) -> str:
        """Return ``path:line: code: what it does (source)``."""
        return f"{self.path}:{self.line}: {self.code}: {CODES[self.code]} ({self.shown})"


def look_through(paths: Iterable[Path], allowance: Allowance | None = None) -> list[Place]:
    """
    Return the places in files, and in the ``.py`` files of folders, that nobody allowed.

    A line is allowed by the allowance of its file, or by a comment at its end that names the code and a reason:
    ``# tenantkit: allow unscoped-session - the nightly totals``.

    Args:
        paths: files and folders; hidden folders and environments (``.venv``, ``node_modules``) are left out.
        allowance: which files may do what.

    .. versionadded:: 0.1
    """
    allowed = allowance or Allowance()
    found = (place for path in _files(paths) for place in look_into(path))
    return [place for place in found if not allowed.covers(place.path, place.code)]


def look_into(path: Path) -> list[Place]:
    """
    Return the places in one file that no comment allows.

    .. versionadded:: 0.1
    """
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        return [Place(path, error.lineno or 1, "syntax", error.msg)]
    lines = source.splitlines()
    places = []
    for node, code in _Reader().places(tree):
        comment = _ALLOWED_HERE.search(lines[node.end_lineno - 1] if node.end_lineno else "")
        if comment is None or comment[1] != code:
            places.append(Place(path, node.lineno, code, ast.unparse(node)[:80]))
    return places


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
            continue
        for found in sorted(path.rglob("*.py")):
            folders = found.relative_to(path).parts[:-1]
            if not any(part.startswith(".") or part in ("node_modules", "venv") for part in folders):
                yield found


class _Reader:
    """Reads one file: what its names stand for, and which calls leave the scope."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def places(self, tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._learn(node)
        vouched = {
            one
            for node in nodes
            if isinstance(node, ast.Call) and self._of_call(node) == "vouched-text"
            for one in node.args
        }
        for node in nodes:
            if isinstance(node, ast.Call) and (code := self._of_call(node)):
                if node not in vouched:
                    yield node, code
            elif isinstance(node, ast.Attribute) and node.attr in _ATTRIBUTES:
                yield node, _ATTRIBUTES[node.attr]

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                self._names[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _of_call(self, call: ast.Call) -> str | None:
        code = _CALLS.get(self._full_name(call.func) or "")
        if code == "plain-session" and self._is_scoped(call):
            return None
        if code is None and isinstance(call.func, ast.Attribute):
            return _METHODS.get(call.func.attr)
        return code

    def _is_scoped(self, call: ast.Call) -> bool:
        """Whether a session is made of ScopedSession: as its class, or as the class of its sync half."""
        given = [one.value for one in call.keywords if one.arg in ("class_", "sync_session_class")]
        return any((self._full_name(one) or "").endswith("ScopedSession") for one in given)

    def _full_name(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._full_name(node.value)
            return f"{owner}.{node.attr}" if owner else None
        return None
