"""Conditions on one attribute of a resource, in Python and in SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, get_args

from sqlalchemy import Boolean, ColumnElement, null, type_coerce

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.condition import Asker, Condition
from tenantkit.rbac.model import Resource
from tenantkit.rbac.resources import mapper_of

__all__ = ["Attribute", "FromScope", "Operator", "column_of", "read_attribute"]

Operator = Literal[
    "is", "is_not", "in", "not_in", "less", "at_most", "more", "at_least", "present", "missing"
]
_ORDERS: Final = {"less", "at_most", "more", "at_least"}
_LISTS: Final = {"in", "not_in"}
_EXISTENCE: Final = {"present", "missing"}
_WORDS: Final[Mapping[str, str]] = {
    "is": "is",
    "is_not": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "less": "is less than",
    "at_most": "is at most",
    "more": "is more than",
    "at_least": "is at least",
    "present": "is there",
    "missing": "is missing",
}
_PLAIN: Final = (str, int, float, bool)
_FITTING: Final[Mapping[type, tuple[type, ...]]] = {
    float: (float, int, Decimal),
    Decimal: (Decimal, int, float),
}


@dataclass(frozen=True, slots=True)
class FromScope:
    """
    A value that the scope knows: the tenant's id, or a dimension. For the actor's id there is :func:`owner_of`.

    Args:
        name: ``"tenant"``, or a dimension.

    .. versionadded:: 0.1
    """

    name: str

    def of(self, scope: Scope) -> Any:
        """Return the value, or None where the scope has none."""
        if self.name == "tenant":
            return scope.tenant.id
        return scope.dimensions.get(self.name)

    def __str__(self) -> str:
        return f"the scope's {self.name}"


@dataclass(frozen=True, slots=True)
class Attribute(Condition):
    """
    An attribute of the resource compares so with a value.

    Args:
        name: the attribute, a column.
        operator: ``"is"``, ``"is_not"``, ``"in"`` or ``"not_in"``; ``"less"``, ``"at_most"``, ``"more"`` or
            ``"at_least"`` of numbers and moments; ``"present"`` or ``"missing"``, which take no value.
        value: the value, a sequence of them, or one that the scope knows.

    Raises:
        ConfigurationError: there is no such operator, or the value does not go with it.

    .. versionadded:: 0.1
    """

    name: str
    operator: Operator = "is"
    value: Any = None

    def __post_init__(self) -> None:
        _check_value(self)
        if self.operator in _LISTS:
            object.__setattr__(self, "value", tuple(self.value))

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether it compares so; None where the attribute or the value is missing."""
        found = read_attribute(resource, self.name)
        if self.operator in _EXISTENCE:
            return (found is None) == (self.operator == "missing")
        value = self._value(asker)
        if found is None or value is None:
            return None
        return _COMPARED[self.operator](found, value)

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        column = column_of(model, self.name)
        found: ColumnElement[bool]
        if self.operator in _EXISTENCE:
            found = column.is_(None) if self.operator == "missing" else column.is_not(None)
            return found
        value = self._value(asker)
        if value is None:
            return type_coerce(null(), Boolean)
        if self.operator in _LISTS:
            return _IN_SQL[self.operator](column, [self._bound(column, one) for one in value])
        return _IN_SQL[self.operator](column, self._bound(column, value))

    def _bound(self, column: Any, value: Any) -> Any:
        """Return a value as the column holds it: databases convert what differs, Python does not."""
        kind = column.type.python_type
        if issubclass(kind, Enum) and value in kind.__members__:
            return kind[value]
        if not isinstance(value, _FITTING.get(kind, kind)) or (isinstance(value, bool) and kind is not bool):
            raise ConfigurationError(f"{self.name!r} holds {kind.__name__}, and is compared with {value!r}.")
        return value

    def _value(self, asker: Asker) -> Any:
        return self.value.of(asker.scope) if isinstance(self.value, FromScope) else self.value

    @property
    def data(self) -> Mapping[str, Any]:
        """
        The condition as data.

        Raises:
            ConfigurationError: the value is one that JSON does not have.
        """
        if self.operator in _EXISTENCE:
            return {"attribute": self.name, self.operator: True}
        if isinstance(self.value, FromScope):
            return {"attribute": self.name, self.operator: {"scope": self.value.name}}
        values = self.value if self.operator in _LISTS else (self.value,)
        if not all(isinstance(one, _PLAIN) for one in values):
            raise ConfigurationError(
                f"{self} cannot be kept as data: its values have to be texts, numbers, true or false."
            )
        return {
            "attribute": self.name,
            self.operator: list(values) if self.operator in _LISTS else self.value,
        }

    def __str__(self) -> str:
        if self.operator in _EXISTENCE:
            return f"{self.name} {_WORDS[self.operator]}"
        values = self.value if self.operator in _LISTS else (self.value,)
        said = ", ".join(str(one) if isinstance(one, FromScope) else repr(one) for one in values)
        return f"{self.name} {_WORDS[self.operator]} {said}"


def column_of(model: Any, name: str) -> Any:
    """
    Return a column attribute of a mapped class, or of an alias of one.

    Raises:
        ConfigurationError: it has none.
    """
    if name not in mapper_of(model).column_attrs:
        raise ConfigurationError(f"{mapper_of(model).class_.__name__} has no column attribute {name!r}.")
    return getattr(model, name)


def read_attribute(resource: Any, name: str) -> Any:
    """Return an attribute of an object or a mapping, None where it has none; an enum's member by its name."""
    if isinstance(resource, Resource):
        resource = resource.properties
    found = resource.get(name) if isinstance(resource, Mapping) else getattr(resource, name, None)
    return found.name if isinstance(found, Enum) else found


def _check_value(condition: Attribute) -> None:
    operator, value = condition.operator, condition.value
    if operator not in get_args(Operator):
        raise ConfigurationError(
            f"Attributes are not compared by {operator!r}, but by {', '.join(get_args(Operator))}."
        )
    if operator in _EXISTENCE:
        problem = None if value is None else "takes no value"
    elif operator in _LISTS:
        several = value if isinstance(value, list | tuple | set | frozenset) else ()
        problem = None if several and None not in several else "needs a list that is not empty"
    elif operator in _ORDERS:
        is_ordered = isinstance(value, int | float | Decimal | date) and not isinstance(value, bool)
        # each database has an order of its own for texts
        problem = None if is_ordered else "needs a number or a moment"
    else:
        is_single = value is not None and not isinstance(value, list | tuple | set | frozenset | Mapping)
        problem = None if is_single else "needs a value"
    if problem:
        raise ConfigurationError(f"The attribute {condition.name!r}: {operator!r} {problem}, not {value!r}.")


_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "is": lambda found, value: bool(found == value),
    "is_not": lambda found, value: bool(found != value),
    "in": lambda found, values: found in values,
    "not_in": lambda found, values: found not in values,
    "less": lambda found, value: bool(found < value),
    "at_most": lambda found, value: bool(found <= value),
    "more": lambda found, value: bool(found > value),
    "at_least": lambda found, value: bool(found >= value),
}
_IN_SQL: Final[Mapping[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "is": lambda column, value: column == value,
    "is_not": lambda column, value: column != value,
    "in": lambda column, values: column.in_(values),
    "not_in": lambda column, values: column.not_in(values),
    "less": lambda column, value: column < value,
    "at_most": lambda column, value: column <= value,
    "more": lambda column, value: column > value,
    "at_least": lambda column, value: column >= value,
}
