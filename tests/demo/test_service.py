"""The reference application, asked what its users could ask."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tenantkit.demo.models import Flight, Release
from tenantkit.demo.service import LARGEST_ID


def ask(story, method, path, *, slug="ua", role="dispatcher", **options):
    """Ask as a member of a carrier."""
    return story._send(slug, method, path, token=story._token(story._tenant(slug), role), **options)


def first_flight(kit, carrier):
    """Return the id of a carrier's first flight."""
    with Session(kit.owner_engine) as session:
        return session.scalar(select(func.min(Flight.id)).where(Flight.carrier == carrier))


@pytest.mark.parametrize(
    "note",
    ["", "go", "a" * 200, "line\nfeed", "Zürich 🛫"],
    ids=["empty", "short", "longest", "lines", "letters"],
)
def test_notes_that_can_be_written(story, note):
    """A note comes back as it was sent."""
    flight = first_flight(story.kit, "UA")
    answer = ask(story, "POST", f"/flights/{flight}/releases", body={"note": note})
    assert (201, note, flight) == (answer.status_code, answer.json()["note"], answer.json()["flight_id"])


@pytest.mark.parametrize(
    "body",
    [{"note": "a" * 201}, {"note": "a\0b"}, {"note": None}, {}, None],
    ids=["long", "NUL", "null", "none", "nothing"],
)
def test_notes_that_cannot_be_written(story, body):
    """A note that no database holds is the client's error, and counts nothing."""
    flight = first_flight(story.kit, "UA")
    assert 422 == ask(story, "POST", f"/flights/{flight}/releases", body=body).status_code
    with Session(story.kit.owner_engine) as session:
        assert 0 == session.scalar(select(func.count()).select_from(Release))
    with story.kit.scope("ua"):
        assert 0 == story.kit.quotas.used("releases")


def test_a_foreign_flight_is_not_there(story):
    """Another carrier's flight answers as one that does not exist, also to a release, and counts nothing."""
    foreign = first_flight(story.kit, "HA")
    for number in (foreign, LARGEST_ID):
        shown = ask(story, "GET", f"/flights/{number}")
        released = ask(story, "POST", f"/flights/{number}/releases", body={"note": "go"})
        assert (404, 404) == (shown.status_code, released.status_code)
        assert f"There is no flight {number}." == shown.json()["detail"]
    with story.kit.scope("ua"):
        assert 0 == story.kit.quotas.used("releases")


@pytest.mark.parametrize(
    "path", ["/flights/0", f"/flights/{LARGEST_ID + 1}", "/flights?after=-1", "/flights?limit=0"]
)
def test_numbers_that_no_column_holds(story, path):
    """A number beyond the column is a 422, not an error of the driver."""
    assert 422 == ask(story, "GET", path).status_code


def test_pages_follow_each_other(story):
    """A page begins after the last one, and the total is that of all pages."""
    first = ask(story, "GET", "/flights?limit=200", slug="ha").json()
    second = ask(story, "GET", f"/flights?limit=200&after={first['flights'][-1]['id']}", slug="ha").json()
    ids = [flight["id"] for page in (first, second) for flight in page["flights"]]
    assert (342, 342) == (first["total"], second["total"])
    assert (342, sorted(set(ids))) == (len(ids), ids)


def test_a_viewer_reads_and_does_not_release(story):
    """A refusal names the permission that is missing."""
    flight = first_flight(story.kit, "UA")
    assert 200 == ask(story, "GET", f"/flights/{flight}", role="viewer").status_code
    refused = ask(story, "POST", f"/flights/{flight}/releases", role="viewer", body={"note": "go"})
    assert (403, "flights:release") == (refused.status_code, refused.json()["permission"])
    assert 403 == ask(story, "GET", "/audit", role="viewer").status_code


def test_health_needs_no_tenant(story):
    """A load balancer has no token."""
    assert {"status": "ok"} == story.client.get(f"http://127.0.0.1:{story.port}/health").json()


def test_the_openapi_page_is_there(story):
    """The documents show every problem answer of a release."""
    document = story.client.get(f"http://127.0.0.1:{story.port}/openapi.json").json()
    responses = document["paths"]["/flights/{flight_id}/releases"]["post"]["responses"]
    assert {"201", "308", "400", "401", "402", "403", "404", "422", "503"} == set(responses)
