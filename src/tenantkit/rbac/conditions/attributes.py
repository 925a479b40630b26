"""Conditions on one attribute of a resource, in Python and in SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import CHAR, Boolean, ColumnElement, TypeDecorator, Uuid, null, type_coerce
from sqlalchemy import Enum as SqlEnum
from sqlalchemy import inspect as look_at
from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty
from sqlalchemy.types import TypeEngine

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions.promise import Asker, Condition
from tenantkit.rbac.names import meant
from tenantkit.rbac.resources import Resource, mapper_of
from tenantkit.sql.spelling import inner_type, python_kind, read_key

__all__ = [
    "Attribute",
    "FromScope",
    "Operator",
    "check_comparable",
    "column_of",
    "mapper_of_object",
    "read_attribute",
    "relationship_of",
    "says",
]

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
_UNREAD: Final = ("noload", "write_only", "dynamic")
_NUMBER: Final = (int, float, Decimal)
_KINDS: Final[tuple[Any, ...]] = (bool, _NUMBER, str, datetime, date, UUID)
_COMPARABLE: Final = (bool, int, Decimal, str, date, UUID, Enum)
_LARGEST: Final = 2**63  # what databases take for a number


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
        value: the value, a sequence of them, or one that the scope knows; numbers have up to 64 bits, and moments a
            time zone where the column's have one.

    Raises:
        ConfigurationError: there is no such operator, or the value does not go with it.

    .. versionadded:: 0.1
    """

    name: str
    operator: Operator = "is"
    value: Any = None
    # 1, 1.0 and True are equal in Python, and compare with different resources
    _kinds: tuple[type, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_value(self)
        if self.operator in _LISTS:
            object.__setattr__(self, "value", tuple(self.value))
        values = self.value if self.operator in _LISTS else (self.value,)
        object.__setattr__(self, "_kinds", tuple(map(type, values)))

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether it compares so; None where the attribute or the value is missing, or of another kind."""
        found = read_attribute(resource, self.name)
        if self.operator in _EXISTENCE:
            return (found is None) == (self.operator == "missing") if says(resource, self.name) else None
        mapper = mapper_of_object(resource)
        column = None if mapper is None else mapper.column_attrs[self.name].columns[0]
        values = [one if column is None else self._bound(column, one) for one in self._values(asker)]
        if column is not None and isinstance(found, datetime) and _has_zone(column.type):
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        if found is None or not values or None in values:
            return None
        if not all(_is_alike(found, one) for one in values):
            return None
        return _COMPARED[self.operator](_comparable(found), [_comparable(one) for one in values])

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        column = column_of(model, self.name)
        found: ColumnElement[bool]
        if self.operator in _EXISTENCE:
            found = column.is_(None) if self.operator == "missing" else column.is_not(None)
            return found
        values = [self._bound(column, one) for one in self._values(asker)]
        if not values or None in values:
            return type_coerce(null(), Boolean)
        return _IN_SQL[self.operator](column, values)

    def _values(self, asker: Asker) -> Sequence[Any]:
        if isinstance(self.value, FromScope):
            return [self.value.of(asker.scope)]
        return self.value if self.operator in _LISTS else [self.value]

    def _bound(self, column: Any, value: Any) -> Any:
        """
        Return a value as the column holds it, since databases convert what differs, and Python does not.

        What a scope knows is read as a text of a request is; None where it cannot be in the column.

        Raises:
            ConfigurationError: the value is of another kind than the column, or databases and Python compare values of
                the column differently.
        """
        check_comparable(self.name, column.type)
        kind = python_kind(column.type)
        if value is None:
            return None
        if isinstance(value, Enum) and not issubclass(kind, Enum):
            value = value.value
        if isinstance(self.value, FromScope) and not isinstance(value, kind):
            read = read_key(column.type, str(value))
            return None if isinstance(read, datetime) else read  # whose zone nobody says
        made = _made(kind, value)
        if made is None or (
            isinstance(column.type, SqlEnum) and kind is str and made not in column.type.enums
        ):
            raise ConfigurationError(f"{self.name!r} holds {kind.__name__}, and is compared with {value!r}.")
        return _in_zone(self.name, column.type, made) if isinstance(made, datetime) else made

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


def check_comparable(name: str, column: TypeEngine[Any]) -> None:
    """
    Refuse a column whose values databases compare otherwise than Python does.

    Raises:
        ConfigurationError: it holds padded texts, texts with a collation of their own, floating point numbers, values
            that are no numbers, texts, moments, dates, UUIDs or enums, or of which SQLAlchemy does not say what they
            are in Python.
    """
    inner, kind = inner_type(column), python_kind(column)
    is_own_text = kind is str and (isinstance(inner, CHAR) or getattr(inner, "collation", None) is not None)
    if is_own_text or not issubclass(kind, _COMPARABLE):
        raise ConfigurationError(
            f"{name!r} holds {column}, which databases and Python compare differently. Use String, Numeric or DateTime."
        )


def column_of(model: Any, name: str) -> Any:
    """
    Return a column attribute of a mapped class, or of an alias of one.

    Raises:
        ConfigurationError: it has none.
    """
    mapper = mapper_of(model)
    if name not in mapper.column_attrs:
        raise _no_attribute(mapper, name, "column_attrs")
    return getattr(model, name)


def relationship_of(model: Any, name: str) -> RelationshipProperty[Any]:
    """
    Return a relationship of a mapped class, or of an alias of one.

    Raises:
        ConfigurationError: it has none.
    """
    mapper = mapper_of(model)
    if name not in mapper.relationships:
        raise _no_attribute(mapper, name, "relationships")
    found: RelationshipProperty[Any] = mapper.relationships[name]
    if found.lazy in _UNREAD:
        raise ConfigurationError(
            f"The relationship {name!r} of {mapper.class_.__name__} is not read: it is {found.lazy!r}."
        )
    return found


def read_attribute(
    resource: Any, name: str, *, of: Literal["column_attrs", "relationships"] = "column_attrs"
) -> Any:
    """
    Return an attribute of a resource; None where it is not there, or not said.

    Args:
        resource: a mapped object, a mapping, a :class:`Resource`, or any other object.
        name: the attribute.
        of: which attributes of a mapped class are meant.

    Raises:
        ConfigurationError: its mapped class has no such attribute: as for the rows of the class, that is a mistake.
    """
    if isinstance(resource, str):
        return None  # a name says nothing of what it names
    if isinstance(resource, Resource):
        resource = resource.properties
    if isinstance(resource, Mapping):
        return resource.get(name)
    mapper = mapper_of_object(resource)
    if mapper is not None and name not in getattr(mapper, of):
        raise _no_attribute(mapper, name, of)
    found = getattr(resource, name, None)
    return None if callable(found) else found


def mapper_of_object(resource: Any) -> Mapper[Any] | None:
    """Return the mapper of a mapped object, or None of anything else."""
    state = look_at(resource, raiseerr=False)
    return state.mapper if isinstance(state, InstanceState) else None


def says(resource: Any, name: str) -> bool:
    """Whether a resource says anything of an attribute; an object does, also that it has none."""
    if isinstance(resource, str):
        return False
    if isinstance(resource, Resource):
        resource = resource.properties
    return name in resource if isinstance(resource, Mapping) else True


def _no_attribute(mapper: Mapper[Any], name: str, of: str) -> ConfigurationError:
    known = getattr(mapper, of).keys()
    kind = "column attribute" if of == "column_attrs" else "relationship"
    return ConfigurationError(f"{mapper.class_.__name__} has no {kind} {name!r}.{meant(name, known)}")


def _check_value(condition: Attribute) -> None:
    operator, value = condition.operator, condition.value
    problem: str | None
    if operator not in get_args(Operator):
        raise ConfigurationError(
            f"Attributes are not compared by {operator!r}, but by {', '.join(get_args(Operator))}."
        )
    if not all(map(_is_in_range, value if isinstance(value, list | tuple | set | frozenset) else [value])):
        problem = "needs numbers of up to 64 bits, and moments that there are in UTC"
    elif operator in _EXISTENCE:
        problem = None if value is None else "takes no value"
    elif operator in _LISTS:
        several = value if isinstance(value, list | tuple | set | frozenset) else ()
        is_flat = several and not any(
            isinstance(one, list | tuple | set | frozenset | Mapping) for one in several
        )
        problem = None if is_flat and None not in several else "needs a list of values that is not empty"
    elif operator in _ORDERS:
        is_ordered = isinstance(value, int | float | Decimal | date) and not isinstance(value, bool)
        # each database has an order of its own for texts
        problem = None if is_ordered else "needs a number or a moment"
    else:
        is_single = value is not None and not isinstance(value, list | tuple | set | frozenset | Mapping)
        problem = None if is_single else "needs a value"
    if problem:
        raise ConfigurationError(f"The attribute {condition.name!r}: {operator!r} {problem}, not {value!r}.")


_COMPARED: Final[Mapping[str, Callable[[Any, list[Any]], bool]]] = {
    "is": lambda found, values: bool(found == values[0]),
    "is_not": lambda found, values: bool(found != values[0]),
    "in": lambda found, values: found in values,
    "not_in": lambda found, values: found not in values,
    "less": lambda found, values: bool(found < values[0]),
    "at_most": lambda found, values: bool(found <= values[0]),
    "more": lambda found, values: bool(found > values[0]),
    "at_least": lambda found, values: bool(found >= values[0]),
}
_IN_SQL: Final[Mapping[str, Callable[[Any, list[Any]], ColumnElement[bool]]]] = {
    "is": lambda column, values: column == values[0],
    "is_not": lambda column, values: column != values[0],
    "in": lambda column, values: column.in_(values),
    "not_in": lambda column, values: column.not_in(values),
    "less": lambda column, values: column < values[0],
    "at_most": lambda column, values: column <= values[0],
    "more": lambda column, values: column > values[0],
    "at_least": lambda column, values: column >= values[0],
}


def _made(kind: type, value: Any) -> Any:
    """Return a value as an instance of a column's kind, or None where it is none."""
    if issubclass(kind, Enum):
        name = value.name if isinstance(value, kind) else value
        return kind.__members__.get(name) if isinstance(name, str) else None
    if kind is Decimal and isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if kind is UUID and isinstance(value, str):
        return read_key(Uuid(), value)
    is_other = isinstance(value, bool) is not (kind is bool) or (
        isinstance(value, datetime) is not (kind is datetime)
    )
    return value if isinstance(value, kind) and not is_other else None


def _is_in_range(value: Any) -> bool:
    """Whether a database takes a value, if it is a number or a moment."""
    if isinstance(value, float | Decimal) and not isfinite(value):
        return False
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            value.astimezone(UTC)
        except OverflowError:
            return False
    return not isinstance(value, int | float | Decimal) or -_LARGEST <= value < _LARGEST


def _has_zone(column: TypeEngine[Any]) -> bool:
    """Whether moments of a column are the same everywhere; some databases hold them without the zone, in UTC."""
    return bool(getattr(inner_type(column), "timezone", False))


def _in_zone(name: str, column: TypeEngine[Any], moment: datetime) -> datetime:
    """
    Return a moment as a column holds it.

    Raises:
        ConfigurationError: the column's moments have a zone and this one has none, or the other way round.
    """
    if _has_zone(column) == (moment.tzinfo is not None):
        return moment.astimezone(UTC) if moment.tzinfo else moment
    if isinstance(column, TypeDecorator) and moment.tzinfo is not None:
        return moment  # which it may well take off itself
    told = "has a time zone" if moment.tzinfo else "has none"
    raise ConfigurationError(
        f"{name!r} holds {column}, and is compared with {moment}, which {told}. A column of DateTime(timezone=True) is "
        "compared with what has one, and any other with what has none."
    )


def _comparable(value: Any) -> Any:
    """Return an enum's member as the value it is (``StrEnum``), else as its name; a float as it is written."""
    if isinstance(value, Enum):
        return value.value if isinstance(value, str | int) else value.name
    return Decimal(str(value)) if isinstance(value, float) else value


def _is_alike(found: Any, value: Any) -> bool:
    """Whether two values of no known column can be compared: of one kind, and moments both with a zone or without."""
    found, value = _comparable(found), _comparable(value)
    kinds = [next((kind for kind in _KINDS if isinstance(one, kind)), None) for one in (found, value)]
    if kinds[0] is None or kinds[0] is not kinds[1]:
        return False
    if kinds[0] is datetime:
        return (found.tzinfo is None) == (value.tzinfo is None)
    return not (kinds[0] is _NUMBER and (found != found or value != value))  # noqa: PLR0124 - NaN is no number
