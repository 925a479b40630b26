"""Rules and roles as JSON-able data, as they are kept, exported and compared."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions import condition_from
from tenantkit.rbac.model import Role, Rule
from tenantkit.rbac.names import meant

__all__ = ["role_data", "role_from", "rule_data", "rule_from"]


def rule_data(rule: Rule) -> dict[str, Any]:
    """
    Return a rule as data; what it does not say is left out.

    Raises:
        ConfigurationError: its condition cannot be read back.
    """
    found: dict[str, Any] = {"permission": rule.permission}
    if rule.effect == "deny":
        found["effect"] = rule.effect
    if rule.when is not None:
        found["when"] = dict(rule.when.data)
        if condition_from(found["when"]) != rule.when:
            raise ConfigurationError(
                f"The condition {rule.when} cannot be kept: it is not read back as it was."
            )
    found |= {name: value for name in ("resource", "workspace") if (value := getattr(rule, name)) is not None}
    return found | {
        name: moment.isoformat() for name in ("since", "until") if (moment := getattr(rule, name)) is not None
    }


def rule_from(data: Mapping[str, Any]) -> Rule:
    """
    Return the rule that data describes.

    Raises:
        ConfigurationError: it describes none.
    """
    found = _known(data, "a rule", {one.name for one in fields(Rule)}, needed="permission")
    if "when" in found:
        found["when"] = condition_from(found["when"])
    try:
        moments: dict[str, Any] = {
            name: datetime.fromisoformat(found[name]) for name in ("since", "until") if name in found
        }
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"A moment of a rule is written as ISO 8601 has it: {error}.") from None
    return Rule(**found | moments)


def role_data(role: Role) -> dict[str, Any]:
    """
    Return a role as data, without its name.

    Raises:
        ConfigurationError: a condition cannot be read back.
    """
    found: dict[str, Any] = {"rules": [rule_data(rule) for rule in role.rules]}
    found |= {name: list(value) for name in ("includes", "excluding") if (value := getattr(role, name))}
    return found | {name: value for name in ("description",) if (value := getattr(role, name))}


def role_from(name: str, data: Mapping[str, Any]) -> Role:
    """
    Return the role that data describes.

    Raises:
        ConfigurationError: it describes none.
    """
    known = {"rules", "includes", "excluding", "description"}
    found = _known(data, f"the role {name!r}", known, needed="rules")
    for several in ("rules", "includes", "excluding"):
        if not isinstance(found.get(several, []), list):
            raise ConfigurationError(f"{several!r} of the role {name!r} is a list, not {found[several]!r}.")
    return Role(
        name,
        tuple(rule_from(one) for one in found["rules"]),
        tuple(found.get("includes", ())),
        tuple(found.get("excluding", ())),
        found.get("description", ""),
    )


def _known(data: Any, what: str, names: set[str], *, needed: str) -> dict[str, Any]:
    """Return data that says no more than is known, since what is overlooked may be what bounds it."""
    if not isinstance(data, Mapping) or needed not in data:
        raise ConfigurationError(f"{data!r} is not {what}: it has to say {needed!r}.")
    for name in data:
        if name not in names:
            raise ConfigurationError(f"There is no {name!r} of {what}.{meant(str(name), names)}")
    return dict(data)
