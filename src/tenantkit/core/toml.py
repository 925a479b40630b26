"""Reading a TOML file whose tables are known."""

import tomllib
from pathlib import Path
from typing import Any

from tenantkit.exceptions import ConfigurationError

__all__ = ["read_toml"]


def read_toml(path: str | Path, tables: set[str]) -> dict[str, dict[str, Any]]:
    """
    Return the content of a file that has exactly the given top-level tables.

    Raises:
        ConfigurationError: the file cannot be read, is no TOML, lacks a table or has another.

    .. versionadded:: 0.1
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    if set(content) != tables or not all(isinstance(table, dict) for table in content.values()):
        expected = ", ".join(f"[{name}]" for name in sorted(tables))
        found = ", ".join(sorted(content)) or "nothing"
        raise ConfigurationError(f"{path} must hold exactly the tables {expected}; it holds {found}.")
    return content
