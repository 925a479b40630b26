"""Which resource a rule is about, in Python and in SQL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CHAR, Boolean, ColumnElement, and_, false, null, type_coerce
from sqlalchemy import inspect as look_at
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper

from tenantkit.exceptions import ConfigurationError
from tenantkit.sql.spelling import inner_type, python_kind, read_key

__all__ = ["Resource", "check_resource", "identity_clause", "identity_of", "mapper_of"]


# of a number or a UUID that has another one: who asks so may be about to read it as the same
_OTHER_SPELLING: Final = re.compile(
    r":\s*[+-]?0[0-9]|:\+|:\s|\s\Z|:-0\Z|:\{?[0-9a-fA-F-]*[A-F][0-9a-fA-F-]{20,}\}?\Z"
)
_NO_RESOURCES: Final = (str, bytes, int, float, UUID, list, tuple, set, frozenset, type)


@dataclass(frozen=True, slots=True)
class Resource:
    """
    What something is done to, where there is no mapped object at hand.

    Args:
        type: the name of its table.
        id: its key, as text.
        properties: what conditions read of it.

    .. versionadded:: 0.1
    """

    type: str
    id: str
    properties: Mapping[str, Any] = field(default_factory=dict, hash=False)


def identity_of(resource: Any) -> str | None:
    """
    Return a resource as rules name it, ``<table>:<key>``, or None where it has no such name.

    Args:
        resource: a mapped object, a :class:`Resource`, or the name itself. Commas join the columns of a key.
    """
    if isinstance(resource, str):
        return None if _OTHER_SPELLING.search(resource) else resource
    if isinstance(resource, Resource):
        return identity_of(f"{resource.type}:{resource.id}")
    try:
        state = look_at(resource)
    except NoInspectionAvailable:
        return None
    if not isinstance(state, InstanceState) or state.identity is None:
        return None
    if not _is_spelled(state.mapper):
        return None
    return f"{_table(state.mapper)}:{','.join(map(str, state.identity))}"


def check_resource(resource: object) -> None:
    """
    Refuse what is no resource, since nothing is known of it and it would pass for a refusal.

    Raises:
        ConfigurationError: it is a text without a table, a number, a list or a class.
    """
    if isinstance(resource, str) and ":" in resource:
        return
    if isinstance(resource, _NO_RESOURCES):
        raise ConfigurationError(
            f"{resource!r} is no resource: ask about a mapped object, a mapping, a Resource, or a name such as "
            "'documents:42'."
        )


def identity_clause(model: Any, identity: str) -> ColumnElement[bool]:
    """
    Return what is true of the row of a mapped class, or of an alias of one, that rules name so.

    Unknown, as the name of such a row is, where a key has more than one spelling.
    """
    mapper = mapper_of(model)
    if not _is_spelled(mapper):
        return type_coerce(null(), Boolean)
    table, _, key = identity.partition(":")
    columns = mapper.primary_key
    parts = [key] if len(columns) == 1 else key.split(",")
    keys = [read_key(column.type, part) for column, part in zip(columns, parts, strict=False)]
    if table != _table(mapper) or len(parts) != len(columns) or None in keys:
        return false()
    attributes = [getattr(model, mapper.get_property_by_column(column).key) for column in columns]
    return and_(*(attribute == value for attribute, value in zip(attributes, keys, strict=True)))


def _is_spelled(mapper: Mapper[Any]) -> bool:
    """Whether a key of a class has one spelling: of a number, a UUID, or, where it stands alone, a text."""
    kinds = [python_kind(column.type) for column in mapper.primary_key]
    is_text = kinds == [str] and not isinstance(
        inner_type(mapper.primary_key[0].type), CHAR
    )  # which is padded
    return all(kind in (int, UUID) for kind in kinds) or is_text


def mapper_of(model: Any) -> Mapper[Any]:
    """
    Return the mapper of a mapped class, or of an alias of one.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        found = look_at(model).mapper
    except (NoInspectionAvailable, AttributeError):
        found = None
    if not isinstance(found, Mapper):
        raise ConfigurationError(f"{model!r} is no mapped class, so it has no rows to be asked about.")
    return found


def _table(mapper: Mapper[Any]) -> str:
    """Return the name of the table by which all classes of a hierarchy are known."""
    return str(getattr(mapper.base_mapper.local_table, "name", mapper.class_.__name__))
