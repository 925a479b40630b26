"""Where raw SQL can hide in a statement, and what of it is harmless. Decides; compiles nothing."""

import re
from functools import cache
from typing import Any, Final

from sqlalchemy.sql import quoted_name

from tenantkit.exceptions import IsolationError, StatementRefused
from tenantkit.isolation.refusals import refusal

__all__ = [
    "check_function",
    "check_identifier",
    "check_keyword",
    "check_literal",
    "check_operator",
    "check_type",
]

# what SQLAlchemy itself writes as literal columns: `*` and numbers (exists, count), quoted words (LIKE, unions)
_HARMLESS_LITERAL: Final = re.compile(r"(?:\*|\d+|'[^'\\]*')\Z")
HARMLESS_TEXTS: Final = frozenset({"MATERIALIZED", "NOT MATERIALIZED"})  # what CTE.prefix_with() is for
TWO_PHASES: Final = frozenset(f"XA {verb} :xid" for verb in ("BEGIN", "END", "PREPARE", "ROLLBACK", "COMMIT"))
_MARKER: Final = re.compile(r"__\[POSTCOMPILE_|%\([^)]+\)s")
_SYMBOLS: Final = re.compile(r"[-+*/<>=~!@#%^&|`?]+\Z")
_COMMENT: Final = re.compile(r"--|/\*|\*/")
_SCHEMA_MAP: Final = (
    "__[SCHEMA_"  # what SQLAlchemy writes for a schema that is exchanged when the statement runs
)
_IDENTIFIER: Final = re.compile(r"[^\W\d]\w*\Z")
_ZONE: Final = re.compile(r"\bWITH(?:OUT)?(?: LOCAL)? TIME ZONE\b", re.IGNORECASE)
_TYPE_TOKEN: Final = re.compile(r"""\w+|"(?:[^"]|"")*"|`[^`]*`|'(?:[^'\\]|'')*'|\[\]|[().,]""")
_STATEMENT_WORDS: Final = frozenset(
    [
        "SELECT",
        "FROM",
        "TABLE",
        "VALUES",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "WHERE",
        "JOIN",
        "WITH",
        "AS",
        "INTO",
        "RETURNING",
        "ORDER",
        "GROUP",
        "LIMIT",
    ]
)
_PLAIN_LITERAL: Final = re.compile(
    r"(?:[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|TRUE|FALSE|NULL)\Z", re.IGNORECASE
)
_CAST: Final = r"(?:::[A-Za-z_][\w ]*(?:\[\])?)?"
_QUOTED: Final = re.compile(rf"[A-Za-z]{{0,9}} ?'(?:[^']|'')*'{_CAST}\Z")
_QUOTED_ESCAPED: Final = re.compile(rf"[A-Za-z]{{0,9}} ?'(?:[^'\\]|''|\\.)*'{_CAST}\Z")


def _refused(what: str, instead: str) -> IsolationError:
    return refusal(StatementRefused(f"{what} is raw SQL and is not known to keep tenants apart. {instead}"))


def text_refused(text: str) -> IsolationError:
    """Return the refusal of a ``text()``."""
    shown = " ".join(text.split())[:80]
    return _refused(
        f"text({shown!r})",
        "Say it with SQLAlchemy expressions, or answer for it with vouch(text(...), reason).",
    )


def schema_map_refused() -> IsolationError:
    """Return the refusal of a ``schema_translate_map``."""
    return refusal(
        StatementRefused(
            "schema_translate_map would send the statement to tables that were not declared, so it is not the caller's "
            "to set on a scoped engine. Leave it out, and declare the tables of the other schema."
        )
    )


def check_markers(text: str) -> None:
    """Refuse what the compiler itself writes where it puts parameters in later: a text of its form would be one."""
    if _MARKER.search(text):
        raise _refused(f"{text[:80]!r} has the form of a parameter, which", "Bind the text as a value.")


def check_literal(name: str) -> None:
    """Refuse a ``literal_column()`` unless it is ``*``, a number or a quoted text."""
    check_markers(name)
    if not _HARMLESS_LITERAL.match(name):
        raise _refused(
            f"literal_column({name[:80]!r})",
            "Use literal() for values, or vouch(literal_column(...), reason).",
        )


def check_operator(operator: Any, *, is_question_parameter: bool = False) -> None:
    """Refuse a custom operator that is more than symbols, or holds what the driver takes for a parameter."""
    text = str(operator.opstring)
    if not _SYMBOLS.match(text) or _COMMENT.search(text) or (is_question_parameter and "?" in text):
        raise _refused(
            f"The operator {text[:80]!r}", "Custom operators are made of symbols only; use functions."
        )


def check_keyword(word: str) -> None:
    """Refuse the field of an EXTRACT that is more than a word."""
    if not _IDENTIFIER.match(word):
        raise _refused(f"extract({word[:80]!r}, ...)", "Name one field, such as 'year'.")


def check_identifier(name: str) -> None:
    """Refuse a name that asks not to be quoted and is no plain identifier."""
    if name.startswith(_SCHEMA_MAP):
        raise schema_map_refused()
    check_markers(name)
    if isinstance(name, quoted_name) and name.quote is False and not _IDENTIFIER.match(name):
        raise _refused(f"The unquoted name {str(name)[:80]!r}", "Let SQLAlchemy quote it.")


def check_type(text: str) -> None:
    """Refuse the text of a type that holds more than a name, sizes and a collation."""
    check_markers(text or "")
    bare = _ZONE.sub("", text or "")
    tokens = _TYPE_TOKEN.findall(bare)
    depth = 0
    for part in tokens:
        depth += (part == "(") - (part == ")")
        if depth < 0 or (part == "," and depth == 0) or part.upper() in _STATEMENT_WORDS:
            break
    else:
        if depth == 0 and "".join(tokens) == re.sub(r"\s+", "", bare):
            return
    raise _refused(f"The type {text[:80]!r}", "Use a type of SQLAlchemy with plain arguments.")


def check_rendered_literal(text: str, *, backslash_escapes: bool) -> None:
    """Refuse a value rendered into the statement that is more than one number, word or quoted text."""
    check_markers(text)
    quoted = _QUOTED_ESCAPED if backslash_escapes else _QUOTED
    if not (_PLAIN_LITERAL.match(text) or quoted.match(text)):
        raise _refused(f"The literal {text[:80]!r}", "Bind the value, or use a type of SQLAlchemy.")


def check_function(name: str, packages: tuple[str, ...], allowed: frozenset[str]) -> None:
    """Refuse a function that is not on the list."""
    full = ".".join((*packages, name)).lower()
    if full not in allowed:
        raise StatementRefused(
            f"The function {full!r} is not known to compute from its arguments alone, so it is not called in a scoped "
            f"statement. If it does, allow it: scope_engine(..., functions=[{full!r}]), or with a kit "
            f'engine_options={{"functions": [{full!r}]}}.'
        )


def check_elements(element: Any, declared: tuple[type, ...]) -> None:
    """Refuse an element whose SQL is made by the application's own ``@compiles`` function."""
    kind: Any = type(element)
    if not _is_compiled_by_sqlalchemy(kind) and not issubclass(kind, declared):
        raise StatementRefused(
            f"{kind.__name__} is compiled by a function of the application, whose SQL is not known to keep tenants "
            f"apart. If it does, declare it: scope_engine(..., elements=[{kind.__name__}]), or with a kit "
            f'engine_options={{"elements": [{kind.__name__}]}}.'
        )


@cache
def _is_compiled_by_sqlalchemy(kind: type) -> bool:
    """Whether the SQL of an element is made by the compiler: by no ``@compiles``, and by no method of its own."""
    if hasattr(kind, "_compiler_dispatcher"):  # where @compiles keeps its functions
        return False
    maker = next((one for one in kind.__mro__ if "_compiler_dispatch" in vars(one)), object)
    return maker.__module__.partition(".")[0] in ("sqlalchemy", "tenantkit")
