"""
One spelling for the conditions of policies: PostgreSQL prints them with casts, parentheses and aliases of its own.

What is compared is the sequence of words, names, operators and values. Parentheses are left out, so of two conditions
that differ in grouping only, none is told from the other; declared ones are of a form in which nothing can be grouped
otherwise, unless they share rows.
"""

import re
from typing import Final

__all__ = ["normal"]

_PART: Final = r"""(?:"(?:[^"]|"")*"|\w+)"""
_TOKEN: Final = re.compile(rf"""'(?:[^']|'')*'|{_PART}(?:\.{_PART})*|::|[<>=!~]+|\S""")
_TYPES: Final = {"varchar": "character varying", "int": "integer", "bpchar": "character", "char": "character"}
_PRINTED: Final = {"nullif", "set_config", "current_setting"}  # PostgreSQL names a column after its function


def normal(expression: str | None, table: str) -> str:
    """
    Return a condition in one spelling.

    Args:
        expression: the condition, as it was written or as PostgreSQL prints it.
        table: the bare name of the table, which qualifies its columns or not.
    """
    words: list[str] = []
    for token in _TOKEN.findall(expression or ""):
        word = token if token.startswith("'") else _name(token, table, of_table=words[-1:] == ["from"])
        if word in "()":
            continue
        if words and words[-1] == "as":  # an alias: `AS "nullif"` is PostgreSQL's own, `AS parent_1` ours
            words.pop()
            if word in _PRINTED:
                continue
        if word == "text" and words and words[-1] == "::":
            words.pop()
            continue
        words.append(_TYPES.get(word, word))
    return " ".join(words)


def _name(token: str, table: str, *, of_table: bool) -> str:
    """Return a name without quotes, and without what stands before a table's or an own column's."""
    parts = [part[1:-1] if part.startswith('"') else part.lower() for part in re.findall(_PART, token)] or [
        token
    ]
    return parts[-1] if of_table or (len(parts) > 1 and parts[-2] == table) else ".".join(parts)
