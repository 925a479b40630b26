"""The hooks into Django's compilers of INSERT, UPDATE and DELETE: what is written stays in the scope."""

from collections.abc import Iterator
from typing import Any

from django.db.models.constants import OnConflict
from django.db.models.expressions import Col

from tenantkit.adapters.django.db.links import EXACT, Guarded, Links, exact_key, plain_values
from tenantkit.adapters.django.db.nodes import RowFilter
from tenantkit.adapters.django.db.scoping import Scoping
from tenantkit.adapters.django.db.sights import Sight
from tenantkit.exceptions import ForeignTenant, StatementRefused
from tenantkit.isolation.entry import Entry, Stamp

__all__ = ["ScopedDelete", "ScopedInsert", "ScopedUpdate", "hidden_row_met"]


class ScopedDelete(Scoping):
    """DELETE."""

    def _as_sql(self, query: Any) -> tuple[str, Any]:
        sight, before = self.sight, query.where
        if sight is not None:
            entry = _writable(sight, query.get_meta().db_table)
            added = self.filter_of(sight, entry.table.name, query.base_table, for_write=True)
            query.where = self.limited(before, added)
        try:
            statement: tuple[str, Any] = super()._as_sql(query)  # type: ignore[misc]
        finally:
            query.where = before
        return statement

    def as_sql(self) -> tuple[str, Any]:
        """Return the statement."""
        return self.admitted(*super().as_sql())  # type: ignore[misc]

    def execute_sql(self, *args: Any, **options: Any) -> Any:
        """Run the statement; rows that were known to be in sight may be gone."""
        self.connection.tenancy.forget()
        return super().execute_sql(*args, **options)  # type: ignore[misc]


class ScopedUpdate(Scoping):
    """UPDATE."""

    _links: Links | None = None

    def pre_sql_setup(self) -> None:
        """Set up the statement, and limit it to rows of the scope; what it sets is looked at."""
        super().pre_sql_setup()  # type: ignore[misc]
        sight = self.sight
        if sight is None or not self.query.values:
            return
        entry = _writable(sight, self.query.get_meta().db_table)
        self.check_fields(field for field, _, _ in self.query.values)
        self._links = Links(self, sight, entry)
        self._check_stamps(sight, entry)
        for added in (
            self.filter_of(sight, entry.table.name, self.query.base_table, for_write=True),
            *self._filters_of_links(self._links),
        ):
            self.query.where = self.limited(self.query.where, added)

    def _check_stamps(self, sight: Sight, entry: Entry) -> None:
        stamps = {stamp.column.name: stamp for stamp in entry.stamps if stamp.is_strict}
        for index, (field, model, value) in enumerate(self.query.values):
            stamp = stamps.get(field.column)
            if stamp is None or (isinstance(value, Col) and value.target.column == field.column):
                continue
            if hasattr(value, "resolve_expression"):
                raise StatementRefused(
                    f"{stamp.column} is set to an expression, and what rule {stamp.rule.name!r} stamps never changes. "
                    "Leave it out."
                )
            own = self.connection.tenancy.value(sight, stamp.bind.key)
            if value is not None:  # it is of an object that was never loaded
                _compare(field, value, stamp, own)
            self.query.values[index] = (field, model, own)  # what is given may only say that it is equal

    def _filters_of_links(self, links: Links) -> Iterator[RowFilter]:
        for index, (field, model, value) in enumerate(self.query.values):
            link = links.by_column.get(field.column)
            if link is None or value is None:
                continue
            values = _key_values(field, value)
            if values is None:
                self.query.values[index] = (field, model, Guarded(value, link, links))
            elif len(values) == 1:
                if not hasattr(value, "resolve_expression"):  # what is looked at is what is written
                    values = [exact_key(field.target_field, values[0])]
                    self.query.values[index] = (field, model, values[0])
                yield links.in_sight(field, values[0])
            else:
                links.look_up(field, values)

    def as_sql(self) -> tuple[str, Any]:
        """Return the statement."""
        sql, params = super().as_sql()  # type: ignore[misc]
        return self.admitted(sql, params) if sql else (sql, params)

    def execute_sql(self, result_type: Any) -> Any:
        """Run the statement; where it changed nothing, say so if a foreign key is why."""
        changed = super().execute_sql(result_type)  # type: ignore[misc]
        if not changed and self._links is not None:
            for field, _, value in self.query.values:
                if field.column in self._links.by_column and (values := _key_values(field, value)):
                    self._links.look_up(field, values)
        return changed


class ScopedInsert(Scoping):
    """INSERT."""

    returning_fields: Any
    _entry: Entry | None = None
    _is_checked = False

    def pre_save_val(self, field: Any, obj: Any) -> Any:
        """Return the value of a field of a new row: what rules stamp comes from the scope."""
        value = super().pre_save_val(field, obj)  # type: ignore[misc]
        stamp = self._stamps.get(field.column)
        if stamp is None:
            return value
        if hasattr(value, "resolve_expression"):
            raise StatementRefused(
                f"{stamp.column} is given an expression, which cannot be compared before the row exists. Leave it out: "
                "it is stamped."
            )
        sight = self.sight
        own = self.connection.tenancy.value(sight, stamp.bind.key)
        if value is None:
            setattr(obj, field.attname, own)
            return own
        if stamp.is_strict:
            _compare(field, value, stamp, own)
            return own  # what is given may only say that it is equal
        return value

    @property
    def _stamps(self) -> dict[str, Stamp]:
        return {} if self._entry is None else {stamp.column.name: stamp for stamp in self._entry.stamps}

    def as_sql(self) -> list[tuple[str, Any]]:
        """Return the statements; without :meth:`execute_sql`, which looks up their keys, no cursor takes them."""
        sight = self.sight
        if sight is None:
            return [self.admitted(*one) for one in super().as_sql()]  # type: ignore[misc]
        self._entry = entry = _writable(sight, self.query.get_meta().db_table)
        self.check_fields(self.query.fields)
        given = {field.column for field in self.query.fields}
        if missing := sorted(self._stamps.keys() - given):
            raise StatementRefused(
                f"An INSERT into {entry.table.name!r} leaves out {', '.join(missing)}, which is stamped. Give the "
                "model that field."
            )
        statements: list[tuple[str, Any]] = super().as_sql()  # type: ignore[misc]
        if self.query.on_conflict == OnConflict.UPDATE:
            statements = [(self._limited_upsert(sql, entry), params) for sql, params in statements]
        return [self.admitted(*one) for one in statements] if self._is_checked else statements

    def _limited_upsert(self, sql: str, entry: Entry) -> str:
        """Return an upsert whose DO UPDATE reaches own rows only."""
        condition = self._condition_of_upsert(entry)
        if condition is None:
            return sql
        suffix = self.connection.ops.on_conflict_suffix_sql(
            self.query.fields,
            self.query.on_conflict,
            (field.column for field in self.query.update_fields),
            (field.column for field in self.query.unique_fields),
        )
        before, found, after = sql.rpartition(suffix)
        if not found:
            raise StatementRefused("This upsert is not spelled as expected, and cannot be scoped.")
        return f"{before}{found} WHERE {condition}{after}"

    def _condition_of_upsert(self, entry: Entry) -> str | None:
        if entry.mode == "shadow":
            return None
        quote = self.connection.ops.quote_name
        table, stamped = quote(entry.table.name), {stamp.column for stamp in entry.stamps}
        unique = {field.column for field in self.query.unique_fields}
        parts = []
        for one in entry.conditions:
            column = quote(one.column.name)
            if one.column in stamped:
                parts.append(f"{table}.{column} = EXCLUDED.{column}")
            elif one.bind is None:
                parts.append(f"{table}.{column} IS NULL")
            else:
                raise StatementRefused(
                    f"An upsert of {entry.table.name!r} could change rows that rule {one.rule.name!r} hides. Use "
                    "update_or_create()."
                )
        for link in entry.parents:
            if not unique.issuperset(column.name for column in link.columns):
                raise StatementRefused(
                    f"An upsert of {entry.table.name!r}, whose rows belong to their parents', could change another "
                    "tenant's. Let unique_fields contain the foreign key, or use update_or_create()."
                )
        return " AND ".join(parts) or None

    def execute_sql(self, returning_fields: Any = None) -> list[Any]:
        """Look up the rows that foreign keys point to, and run the statement."""
        sight = self.sight
        if sight is None:
            return super().execute_sql(returning_fields)  # type: ignore[misc,no-any-return]
        meta = self.query.get_meta()
        entry = _writable(sight, meta.db_table)
        self._look_up(Links(self, sight, entry))
        self._is_checked = True
        is_upsert = (
            self.query.on_conflict == OnConflict.UPDATE and self._condition_of_upsert(entry) is not None
        )
        asked = returning_fields or (list(meta.pk_fields) if is_upsert else returning_fields)
        rows: list[Any] = super().execute_sql(asked)  # type: ignore[misc]
        if is_upsert and len(rows) < len(self.query.objs):
            raise hidden_row_met()
        if self.query.on_conflict is None:
            self._remember(meta, asked, rows)
        return rows if returning_fields else []

    def _look_up(self, links: Links) -> None:
        for field in self.query.fields:
            if field.column not in links.by_column:
                continue
            values: list[object] = []
            for obj in self.query.objs:
                value = getattr(obj, field.attname)
                if value is not None and not hasattr(value, "resolve_expression"):
                    value = exact_key(field.target_field, value)
                    setattr(obj, field.attname, value)  # what is looked up is what is written
                given = _key_values(field, value)
                if given is None:
                    raise StatementRefused(
                        f"{links.by_column[field.column].columns[0]} is given an expression, which cannot be looked up "
                        "before the row exists. Give it a value."
                    )
                values += given
            links.look_up(field, values)

    def _remember(self, meta: Any, returning: Any, rows: list[Any]) -> None:
        """Note the keys of rows just inserted, so that their children need no look-up."""
        if len(meta.pk_fields) > 1:  # no foreign key of Django's points to such a row
            return
        known = self.connection.tenancy.known(meta.db_table, meta.pk.column)
        given = [obj.pk for obj in self.query.objs]
        if returning and meta.pk in returning:
            place = list(returning).index(meta.pk)
            given += [row[place] for row in rows]
        known.update(key for key in given if type(key) in EXACT)


def _writable(sight: Sight, table: str) -> Entry:
    entry = sight.entry(table)
    if not sight.is_writable(entry):
        raise StatementRefused(
            f"Rows of {table!r} are not written in a scope: all tenants read them, or the kit writes them itself. "
            "Write them in unscoped(), or declare the model shared(writable=True)."
        )
    return entry


def hidden_row_met() -> ForeignTenant:
    """Return the refusal of an upsert that ran into a row out of sight."""
    return ForeignTenant(
        "An upsert met a row that is not in sight of this scope: another tenant's, or a deleted one. It was not "
        "changed. Let the tenant be part of the unique constraint."
    )


def _key_values(field: Any, value: Any) -> list[object] | None:
    """Return the plain values that a foreign key is given, or None where only the database knows."""
    if value is None:
        return []
    if hasattr(value, "resolve_expression"):
        found = plain_values(value)
        return None if found is None else [one for one in found if one is not None]
    if hasattr(value, "prepare_database_save"):
        return [value.prepare_database_save(field)]
    return [value]


def _compare(field: Any, value: Any, stamp: Stamp, own: object) -> None:
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    target = field.target_field if field.remote_field is not None else field
    if target.to_python(value) != own:
        raise ForeignTenant(
            f"{stamp.column} was given {value!r}, which is not the value of rule {stamp.rule.name!r} in this scope. "
            "Leave the field out: it is stamped, and never changes."
        )
