"""What goes on after the answer has begun: streamed bodies and background tasks."""

import pytest

from tests.integration.office import Document, counted


def names(desk, slug="acme"):
    """Return the names of a tenant's documents."""
    with desk.kit.scope(slug):
        return list(desk.kit.session().scalars(Document.__table__.select().with_only_columns(Document.name)))


def test_a_stream_works_in_its_scope(desk):
    """A streamed body is made in the scope, with the session, and what it writes is committed."""
    answer = desk.ask("GET", "/stream?count=3")
    assert (200, b"acme 0\nacme 1\nacme 2\n") == (answer.status, answer.body)
    assert ["part 0", "part 1", "part 2"] == names(desk)
    assert desk.left_behind == 0


def test_a_stream_that_fails_is_undone(desk):
    """A body that breaks off after its status was sent writes nothing, and is in the trail as failed."""
    answer = desk.ask("GET", "/stream?count=2&fail=true")
    assert (200, ZeroDivisionError) == (answer.status, type(answer.error))
    assert [] == names(desk)
    (failed,) = desk.trail()
    assert ("failed", "ZeroDivisionError") == (failed.outcome, failed.details["error"])
    assert desk.left_behind == 0


def test_a_client_that_hangs_up(desk):
    """A client that leaves in the middle of a body takes no connection along, and nothing is written."""
    desk.ask("GET", "/stream?count=1000", leave_after=2)
    assert [] == names(desk)
    assert desk.left_behind == 0


def test_streams_of_two_tenants(desk):
    """A stream after another tenant's is in its own scope."""
    for slug in ("acme", "bolt", "acme"):
        assert f"{slug} 0\n".encode() == desk.ask("GET", "/stream?count=1", slug).body
    assert (["part 0", "part 0"], ["part 0"]) == (names(desk), names(desk, "bolt"))


def test_a_task_works_in_its_scope(desk):
    """A background task runs in the scope, and what it writes is committed when it is done."""
    assert 202 == desk.ask("POST", "/task").status
    assert (["part 0"], [], 0) == (names(desk), names(desk, "bolt"), desk.left_behind)


def test_a_task_that_fails_is_undone(desk):
    """A background task that fails writes nothing; the answer has been given, the trail tells of it."""
    answer = desk.ask("POST", "/task?fail=true")
    assert (202, ZeroDivisionError) == (answer.status, type(answer.error))
    assert ([], 0) == (names(desk), desk.left_behind)
    assert ["request.failed"] == [event.action for event in desk.trail()]


@pytest.mark.parametrize("status", [400, 500])
def test_a_task_behind_an_error_is_not_kept(desk, status):
    """What a background task of an error's answer writes goes the way of the answer."""
    assert status == desk.ask("POST", f"/task?status={status}").status
    assert (0, 0) == (counted(desk.kit), desk.left_behind)
