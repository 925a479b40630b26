"""What the database is told at the begin of a transaction, for its policies: the values of the scope's rules."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, String, bindparam, literal_column, select

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.elements import OwnFunction, ScopeBind
from tenantkit.isolation.pin import Pin
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule

__all__ = [
    "UNSCOPED",
    "refuse_several_texts",
    "setting_of",
    "telling_scope",
    "telling_unscoped",
    "values_to_tell",
]

UNSCOPED: Final = "tenantkit.unscoped"
_LOCAL: Final[Any] = literal_column("'t'")  # until the transaction ends, so also behind a transaction pooler


def setting_of(rule: RowRule) -> str:
    """Return the name of the setting that policies read for a rule."""
    return f"tenantkit.{rule.name}"


def telling_scope(registry: Registry) -> Any:
    """Return the one statement that tells the values of all rules, each a parameter of the rule's name."""
    told: list[Any] = [
        OwnFunction(
            "set_config", literal_column(f"'{setting_of(rule)}'"), bindparam(rule.name, type_=String), _LOCAL
        )
        for rule in registry.binds_by_rule
    ]
    return select(*told)


def values_to_tell(pin: Pin, dialect: Any) -> dict[str, str]:
    """Return the parameters of :func:`telling_scope`: values as texts, as the database casts them to the columns."""
    return {rule.name: _text_of(bind, pin, dialect) for rule, bind in pin.registry.binds_by_rule.items()}


def _text_of(bind: ScopeBind, pin: Pin, dialect: Any) -> str:
    value = pin.values.get(bind.key)
    return (
        "" if value is None else _as_stored(bind, value, dialect)
    )  # '' if the scope does not say: nothing in sight


def _as_stored(bind: ScopeBind, value: Any, dialect: Any) -> str:
    stored = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return str(value if stored is None else stored(value))


def refuse_several_texts(registry: Registry, dialect: Any) -> None:
    """
    Refuse columns of one rule that spell its value differently: there is one setting for all of them.

    Raises:
        ConfigurationError: they do, as a native UUID beside one in a CHAR(32).
    """
    texts: dict[str, dict[str, str]] = {}
    for rule, bind in registry.binds_by_name:
        if bind.type.python_type is UUID:
            spelled = _as_stored(bind, UUID(int=1), dialect)
            texts.setdefault(rule.name, {}).setdefault(spelled, repr(bind.type))
    for name, kinds in texts.items():
        if len(kinds) > 1:
            raise ConfigurationError(
                f"The columns of rule {name!r} spell one value in several ways ({', '.join(kinds.values())}), and the "
                "policies compare all of them with one setting. Let them have one type."
            )


def telling_unscoped() -> Select[Any]:
    """Return the statement that lets the owner of the tables see all rows until its transaction ends."""
    return select(OwnFunction("set_config", literal_column(f"'{UNSCOPED}'"), literal_column("'on'"), _LOCAL))
