"""Which files may leave the scope, and how."""

import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tenantkit.exceptions import ConfigurationError

__all__ = ["Allowance"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    What files may do, by pattern.

    Attributes:
        allow: codes by pattern of path, as ``{"migrations/**": ["plain-engine"]}``; ``*`` stands for all codes. Paths
            are those relative to ``root``.
        root: the folder that the patterns are seen from.

    .. versionadded:: 0.1
    """

    allow: Mapping[str, Sequence[str]] = field(default_factory=dict)
    root: Path = field(default_factory=Path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """
        Read the table ``[tool.tenantkit.lint.allow]`` of a ``pyproject.toml``; without one nothing is allowed.

        Raises:
            ConfigurationError: the file is no TOML, or a pattern names something else than a list of codes.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}.") from error
        table = content.get("tool", {}).get("tenantkit", {}).get("lint", {}).get("allow", {})
        for pattern, codes in table.items():
            if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
                raise ConfigurationError(
                    f"{path.name}: tool.tenantkit.lint.allow gives {pattern!r} no list of codes, such as "
                    "['plain-engine']."
                )
        return cls(table, path.parent)

    def covers(self, path: Path, code: str) -> bool:
        """Whether a file may do something."""
        root = self.root.resolve()
        shown = path.resolve().relative_to(root) if path.resolve().is_relative_to(root) else path
        return any(
            fnmatch.fnmatch(shown.as_posix(), pattern) and (code in codes or "*" in codes)
            for pattern, codes in self.allow.items()
        )
