"""A small airline world for the oracle: carriers are tenants, of very different size, one without any row."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from sqlalchemy import Column, Connection, ForeignKey, Integer, MetaData, String, Table, Uuid
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.orm import registry

from tenantkit.isolation import scoped_by, scoped_through, shared

metadata = MetaData()
mapping = registry(metadata=metadata)

Row = tuple[Any, ...]
SPAN = 1_000
NEW = 1_000_000
# equal only if the same: rows that a LIMIT leaves out must not depend on the letter case that it ignores
Text = String(40).with_variant(VARCHAR(40, collation="utf8mb4_nopad_bin"), "mariadb")

airports = Table(
    "airports",
    metadata,
    Column("code", Integer, primary_key=True),
    Column("city", Text),
    Column("zone", Integer),
    info=shared(),
)
planes = Table(
    "planes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("carrier_id", Uuid, nullable=False),
    Column("tail", Text),
    Column("seats", Integer),
    Column("home", ForeignKey("airports.code")),
    info=scoped_by("carrier_id"),
)
crew = Table(
    "crew",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("carrier_id", Uuid, nullable=False),
    Column("name", Text),
    Column("grade", Integer),
    Column("chief_id", ForeignKey("crew.id")),
    info=scoped_by("carrier_id"),
)
flights = Table(
    "flights",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("carrier_id", Uuid, nullable=False),
    Column("number", Integer),
    Column("origin", ForeignKey("airports.code")),
    Column("delay", Integer),
    Column("remark", Text),
    Column("plane_id", ForeignKey("planes.id")),
    info=scoped_by("carrier_id"),
)
flight_crew = Table(
    "flight_crew",
    metadata,
    Column("flight_id", ForeignKey("flights.id"), primary_key=True),
    Column("crew_id", ForeignKey("crew.id"), primary_key=True),
    Column("seat", Integer),
    info=scoped_through("flight_id", "crew_id"),
)
delays = Table(
    "delays",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("flight_id", ForeignKey("flights.id"), nullable=False),
    Column("minutes", Integer),
    Column("cause", Text),
    info=scoped_through("flight_id"),
)

TABLES = (flights, planes, crew, delays, flight_crew, airports)
ENTITIES: dict[str, type] = {}
for _table in TABLES:
    ENTITIES[_table.name] = type(_table.name.title().replace("_", ""), (), {})
    mapping.map_imperatively(ENTITIES[_table.name], _table)

DOMAINS = {
    "airports.code": "airport",
    "planes.home": "airport",
    "flights.origin": "airport",
    "planes.id": "plane",
    "flights.plane_id": "plane",
    "crew.id": "crew",
    "crew.chief_id": "crew",
    "flight_crew.crew_id": "crew",
    "flights.id": "flight",
    "flight_crew.flight_id": "flight",
    "delays.flight_id": "flight",
}
"""The columns that mean the same thing, so that joins find partners."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A tenant: its place in the order gives its ids, its size how many flights it has."""

    name: str
    place: int
    size: int

    @property
    def tenant(self) -> UUID:
        """The id of the tenant."""
        return uuid5(NAMESPACE_DNS, self.name)

    def ids(self, count: int) -> list[int]:
        """The first ids of the carrier in any table."""
        return [self.place * SPAN + number for number in range(1, count + 1)]


CARRIERS = (Carrier("united", 1, 14), Carrier("skywest", 2, 5), Carrier("hollow", 3, 0))


def place_of(identifier: int) -> int:
    """Tell from an id, also of a row that a statement has made, whose it is."""
    return identifier % NEW // SPAN


def rows() -> dict[str, list[dict[str, Any]]]:
    """Make the rows of all carriers: the same values again and again, NULLs, and pointers across the border."""
    dice = random.Random(20131)
    found: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    found["airports"] = [
        {"code": n, "city": city, "zone": zone}
        for n, city, zone in ((1, "ewr", 5), (2, "jfk", 5), (3, "lax", None))
    ]
    for carrier in CARRIERS:
        _fill(found, carrier, dice)
    _cross(found)
    return found


def _fill(found: dict[str, list[dict[str, Any]]], own: Carrier, dice: random.Random) -> None:
    stamp = {"carrier_id": own.tenant}
    small = (None, 0, 1, 2, 3)
    half = own.ids((own.size + 1) // 2)
    found["planes"] += [
        {
            "id": n,
            **stamp,
            "tail": dice.choice(("n1", "n2", None)),
            "seats": dice.choice(small),
            "home": _home(dice),
        }
        for n in half
    ]
    found["crew"] += [
        {
            "id": n,
            **stamp,
            "name": dice.choice(("ann", "bob")),
            "grade": dice.choice(small),
            "chief_id": chief,
        }
        for n, chief in zip(half, [None, *half], strict=False)
    ]
    for number, flight in enumerate(own.ids(own.size)):
        found["flights"].append(
            {
                "id": flight,
                **stamp,
                "number": number % 4,
                "origin": _home(dice),
                "delay": dice.choice(small),
                "remark": dice.choice(("late", "good", None)),
                "plane_id": dice.choice((None, *half)),
            }
        )
        members = dice.sample(half, min(2, len(half)))
        found["flight_crew"] += [
            {"flight_id": flight, "crew_id": m, "seat": dice.choice(small)} for m in members
        ]
        minutes = {"minutes": dice.choice(small), "cause": dice.choice(("fog", None))}
        found["delays"].append({"id": flight, "flight_id": flight, **minutes})


def _home(dice: random.Random) -> int | None:
    return dice.choice((None, 1, 2, 3))


def _cross(found: dict[str, list[dict[str, Any]]]) -> None:
    """Let some pointers of each carrier lead to another carrier's rows."""
    first, second, _ = CARRIERS
    for own, foreign in ((first, second), (second, first)):
        flight, member = own.ids(2)
        strangers = foreign.ids(2)
        for row in found["flights"]:
            if row["id"] == flight:
                row["plane_id"] = strangers[0]
        for row in found["crew"]:
            if row["id"] == member:
                row["chief_id"] = strangers[0]
        found["flight_crew"].append({"flight_id": flight, "crew_id": strangers[1], "seat": 9})


def owners(table: str, row: Row) -> set[int]:
    """The carriers of a stored row, by their places; none for a shared row."""
    if table == "airports":
        return set()
    if table == "flight_crew":
        return {place_of(row[0]), place_of(row[1])}
    return {place_of(row[0])}


def fill(connection: Connection, only: Carrier | None = None) -> None:
    """Store the rows of all carriers, or of one: then there is physically no other."""
    for name, some in rows().items():
        table = metadata.tables[name]
        kept = [row for row in some if only is None or owners(name, tuple(row.values())) <= {only.place}]
        if kept:
            connection.execute(table.insert(), kept)
