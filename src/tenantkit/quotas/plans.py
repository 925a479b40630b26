"""Plans: what each allows and where more can be bought. Read once, checked when made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tenantkit.core.toml import read_toml
from tenantkit.exceptions import ConfigurationError

__all__ = ["Plan", "Plans"]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What tenants of a plan may use.

    Args:
        name: its name, as tenants carry it.
        limits: units per meter; a meter that is not named is not limited.
        upgrade_url: where more can be bought, an http(s) URL.

    Raises:
        ConfigurationError: a limit is no whole number from 0 up, or the link is no URL.

    .. versionadded:: 0.1
    """

    name: str
    limits: Mapping[str, int] = field(default_factory=dict)
    upgrade_url: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Mapping):
            raise ConfigurationError(f"Plan {self.name!r}: limits is {self.limits!r}, not a table of meters.")
        for meter, limit in self.limits.items():
            if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
                raise ConfigurationError(
                    f"Plan {self.name!r} limits {meter!r} to {limit!r}: a limit is a whole number from 0 up. Leave the "
                    "meter out for no limit."
                )
        if self.upgrade_url is not None and not _is_link(self.upgrade_url):
            raise ConfigurationError(
                f"Plan {self.name!r}: upgrade_url {self.upgrade_url!r} is no http(s) URL."
            )


def _is_link(text: object) -> bool:
    try:
        parts = urlsplit(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class Plans:
    """
    The plans of an application.

    Args:
        plans: the plans.
        meters: names of meters that no plan limits; those that a plan limits need not be named.

    .. versionadded:: 0.1
    """

    def __init__(self, *plans: Plan, meters: Iterable[str] = ()) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self.meters = frozenset(meters).union(*(plan.limits for plan in plans))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """
        Read a TOML file with a table ``[plans.<name>]`` per plan: ``upgrade_url`` and a table ``limits``.

        Raises:
            ConfigurationError: the file cannot be read or holds something else.
        """
        return cls(*(_plan(path, name, table) for name, table in read_toml(path, {"plans"})["plans"].items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plans."""
        return tuple(self._plans)

    def check_meter(self, meter: str) -> None:
        """
        Refuse a meter that nobody named.

        Raises:
            ConfigurationError: it is none; a misspelt meter must not pass for one without a limit.
        """
        if meter not in self.meters:
            known = ", ".join(sorted(self.meters)) or "none"
            raise ConfigurationError(
                f"There is no meter {meter!r}; known are {known}. Limit it in a plan, or name it in "
                "Plans(..., meters=[...]) to count without a limit."
            )

    def of(self, name: str) -> Plan:
        """
        Return a plan by name.

        Raises:
            ConfigurationError: there is none; a tenant's plan must not fall back to "no limit".
        """
        plan = self._plans.get(name)
        if plan is None:
            known = ", ".join(sorted(self._plans)) or "none"
            raise ConfigurationError(
                f"There is no plan {name!r}; known are {known}. Add it, or correct the tenant's."
            )
        return plan


def _plan(path: str | Path, name: str, table: Any) -> Plan:
    unknown = set(table) - {"limits", "upgrade_url"} if isinstance(table, dict) else {str(table)}
    if unknown:
        raise ConfigurationError(
            f"{path}: [plans.{name}] holds {', '.join(sorted(unknown))}; known are limits and upgrade_url."
        )
    return Plan(name=name, limits=table.get("limits", {}), upgrade_url=table.get("upgrade_url"))
