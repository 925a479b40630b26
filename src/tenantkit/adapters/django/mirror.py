"""
The models of a Django project as SQLAlchemy tables, with what each says of whose rows it holds.

So there is one registry of tables, one set of rules and one way to make policies, whichever ORM a host uses.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import models
from django.db.migrations.recorder import MigrationRecorder
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Uuid,
)
from sqlalchemy.types import NullType, TypeEngine

from tenantkit.exceptions import ConfigurationError
from tenantkit.sql.declarations import (
    ScopedBy,
    ScopedThrough,
    Shared,
    declaration_of,
    scoped_through,
    shared,
)

__all__ = ["ATTRIBUTE", "mirrored", "undeclared"]

ATTRIBUTE: Final = "tenancy"
Info = Mapping[str, Any]


def mirrored(
    classes: Iterable[type[models.Model]], declared: Mapping[str, Info], known: MetaData
) -> MetaData:
    """
    Return the tables of models: names, types as far as rules compare them, keys, and declarations.

    A model is declared by its attribute ``tenancy``, by its label or its app's label in ``declared``, or by what it
    is: a child of a model with a table of its own belongs to its parent's row, and an automatic table of a
    many-to-many field to the rows at both of its ends. Others stay undeclared, which every statement refuses.

    Args:
        classes: the models; proxies count as what they stand for.
        declared: declarations by label: ``"auth"``, ``"taggit.Tag"``.
        known: tables that are declared elsewhere, and left out.

    Raises:
        ConfigurationError: a label names no model, or two models of one table say different things.
    """
    metadata, classes = MetaData(), (MigrationRecorder.Migration, *classes)
    by_table: dict[str, type[models.Model]] = {}
    for model in classes:
        meta = model._meta
        if meta.proxy or meta.swapped or meta.db_table in known.tables:
            continue
        first = by_table.setdefault(meta.db_table, model)
        if first is not model and _said(first, declared) != _said(model, declared):
            raise ConfigurationError(
                f"{first._meta.label} and {meta.label} have one table, {meta.db_table!r}, and say different things of "
                "whose rows it holds."
            )
        if first is not model and (further := _columns_of(model) - _columns_of(first)):
            raise ConfigurationError(
                f"{meta.label} says of the table {meta.db_table!r} what {first._meta.label} does not: "
                f"{', '.join(sorted(further))}. Let both have the same columns and foreign keys."
            )
    _refuse_unknown_labels(declared, by_table.values())
    tables = {model: _table(model, metadata) for model in by_table.values()}
    ends = {
        model: known.tables[name] if name in known.tables else metadata.tables[name]
        for model in classes
        if (name := model._meta.db_table) in known.tables or name in metadata.tables
    }
    for model, table in tables.items():
        _add_keys(model, table, ends)
        table.info.update(_renamed(model, _said(model, declared)))
    for model, table in tables.items():
        table.info.update(_implied(model, table, ends, frozenset()))
    return metadata


def undeclared(
    classes: Iterable[type[models.Model]], declared: Mapping[str, Info], known: MetaData
) -> list[type[models.Model]]:
    """Return the models of which nothing is said, so that every statement refuses them."""
    classes = tuple(classes)
    tables = mirrored(classes, declared, known).tables
    return [
        model
        for model in classes
        if model._meta.db_table in tables
        and not model._meta.proxy
        and declaration_of(tables[model._meta.db_table]) is None
    ]


def _said(model: type[models.Model], declared: Mapping[str, Info]) -> Info:
    """Return what a model, or the settings for it, say of its own table."""
    if model is MigrationRecorder.Migration:
        return shared(writable=True)
    meta = model._meta
    labels = {label.lower(): info for label, info in declared.items()}
    if meta.label_lower in labels:
        return labels[meta.label_lower]
    of_parents = {
        ancestor for parent in meta.parents for ancestor in parent.__mro__
    }  # of tables of their own
    said: dict[str, Any] = {}
    for ancestor in reversed(model.__mro__):  # what several mixins say is said together
        if ancestor not in of_parents:
            said |= vars(ancestor).get(ATTRIBUTE, {})
    return said or labels.get(meta.app_label, {})


def _implied(
    model: type[models.Model],
    table: Table,
    tables: Mapping[type[models.Model], Table],
    below: frozenset[type[models.Model]],
) -> Info:
    """Return what follows for a model that says nothing: from its parents, or from the ends of its field."""
    if declaration_of(table) is not None or model in below:
        return {}
    meta = model._meta
    if meta.auto_created:
        fields = [field for field in meta.local_fields if field.remote_field]
    else:
        fields = [
            field for field in meta.parents.values() if field is not None and field in meta.local_fields
        ]
    if not fields:
        return {}
    ends: list[tuple[str, Any]] = []
    for field in fields:
        end = field.remote_field.model._meta.concrete_model
        if declaration_of(tables[end]) is None:
            tables[end].info.update(_implied(end, tables[end], tables, below | {model}))
        ends.append((field.column, declaration_of(tables[end])))
    if any(said is None for _, said in ends):
        return {}
    through = [column for column, said in ends if isinstance(said, ScopedBy | ScopedThrough)]
    if through:
        return scoped_through(*through)
    return shared(writable=any(isinstance(said, Shared) and said.writable for _, said in ends))


def _renamed(model: type[models.Model], info: Info) -> dict[str, Any]:
    """Return a declaration with the columns of the fields that it names."""
    columns = {field.name: field.column for field in model._meta.local_fields}

    def renamed(said: Mapping[str, Any]) -> dict[str, Any]:
        one, several = said.get("column"), said.get("columns")
        return {
            **said,
            **({"column": columns.get(one, one)} if one is not None else {}),
            **(
                {"columns": tuple(columns.get(name, name) for name in several)} if several is not None else {}
            ),
        }

    return {
        key: renamed(said) if isinstance(said, Mapping) else columns.get(said, said)
        for key, said in info.items()
    }


def _table(model: type[models.Model], metadata: MetaData) -> Table:
    meta = model._meta
    keys = {field.column for field in getattr(meta, "pk_fields", [meta.pk])}
    columns = [
        Column(field.column, _type(field), primary_key=field.column in keys, nullable=field.null)
        for field in meta.local_concrete_fields
        if field.column is not None
    ]
    return Table(meta.db_table, metadata, *columns)


_TYPES: Final[tuple[tuple[Any, type[TypeEngine[Any]]], ...]] = (
    (models.UUIDField, Uuid),
    (models.SmallIntegerField, SmallInteger),
    (models.BigIntegerField, BigInteger),
    (models.IntegerField, Integer),
)


def _type(field: Any) -> TypeEngine[Any]:
    """Return the type of a field's column, as far as a rule or a key may compare it."""
    if field.remote_field is not None and hasattr(field, "target_field"):
        return _type(field.target_field)
    for kind, type_ in _TYPES:
        if isinstance(field, kind):
            return type_()
    if isinstance(field, models.CharField | models.TextField):
        return String(collation=getattr(field, "db_collation", None))
    return NullType()


def _columns_of(model: type[models.Model]) -> set[str]:
    """Return the columns of a model's own table, each with what it points to."""
    return {
        f"{field.column} -> {field.remote_field.model._meta.db_table}"
        if field.remote_field
        else str(field.column)
        for field in model._meta.local_concrete_fields
    }


def _add_keys(model: type[models.Model], table: Table, tables: Mapping[type[models.Model], Table]) -> None:
    for field in model._meta.local_fields:
        if not isinstance(field, models.ForeignKey):
            continue
        parent = tables.get(field.remote_field.model._meta.concrete_model)
        if parent is not None:
            target = parent.columns[field.target_field.column]
            table.append_constraint(ForeignKeyConstraint([field.column], [target]))


def _refuse_unknown_labels(declared: Mapping[str, Info], classes: Iterable[type[models.Model]]) -> None:
    known = {label for model in classes for label in (model._meta.label_lower, model._meta.app_label)}
    if unknown := sorted(label for label in declared if label.lower() not in known):
        raise ConfigurationError(
            f"TENANTKIT['MODELS'] names {', '.join(unknown)}, which is no installed app and no model of one. Write "
            "'app_label' or 'app_label.Model'."
        )
