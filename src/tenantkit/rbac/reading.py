"""Reading a matrix from a file: TOML or YAML with three tables, CSV or Markdown with a grid."""

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tenantkit.exceptions import ConfigurationError, DependencyMissing
from tenantkit.rbac.conditions import Condition, condition_from
from tenantkit.rbac.model import Permission, Role, Rule
from tenantkit.rbac.names import meant

__all__ = ["read_matrix"]

_TABLES: Final = {"permissions", "roles", "conditions", "separator"}
_OF_PERMISSIONS: Final = {"description", "side", "feature"}
_OF_ROLES: Final = {"grants", "denies", "includes", "excluding", "description", "side"}
_YES: Final = {"y", "yes", "x", "✓", "✔", "allow"}
_NO: Final = {"", "-", "\N{EN DASH}", "\N{EM DASH}", "n", "no"}
_NEVER: Final = {"deny"}
_INCLUDES: Final = "includes"
_RULE: Final = re.compile(r":?-+:?\Z")
_ROW: Final = re.compile(r"\|.*(?<!\\)\|\Z")
_FENCE: Final = re.compile(r"`{3,}(?!.*`)|~{3,}")
_CODE: Final = ("    ", "\t")


def read_matrix(path: Path, conditions: Mapping[str, Condition], separator: str | None) -> dict[str, Any]:
    """
    Return what a matrix is made of, as a file says.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong.
        DependencyMissing: YAML needs PyYAML.
    """
    read = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".md": _markdown}.get(path.suffix)
    if read is None:
        raise ConfigurationError(
            f"{path} is none of .toml, .yaml, .csv and .md, in which a matrix can be written."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text in UTF-8: {error}.") from error
    hidden = next((one for one in text if one not in "\n\r\t" and not one.isprintable()), None)
    if hidden is not None:
        line = text.count("\n", 0, text.index(hidden)) + 1
        raise ConfigurationError(f"{path}, line {line}: {hidden!r} is there, which nobody sees. Take it out.")
    made = read(_File(path, text, dict(conditions)), separator)
    for name in made["conditions"]:
        if name.lower() in _YES | _NO | _NEVER:
            raise ConfigurationError(
                f"{path}: {name!r} says something else in a cell: call the condition otherwise."
            )
    return made


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    text: str
    conditions: dict[str, Condition]

    def error(self, line: int | None, sentence: str) -> ConfigurationError:
        return ConfigurationError(f"{self.at(line)}{sentence}")

    def at(self, line: int | None) -> str:
        return f"{self.path}: " if line is None else f"{self.path}, line {line}: "

    def origin(self, *place: str) -> str:
        """Return where a key stands, and below it what is written there."""
        return self.at(_line_of(self.text.split("\n"), place))

    def condition(self, at: str, said: object) -> Condition:
        """Return the condition of a name, or the one that is described."""
        if isinstance(said, str):
            if said not in self.conditions:
                raise ConfigurationError(f"{at}There is no condition {said!r}.{meant(said, self.conditions)}")
            return self.conditions[said]
        with _located(at):
            return condition_from(said)


# tables: TOML and YAML ------------------------------------------------------------------------------------------


def _toml(file: _File, separator: str | None) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.text)
    except (ValueError, RecursionError) as error:  # of numbers of thousands of digits, and of tables as deep
        raise ConfigurationError(f"{file.path} is not TOML: {error}.") from error
    return _from_tables(file, content, separator)


def _yaml(file: _File, separator: str | None) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped] # noqa: PLC0415 - an extra
    except ImportError:
        raise DependencyMissing("A matrix in YAML needs PyYAML: pip install 'tenantkit[yaml]'.") from None
    try:
        for event in yaml.parse(file.text):
            if isinstance(event, yaml.AliasEvent):
                raise file.error(event.start_mark.line + 1, "Aliases of YAML are not read: write it out.")
        _check_twice(file, yaml.compose(file.text))
        content = yaml.safe_load(file.text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise file.error(line, f"This is not YAML: {error.problem}.") from error
    except ConfigurationError:
        raise
    except (yaml.YAMLError, RecursionError, TypeError, ValueError, LookupError, AttributeError) as error:
        # PyYAML's own readers of dates, numbers and tags raise what Python does
        raise file.error(None, f"This is not YAML of texts and tables: {error!r}.") from error
    if not isinstance(content, dict):
        raise file.error(None, "This holds no tables.")
    return _from_tables(file, content, separator)


def _check_twice(file: _File, node: Any) -> None:
    """Refuse a key that is there twice, of which PyYAML would take the last."""
    inner = node.value if node is not None and isinstance(node.value, list) else []
    seen = set[str]()
    for one in inner:
        if isinstance(one, tuple):
            key, value = one
            if key.value in seen:
                raise file.error(key.start_mark.line + 1, f"{key.value!r} is there twice.")
            seen.add(key.value)
            _check_twice(file, value)
        else:
            _check_twice(file, one)


def _from_tables(file: _File, content: dict[str, Any], separator: str | None) -> dict[str, Any]:
    _check_keys(file, content, _TABLES, "the file")
    for name in ("permissions", "roles", "conditions"):
        table = content.get(name, {} if name == "conditions" else None)
        if not isinstance(table, dict):
            raise file.error(None, f"The table [{name}] is missing, or is no table.")
        for key in table:
            if not isinstance(key, str):
                raise file.error(None, f"{key!r} in [{name}] is no text: write it in quotes.")
    for name, said in content.get("conditions", {}).items():
        at = file.origin("conditions", name)
        if isinstance(said, str):
            raise ConfigurationError(f"{at}The condition {name!r} is described by a table, not by {said!r}.")
        file.conditions[name] = file.condition(at, said)
    return {
        "permissions": {name: _permission(file, name, said) for name, said in content["permissions"].items()},
        "roles": {name: _role(file, name, said) for name, said in content["roles"].items()},
        "conditions": file.conditions,
        "separator": content.get("separator", separator or ":"),
        "origin": file.origin,
    }


def _permission(file: _File, name: str, said: Any) -> Permission:
    at = ("permissions", name)
    if isinstance(said, str):
        return Permission(name, said)
    _check_keys(file, said, _OF_PERMISSIONS, f"permission {name!r}", *at)
    _check_texts(file, said.values(), f"permission {name!r}", *at)
    return Permission(name, **said)


def _role(file: _File, name: str, said: Any) -> Role:
    at, whose = ("roles", name), f"role {name!r}"
    table: dict[str, Any] = {"grants": said} if isinstance(said, list) else said
    _check_keys(file, table, _OF_ROLES, whose, *at)
    lists = {key: table.get(key, []) for key in ("grants", "denies", "includes", "excluding")}
    for key, value in lists.items():
        if not isinstance(value, list):
            raise ConfigurationError(
                f"{file.origin(*at)}{whose.capitalize()}: {key!r} is a list, not {value!r}."
            )
    texts = {key: table[key] for key in ("description", "side") if key in table}
    _check_texts(file, [*lists["includes"], *lists["excluding"], *texts.values()], whose, *at)
    rules = [
        _rule(file, name, one, effect)
        for key, effect in (("grants", "allow"), ("denies", "deny"))
        for one in lists[key]
    ]
    with _located(file.origin(*at)):
        return Role(name, tuple(rules), tuple(lists["includes"]), tuple(lists["excluding"]), **texts)


def _rule(file: _File, role: str, said: Any, effect: Any) -> Rule:
    match said:
        case str():
            return Rule(said, effect)
        case {"permission": str(permission), "when": when, **rest} if not rest:
            return Rule(permission, effect, file.condition(file.origin("roles", role, permission), when))
    raise ConfigurationError(
        f"{file.origin('roles', role)}Role {role!r} grants a permission by its name, or as {{permission = ..., "
        f"when = ...}}, not as {said!r}."
    )


@contextmanager
def _located(at: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{at}{error.message}") from None


def _check_keys(file: _File, table: Any, known: set[str], whose: str, *place: str) -> None:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file.origin(*place)}{whose.capitalize()} is no table: {table!r}.")
    for key in table:
        if key not in known:
            raise ConfigurationError(
                f"{file.origin(*place, str(key))}There is no {key!r} of {whose}.{meant(str(key), known)}"
            )


def _check_texts(file: _File, texts: Iterable[Any], whose: str, *place: str) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise ConfigurationError(
                f"{file.origin(*place)}{whose.capitalize()} holds {text!r}, which is no text."
            )


def _line_of(lines: list[str], place: tuple[str, ...]) -> int | None:
    """Return the number of the line in which the last word of a place stands, each sought below the one before."""
    number = None
    for depth, word in enumerate(place):
        name = re.escape(word)
        key = re.compile(rf"""^[\s\[]*(?:[\w.-]+\.)?["']?{name}["']?\s*[\]=:.]""")
        value = re.compile(rf"""["']{name}["']|(?<![\w:.*-]){name}(?![\w:.*-])""")
        wanted = (key, value) if depth > 1 else (key,)
        is_same = depth > 0 and word == place[depth - 1]  # a role that includes itself
        start = (number or 1) - (0 if is_same else 1)
        found = [
            index for one in wanted for index, line in enumerate(lines[start:], start + 1) if one.search(line)
        ]
        if not found:
            return number
        number = min(found)
    return number


# grids: CSV and Markdown ----------------------------------------------------------------------------------------


def _csv(file: _File, separator: str | None) -> dict[str, Any]:
    reader = csv.reader(io.StringIO(file.text), strict=True)
    try:
        return _from_grid(file, [(reader.line_num, row) for row in reader if any(row)], separator)
    except csv.Error as error:
        raise file.error(reader.line_num, f"This is not CSV: {error}.") from error


def _markdown(file: _File, separator: str | None) -> dict[str, Any]:
    return _from_grid(file, list(_rows_of_table(file)), separator)


def _rows_of_table(file: _File) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of the first table, with the number of their lines; the rule below the head is left out."""
    is_within = False
    for number, line in _shown_lines(file.text):
        bare, is_code = line.strip(), line.startswith(_CODE)
        if is_within and not bare:
            return
        if is_within and (is_code or not bare.startswith("|")):
            raise file.error(number, "A row of a table begins with '|', and behind a table is an empty line.")
        if is_code or not bare.startswith("|"):
            continue
        is_within = True
        if not _ROW.match(bare):
            raise file.error(number, "A row of a table ends with '|'.")
        cells = [one.strip().strip("`").replace("\\|", "|") for one in re.split(r"(?<!\\)\|", bare)[1:-1]]
        if not all(map(_RULE.match, cells)):
            yield number, cells


def _shown_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page with their numbers; what is in a comment or between fences is empty."""
    is_comment, fence = False, ""
    for number, line in enumerate(text.split("\n"), 1):
        bare, is_code = line.strip(), line.startswith(_CODE)
        if fence:
            is_closed = len(bare) >= len(fence) and set(bare) == {fence[0]}
            fence = "" if is_closed else fence
        elif is_comment or (not is_code and "<!--" in bare):
            is_comment = "-->" not in bare.rpartition("<!--")[2]
        elif not is_code and (opened := _FENCE.match(bare)):
            fence = opened[0]
        else:
            yield number, line
            continue
        yield number, ""


def _from_grid(file: _File, rows: list[tuple[int, list[str]]], separator: str | None) -> dict[str, Any]:
    if not rows:
        raise file.error(None, "There is no table.")
    (first, names), *below = rows
    head = _checked_head(file, first, [one.strip() for one in names])
    cells = dict(_checked_row(file, line, head, row) for line, row in below)
    if len(cells) < len(below):
        names = [row[0].strip() for _, row in below]
        line, name = next((line, row[0]) for line, row in reversed(below) if names.count(row[0].strip()) > 1)
        raise file.error(line, f"{name.strip()!r} is there twice.")
    included = cells.pop(_INCLUDES, None)
    roles = [name for name in head[1:] if name not in _OF_PERMISSIONS]
    return {
        "permissions": {
            name: Permission(name, **{key: row[key] for key in _OF_PERMISSIONS if row.get(key)})  # type: ignore[arg-type]
            for name, (_, row) in cells.items()
        },
        "roles": {
            role: Role(
                role,
                tuple(
                    rule
                    for name, (line, row) in cells.items()
                    for rule in _cell(file, file.at(line), (name, role), row[role])
                ),
                tuple(included[1][role].replace(",", " ").split()) if included else (),
            )
            for role in roles
        },
        "conditions": file.conditions,
        "separator": separator or ":",
        "origin": _origin(
            file, {name: line for name, (line, _) in cells.items()}, included[0] if included else first
        ),
    }


def _checked_head(file: _File, line: int, head: list[str]) -> list[str]:
    if head[0].lower() != "permission":
        raise file.error(line, f"The first column is headed 'permission', not {head[0]!r}.")
    for name in head:
        if not name:
            raise file.error(line, "A column has no name.")
        if head.count(name) > 1:
            raise file.error(line, f"The column {name!r} is there twice.")
    return head


def _checked_row(
    file: _File, line: int, head: list[str], row: list[str]
) -> tuple[str, tuple[int, dict[str, str]]]:
    if len(row) != len(head):
        raise file.error(line, f"The row of {row[0]!r} has {len(row)} cells, and the head {len(head)}.")
    found = dict(zip(head, (one.strip() for one in row), strict=True))
    return found[head[0]], (line, found)


def _cell(file: _File, at: str, place: tuple[str, str], cell: str) -> list[Rule]:
    permission, role = place
    word = cell.lower()
    if word in _NO:
        return []
    if word in _YES or word in _NEVER:
        return [Rule(permission, "allow" if word in _YES else "deny")]
    if cell in file.conditions:
        return [Rule(permission, when=file.conditions[cell])]
    known = {"yes", "no", "deny", *file.conditions}
    raise ConfigurationError(
        f"{at}The cell of {permission!r} and {role!r} says {cell!r}.{meant(cell, known)}"
    )


def _origin(file: _File, lines: Mapping[str, int], roles: int) -> Callable[..., str]:
    def origin(table: str, name: str, what: str = "") -> str:
        return file.at(lines.get(name) if table == "permissions" else lines.get(what, roles))

    return origin
