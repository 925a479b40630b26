"""The flights come into the database whole, or are gone on with."""

from collections import Counter

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tenantkit.demo import data, service
from tenantkit.demo.models import Flight, Release
from tenantkit.exceptions import DependencyMissing

CARRIERS = 16


def in_the_package():
    """Return the flights of each carrier, counted in the package's own file."""
    return Counter(row["carrier"] for row in data._rows("flights.csv.zip"))


def in_the_database(kit):
    """Return the flights of each carrier, counted past all scoping."""
    with Session(kit.owner_engine) as session:
        return Counter(
            dict(session.execute(select(Flight.carrier, func.count()).group_by(Flight.carrier)).all())
        )


def test_every_flight_is_loaded(kit):
    """What is in the database is what is in the package, carrier by carrier."""
    found = in_the_database(kit)
    assert in_the_package() == found
    assert (data.FLIGHTS, CARRIERS) == (found.total(), len(found))


def test_every_flight_is_its_carriers(kit):
    """The tenant of each flight is the carrier that is written in the data."""
    tenants = kit.directory.tables.tenants
    query = select(tenants.c.slug, Flight.carrier).join(Flight, Flight.tenant_id == tenants.c.id).distinct()
    with Session(kit.owner_engine) as session:
        found = session.execute(query).all()
    assert CARRIERS == len(found)
    assert [] == [pair for pair in found if pair[0] != pair[1].lower()]


def test_loading_again_loads_nothing(kit):
    """A second run finds all there."""
    progress = []
    assert 0 == data.load(kit, progress.append)
    assert [] == progress


def test_an_interrupted_load_is_gone_on_with(tmp_path):
    """What was interrupted leaves whole carriers and no half one; the next run loads the others."""
    kit = service.create_kit(f"sqlite:///{tmp_path / 'half.db'}")
    expected, seen = in_the_package(), Counter()

    def stop_on_the_way(rows):
        seen["rows"] += rows
        if seen["rows"] > data.FLIGHTS // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.load(kit, stop_on_the_way)
    half = in_the_database(kit)
    assert 0 < len(half) < CARRIERS
    assert {carrier: expected[carrier] for carrier in half} == half

    told = []
    assert CARRIERS - len(half) == data.load(kit, told.append)
    assert (data.FLIGHTS, expected) == (sum(told), in_the_database(kit))
    kit.dispose()


def test_a_new_story_begins_at_nothing(kit):
    """Releases and counters of an earlier story are taken back; its trail stays."""
    with kit.scope("ua"):
        flight = kit.session().scalars(select(Flight).limit(1)).one()
        kit.session().add(release := Release(flight=flight, note="go"))
        kit.quotas.consume("releases")
        kit.audit.record("flight.released", release)
        kit.session().commit()
    data.reset_story(kit)
    with kit.scope("ua"):
        assert [] == kit.session().scalars(select(Release)).all()
        assert 0 == kit.quotas.used("releases")
        assert "flight.released" == kit.audit.latest()[0].action


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    """Flights that are not installed are named, with the command."""
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    kit = service.create_kit(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(DependencyMissing, match=r"pip install 'tenantkit\[demo\]'"):
        data.load(kit, lambda rows: None)
    kit.dispose()
