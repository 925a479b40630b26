"""What a request wrote is committed before its answer, or not at all."""

import asyncio
import json

import anyio
import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.adapters.seats import _limiter
from tenantkit.core.scope import current_or_none
from tests.adapters.asgi.service import call
from tests.integration.office import LIMIT, UPGRADE, Document, central_events

GONE = {"type": "urn:tenantkit:problem:not-found", "title": "There is no such resource", "status": 404}


def test_a_write_is_there_before_the_answer_begins(desk, documents):
    """When the first byte of the answer is sent, the row is committed."""
    seen = []

    async def watching(scope, receive, send):
        async def watched(message):
            if message["type"] == "http.response.start":
                seen.append(documents())
            await send(message)

        await desk_app(scope, receive, watched)

    desk_app, desk.app = desk.app, watching
    assert 200 == desk.ask("POST", "/documents").status
    assert [1] == seen


def test_a_constraint_that_fails_at_commit(desk, documents):
    """A deferred constraint that the commit finds broken is a 5xx and no 200, and nothing is written or counted."""
    answer = desk.ask("POST", "/documents?country=XX")
    assert (500, IntegrityError) == (answer.status, type(answer.error))
    assert (0, 0, 0) == (documents(), desk.used(), desk.left_behind)
    (failed,) = desk.trail()
    assert (
        "request.failed",
        "failed",
        {"method": "POST", "path": "/documents", "status": 500, "error": "IntegrityError"},
    ) == (
        failed.action,
        failed.outcome,
        failed.details,
    )


def test_a_commit_that_breaks_down(desk, documents):
    """Any error of the commit is a 5xx with nothing written."""

    def fail(_session):
        raise OSError("the disk is full")

    event.listen(Session, "before_commit", fail)
    try:
        answer = desk.ask("POST", "/documents")
    finally:
        event.remove(Session, "before_commit", fail)
    assert (500, 0, 0) == (answer.status, documents(), desk.left_behind)
    assert b"disk" not in answer.body


def test_a_foreign_link_found_at_commit(desk, documents):
    """A link to another tenant's row that only the commit's flush finds is answered as one found before: 404."""
    with desk.kit.scope("bolt"):
        document = Document(name="bolt's")
        desk.kit.session().add(document)
        desk.kit.session().commit()
        foreign = document.id
    answers = [desk.ask("POST", f"/pages?document_id={number}") for number in (foreign, 999_999)]
    assert [404, 404] == [answer.status for answer in answers]
    assert [GONE, GONE] == [json.loads(answer.body) for answer in answers]
    assert ["request.refused"] * 2 == [one.action for one in desk.trail()]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500, 503])
def test_an_error_of_the_framework_rolls_back(desk, documents, status):
    """An HTTPException rolls back what was written and counted."""
    answer = desk.ask("POST", f"/refused?status={status}")
    assert (status, 0, 0, 0) == (answer.status, documents(), desk.used(), desk.left_behind)


@pytest.mark.parametrize(
    ("status", "kept"), [(200, 1), (201, 1), (204, 1), (303, 1), (400, 0), (409, 0), (500, 0)]
)
def test_the_status_decides(desk, documents, status, kept):
    """An answer below 400 is a promise kept, any other is rolled back, whoever made it."""
    assert status == desk.ask("POST", f"/answered?status={status}").status
    assert (kept, kept, 0) == (documents(), desk.used(), desk.left_behind)


def test_an_error_of_the_handler(desk, documents):
    """An exception is a 500 that says nothing, rolls back, and is in the trail by its class."""
    answer = desk.ask("GET", "/broken")
    assert (500, ValueError, 0) == (answer.status, type(answer.error), desk.left_behind)
    assert b"not a word" not in answer.body
    (failed,) = desk.trail()
    assert ("request.failed", "failed", "writer", "ValueError") == (
        failed.action,
        failed.outcome,
        failed.actor,
        failed.details["error"],
    )


def test_a_refused_permission(desk, documents):
    """A 403 names the permission, counts nothing, and is in the trail with what was refused."""
    answer = desk.ask("POST", "/documents", user="reader")
    body = json.loads(answer.body)
    assert (403, "documents:write") == (answer.status, body["permission"])
    assert (0, 0, 0) == (documents(), desk.used(), desk.left_behind)
    (refused,) = desk.trail()
    assert ("request.refused", "refused", "reader", "documents:write") == (
        refused.action,
        refused.outcome,
        refused.actor,
        refused.details["permission"],
    )


def test_an_exceeded_quota(desk, documents):
    """At the limit the answer is 402 with the numbers and the link; the trail has the numbers too."""
    for _ in range(LIMIT):
        assert 200 == desk.ask("POST", "/documents").status
    answer = desk.ask("POST", "/documents")
    body = json.loads(answer.body)
    expected = {"meter": "documents", "usage": LIMIT, "limit": LIMIT, "plan": "trial", "upgrade_url": UPGRADE}
    assert (402, expected) == (answer.status, {key: body[key] for key in expected})
    assert (LIMIT, LIMIT, 0) == (documents(), desk.used(), desk.left_behind)
    assert expected == {key: desk.trail()[0].details[key] for key in expected}


def test_an_operator_can_find_out(desk, caplog):
    """The message of an internal error, which the client is not shown, is logged for the operator."""
    answer = desk.ask("GET", "/misuse")
    assert (500, "isolation-refused") == (answer.status, json.loads(answer.body)["type"].rsplit(":", 1)[1])
    assert b"SELECT" not in answer.body
    (told,) = [record for record in caplog.records if "text('SELECT 1')" in record.getMessage()]
    assert ("ERROR", True) == (told.levelname, bool(told.exc_info))


def test_a_refused_link_is_a_line_in_the_log(desk, documents, caplog):
    """A made-up id, which any client can send, is logged without a trace of Python's, and answered with 404."""
    assert 404 == desk.ask("POST", "/pages?document_id=123456").status
    (told,) = [record for record in caplog.records if "points to no row" in record.getMessage()]
    assert ("WARNING", None) == (told.levelname, told.exc_info)


def test_nothing_is_left_in_the_context(desk):
    """After good, refused and failed requests the loop's context holds no scope and the pools all connections."""
    for path in ("/documents", "/document?document_id=1", "/broken", "/misuse", "/nowhere"):
        desk.ask("GET", path)

    async def look():
        return current_or_none()

    assert desk.portal.call(look) is None
    assert (None, 0) == (current_or_none(), desk.left_behind)


def test_two_tenants_in_turn(desk):
    """Requests of two tenants in turn see their own rows, again and again."""
    for number in range(3):
        for slug in ("acme", "bolt"):
            assert 200 == desk.ask("POST", f"/documents?name={slug}{number}", slug).status
            shown = json.loads(desk.ask("GET", "/documents", slug).body)
            assert {"tenant": slug, "names": [f"{slug}{one}" for one in range(number + 1)]} == shown


def test_strangers_are_in_the_central_trail(desk):
    """A request of nobody is recorded centrally with what was wrong, and in no tenant's trail."""
    answer = desk.raw("GET", "/documents", [(b"host", b"acme.localhost"), (b"x-request-id", b"r-1")])
    assert 401 == answer.status
    (refused,) = central_events(desk.kit, "request.refused")
    assert (None, "r-1", "not-authenticated", "/documents") == (
        refused.actor,
        refused.request_id,
        refused.details["problem"],
        refused.details["path"],
    )
    assert [] == desk.trail()


@pytest.mark.parametrize(
    "path", ["/a\0b", "/\ud800", "/" + "a" * 60_000, "/\u00e4"], ids=["NUL", "surrogate", "60 kB", "umlaut"]
)
def test_a_hostile_path_is_recorded_all_the_same(desk, path, caplog):
    """No path keeps a refused request out of the trail."""
    app = desk.app

    async def of_this_path(scope, receive, send):
        await app(scope | {"path": path, "raw_path": b"/"}, receive, send)

    desk.app = of_this_path
    assert 401 == desk.raw("GET", "/", [(b"host", b"acme.localhost")]).status
    assert 1 == len(central_events(desk.kit, "request.refused"))
    assert [] == caplog.records


@pytest.mark.parametrize("by", ["anyio", "asyncio"])
@pytest.mark.parametrize(
    ("ending", "path", "kept"), [("commit", "/documents", 1), ("rollback", "/answered?status=400", 0)]
)
def test_a_request_that_is_cut_off_while_it_ends(desk, documents, ending, path, kept, by):
    """A request that is cancelled in the middle of its commit or rollback ends it, and gives its connection back."""
    engine = desk.kit.engine if desk.sessions == "sync" else desk.kit.async_engine.sync_engine
    headers = desk.credentials()

    async def cut_by_anyio(loop):
        with anyio.CancelScope() as cut:
            event.listen(engine, ending, lambda _: loop.call_soon_threadsafe(cut.cancel))
            await call(desk.app, "POST", path, headers)
        return cut.cancel_called

    async def cut_by_asyncio(loop):
        task = asyncio.create_task(call(desk.app, "POST", path, headers))
        event.listen(engine, ending, lambda _: loop.call_soon_threadsafe(task.cancel))
        await asyncio.wait([task])
        return task.cancelled()

    async def send():
        work = cut_by_anyio if by == "anyio" else cut_by_asyncio
        return await work(asyncio.get_running_loop()), _limiter(desk.kit).borrowed_tokens

    assert (True, 0) == desk.portal.call(send)
    assert (0, kept) == (desk.left_behind, documents())
    assert 200 == desk.ask("GET", "/documents").status
