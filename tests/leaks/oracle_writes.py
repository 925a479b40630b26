"""A strategy for statements that write; links lead to own rows or nowhere, since others are refused elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Insert, bindparam, delete, exists, func, insert, literal, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tests.leaks.oracle import INTEGERS, WORDS, Composer, Named, Source
from tests.leaks.oracle_tables import (
    DOMAINS,
    ENTITIES,
    NEW,
    Carrier,
    crew,
    delays,
    flight_crew,
    flights,
    planes,
)

WRITABLE = {
    "flights": {"number": "int", "delay": "int", "remark": "text"},
    "planes": {"seats": "int", "tail": "text"},
    "crew": {"grade": "int", "name": "text"},
    "delays": {"minutes": "int", "cause": "text"},
    "flight_crew": {"seat": "int"},
}
LINKS = {"flights": ("plane_id", planes), "crew": ("chief_id", crew), "delays": ("flight_id", flights)}
TARGETS = (flights, planes, crew, delays, flight_crew)


class Writer(Composer):
    """Draws statements that write."""

    own: Carrier

    def target(self, table: Any) -> tuple[Any, Source]:
        """What is written, a table or an entity, and its columns."""
        kinds = {column.name: "int" for column in table.columns if column.name != "carrier_id"}
        kinds |= WRITABLE[table.name]
        into = ENTITIES[table.name] if self.with_entities else table
        spelled = (getattr(into, name) if self.with_entities else table.c[name] for name in kinds)
        columns = tuple(
            Named(expression, kind, DOMAINS.get(f"{table.name}.{name}", ""))
            for (name, kind), expression in zip(kinds.items(), spelled, strict=True)
        )
        return into, Source(into, columns, (into,))

    def window(self, source: Source) -> Any:
        """
        As for selects, but not on MariaDB.

        Version 10.11 leaves the first row unchanged that it looks at, where the criterion of an UPDATE looks for a key
        among the values of a window function: also in plain SQL, on tables that know nothing of tenants.
        """
        if self.dialect == "mariadb":
            return self.one(source.of("int")).expression
        return super().window(source)

    def literal_of(self, kind: str) -> Any:
        """A value of a kind, or NULL."""
        return self.draw(st.none() | (INTEGERS if kind == "int" else WORDS))

    def condition(self, source: Source) -> Any:
        """A criterion on the target."""
        return self.predicate(source.columns, self.one([0, 1, 1]), source.elements)

    def returned(self, statement: Any, source: Source) -> Any:
        """Let a statement return some columns, or not."""
        if not self.often(3) or (self.dialect == "mariadb" and not isinstance(statement, Insert)):
            return statement
        return statement.returning(*(column.expression for column in source.columns))

    def update(self) -> Any:
        """UPDATE with values, expressions, subqueries, a second table or a link."""
        table = self.one(TARGETS)
        into, source = self.target(table)
        name, kind = self.one(list(WRITABLE[table.name].items()))
        statement = update(into).values({name: self.new_value(table, source, kind)})
        if table.name in LINKS and self.often(4):
            statement = update(into).values({LINKS[table.name][0]: self.own_link(table)})
        elif table.name in LINKS and self.often(4):
            return self.update_from(table, into, source)
        if self.often(2):
            statement = statement.where(self.condition(source))
        return self.returned(statement, source)

    def new_value(self, table: Any, source: Source, kind: str) -> Any:
        """
        What a column is set to; on SQLite nothing that is counted among the rows that are written.

        It changes one row after another, so that what such a subquery sees of those before depends on their order: also
        in plain SQL, on tables that know nothing of tenants.
        """
        if kind == "int" and self.often(4):
            counted = self.scalar(source.columns, 1, source.elements)
            if self.dialect != "sqlite" or not re.search(rf"\b{table.name} AS ", str(counted)):
                return counted
        return self.one([self.literal_of(kind), self.expression(source, kind, 0)])

    def own_link(self, table: Any) -> Any:
        """A key of an own row, by value or by a subquery."""
        _, parent = LINKS[table.name]
        ids = self.own.ids((self.own.size + 1) // 2)
        found = select(func.max(parent.c.id)).scalar_subquery()
        if table is delays:  # its link may not be NULL
            return self.one([*ids, table.c.flight_id])
        return self.one([None, *ids, found])

    def update_from(self, table: Any, into: Any, source: Source) -> Any:
        """UPDATE that reads the one parent of each row."""
        link, parent = LINKS[table.name]
        other = self.table(parent)
        key = next(column for column in source.columns if getattr(column.expression, "key", "") == link)
        name, kind = next(iter(WRITABLE[table.name].items()))
        value = self.expression(other, kind, 0)
        statement = update(into).values({name: value}).where(key.expression == other.columns[0].expression)
        return statement.where(self.predicate(other.columns, 0)) if self.often(2) else statement

    def delete(self) -> Any:
        """DELETE with a criterion, or with a second table."""
        table = self.one(TARGETS)
        into, source = self.target(table)
        statement = delete(into)
        if self.dialect == "postgresql" and table.name in LINKS and self.often(3):
            other = self.table(LINKS[table.name][1])
            statement = statement.where(self.link(source, other), self.predicate(other.columns, 0))
        elif self.often(2):
            statement = statement.where(self.condition(source))
        return self.returned(statement, source)

    def new_rows(self, table: Any) -> list[dict[str, Any]]:
        """Rows that are not there yet."""
        count = self.draw(st.integers(1, 3))
        rows = [
            {name: self.literal_of(kind) for name, kind in WRITABLE[table.name].items()} for _ in range(count)
        ]
        for number, row in enumerate(rows):
            row["id"] = NEW + self.own.place * 1_000 + 900 + number
            if table.name in LINKS:
                ids = self.own.ids((self.own.size + 1) // 2)
                row[LINKS[table.name][0]] = self.one(ids if table is delays else [None, *ids])
        return rows

    def insert(self) -> Any:
        """INSERT of one row, or of several in one statement."""
        table = self.one([flights, planes, crew, delays] if self.own.size else [flights, planes, crew])
        into, source = self.target(table)
        rows = self.new_rows(table)
        return self.returned(insert(into).values(self.one([rows, rows[0]])), source)

    def insert_from_select(self) -> Any:
        """INSERT .. SELECT of rows made of other rows."""
        table = self.one([crew, planes, delays])
        into, _ = self.target(table)
        origin = self.table(self.one([flights, planes, crew]))
        names = WRITABLE[table.name]
        values = [self.expression(origin, kind, 1) for kind in names.values()]
        source = select(origin.columns[0].expression + NEW, *values).select_from(origin.element)
        columns = ["id", *names]
        if table is delays:
            own_flight = select(func.min(flights.c.id)).scalar_subquery()
            source, columns = source.add_columns(own_flight), [*columns, "flight_id"]
            source = source.where(exists(select(flights.c.id)))
        if self.often(2):
            source = source.where(self.predicate(origin.columns, 1, origin.elements))
        return insert(into).from_select(columns, source)

    def insert_links(self) -> Any:
        """INSERT .. SELECT into the association table of pairs that are not there yet."""
        into, _ = self.target(flight_crew)
        flight, member = self.table(flights), self.table(crew)
        pair = self.join(flight, member) if self.often(3) else None
        element = pair.element if pair else flights.join(crew, literal(True))
        left = flight.columns[0].expression if pair else flights.c.id
        right = member.columns[0].expression if pair else crew.c.id
        there = flight_crew.alias()
        missing = ~exists(select(literal(1)).where(there.c.flight_id == left, there.c.crew_id == right))
        source = select(left, right, literal(5)).select_from(element).where(missing, left.is_not(None))
        return insert(into).from_select(
            ["flight_id", "crew_id", "seat"], source.where(right.is_not(None)).distinct()
        )

    def upsert(self) -> Any:
        """INSERT .. ON CONFLICT over rows of which some are there already."""
        table = self.one([planes, crew])
        into, source = self.target(table)
        if self.dialect == "mariadb":
            return self.upsert_of_mariadb(table, into)
        inserting = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[self.dialect]
        statement = inserting(into).values(self.some_old(table))
        name = next(iter(WRITABLE[table.name]))
        if self.often(3):
            return self.returned(statement.on_conflict_do_nothing(), source)
        changed = {name: self.one([statement.excluded[name], self.draw(INTEGERS)])}
        where = self.predicate(source.columns, 0) if self.often(3) else None
        return statement.on_conflict_do_update(index_elements=["id"], set_=changed, where=where)

    def upsert_of_mariadb(self, table: Any, into: Any) -> Any:
        """INSERT .. ON DUPLICATE KEY UPDATE over rows of which some are there already."""
        statement = mysql.insert(into).values(self.some_old(table))
        name = next(iter(WRITABLE[table.name]))
        changed = [statement.inserted[name], func.coalesce(statement.inserted[name], self.draw(INTEGERS))]
        return statement.on_duplicate_key_update({name: self.one([*changed, self.draw(INTEGERS)])})

    def some_old(self, table: Any) -> list[dict[str, Any]]:
        """Rows of which the first is there already, if there can be any."""
        rows = self.new_rows(table)
        if self.own.size:
            rows[0]["id"] = self.one(self.own.ids((self.own.size + 1) // 2))
        return rows

    def many(self) -> tuple[Any, list[dict[str, Any]]]:
        """UPDATE or INSERT by executemany."""
        table = self.one([planes, crew])
        if self.often(2):
            return insert(table), self.new_rows(table)
        name, kind = self.one(list(WRITABLE[table.name].items()))
        statement = update(table).where(table.c.id == bindparam("b_id")).values({name: bindparam("b_value")})
        ids = self.own.ids(3)
        return statement, [{"b_id": number, "b_value": self.literal_of(kind)} for number in ids]


@st.composite
def writes(draw: Callable[[Any], Any], dialect: str, own: Carrier, full_joins: bool = True) -> Any:
    """Statements that write, each with its parameters or None."""
    writer = Writer(draw, dialect, draw(st.booleans()), full_joins)
    writer.own = own
    forms = [
        writer.update,
        writer.delete,
        writer.insert,
        writer.insert_from_select,
        writer.upsert,
        writer.many,
    ]
    if own.size:
        forms.append(writer.insert_links)
    made = writer.one(forms)()
    return made if isinstance(made, tuple) else (made, None)
