"""Many requests at once, of several tenants."""

import asyncio
import json

import pytest
from anyio.from_thread import start_blocking_portal
from anyio.lowlevel import checkpoint
from fastapi import FastAPI
from sqlalchemy import update

from tenantkit.adapters.fastapi import Tenancy
from tenantkit.adapters.seats import _limiter
from tests.adapters.asgi.conftest import Desk
from tests.adapters.asgi.service import call, make_app
from tests.integration.office import PATIENCE, central_events, counted, make_kit, sign_up

CROWD = 50
THREADS = 40  # what anyio gives a loop
MORE_THAN_THREADS = 60


def crowd(desk, method, path, count=CROWD):
    """Send requests of two tenants in turn, all at once, and return the answers."""
    headers = {slug: desk.credentials(slug) for slug in desk.tenants}
    slugs = ["acme", "bolt"] * (count // 2)

    async def send():
        return await asyncio.gather(*(call(desk.app, method, path, headers[slug]) for slug in slugs))

    return list(zip(slugs, desk.portal.call(send), strict=True))


def test_fifty_at_once_never_mix(desk):
    """Fifty requests at once are each answered with the rows of their own tenant."""
    for slug in desk.tenants:
        assert 200 == desk.ask("POST", f"/documents?name={slug}", slug).status
    for slug, answer in crowd(desk, "GET", "/documents"):
        assert {"tenant": slug, "names": [slug]} == json.loads(answer.body)
    assert 0 == desk.left_behind


def test_streams_at_once_never_mix(desk):
    """Bodies that are made at once are each made in their own scope."""
    found = crowd(desk, "GET", "/stream?count=1", 30)
    assert [f"{slug} 0\n".encode() for slug, _ in found] == [answer.body for _, answer in found]
    assert 0 == desk.left_behind


def test_a_crowd_never_passes_the_limit(desk):
    """Of twenty requests at once each tenant's plan lets five through, and the rest are 402."""
    answers = [(slug, answer.status) for slug, answer in crowd(desk, "POST", "/documents", 20)]
    assert {("acme", 200): 5, ("acme", 402): 5, ("bolt", 200): 5, ("bolt", 402): 5} == {
        one: answers.count(one) for one in answers
    }
    assert (5, 5, 10) == (desk.used("acme"), desk.used("bolt"), counted(desk.kit))
    assert 0 == desk.left_behind


def test_two_applications_in_one_process(desk, database):
    """Two applications with a kit each do not see each other's scopes or sessions."""
    kit = make_kit(database)
    app = FastAPI()
    Tenancy(app, kit)

    @app.get("/kit")
    def which(session: Tenancy.Session) -> bool:
        return session is kit.session()

    tenant = sign_up(kit, "cargo")
    token = kit.tokens.issue("writer", tenant)

    async def send():
        own = call(app, "GET", "/kit", [(b"authorization", f"Bearer {token}".encode())])
        other = call(desk.app, "GET", "/documents", desk.credentials("bolt"))
        return await asyncio.gather(own, other)

    own, other = desk.portal.call(send)
    assert (b"true", "bolt") == (own.body, json.loads(other.body)["tenant"])
    kit.dispose()


@pytest.fixture
def narrow(request, database):
    """Give a desk whose pools hold so few connections that a crowd must queue for them."""
    kit = make_kit(database, engine_options={"pool_size": 2, "max_overflow": 0, "pool_timeout": PATIENCE})
    with start_blocking_portal("asyncio") as portal:
        tenants = {slug: sign_up(kit, slug, plan="default") for slug in ("acme", "bolt")}
        yield Desk(kit, make_app(kit, request.param), portal, tenants, request.param)
        portal.call(kit.adispose)


@pytest.mark.parametrize("narrow", ["sync", "async"], indirect=True)
@pytest.mark.parametrize(("method", "path"), [("GET", "/documents"), ("POST", "/documents")])
def test_more_requests_than_threads_and_connections(narrow, method, path):
    """Requests beyond threads and connections wait their turn: none times out in the pool, and none is lost."""
    answers = crowd(narrow, method, path, MORE_THAN_THREADS)
    assert MORE_THAN_THREADS > THREADS
    assert {200} == {answer.status for _, answer in answers}
    assert (MORE_THAN_THREADS if method == "POST" else 0) == counted(narrow.kit)
    assert 0 == narrow.left_behind


@pytest.mark.parametrize("narrow", ["sync", "async"], indirect=True)
def test_more_refusals_than_threads_and_connections(narrow):
    """Refusals of a crowd are all recorded, among writers who hold what their records wait for."""
    headers = (
        narrow.credentials("acme"),
        narrow.credentials("acme", user="reader"),
        [(b"host", b"acme.localhost")],
    )

    async def send():
        asked = (call(narrow.app, "POST", "/documents", headers[number % 3]) for number in range(60))
        return await asyncio.gather(*asked)

    statuses = [answer.status for answer in narrow.portal.call(send)]
    assert {200: 20, 403: 20, 401: 20} == {status: statuses.count(status) for status in statuses}
    with narrow.kit.scope("acme"):
        assert ["request.refused"] * 20 == [event.action for event in narrow.kit.audit.latest(100)]
    assert 20 == len(central_events(narrow.kit, "request.refused"))
    assert 0 == narrow.left_behind


@pytest.mark.parametrize("desk", ["sync"], indirect=True)
def test_more_writers_than_threads(desk):
    """Writers who wait for one row, or one database, leave threads for the one that has it."""
    with desk.kit.unscoped_session(reason="a large plan", actor="test") as session:
        session.execute(update(desk.kit.directory.tables.tenants).values(plan="default"))
        session.commit()
    answers = crowd(desk, "POST", "/documents", 2 * MORE_THAN_THREADS)
    assert {200} == {answer.status for _, answer in answers}
    assert 2 * MORE_THAN_THREADS == counted(desk.kit)


@pytest.mark.parametrize("narrow", ["sync"], indirect=True)
def test_who_gives_up_in_the_queue_keeps_no_seat(narrow):
    """Of a crowd half is cut off while it waits; the others are answered, and every seat is free afterwards."""

    async def send():
        headers = narrow.credentials()
        waiting = [asyncio.create_task(call(narrow.app, "GET", "/documents", headers)) for _ in range(40)]
        while _limiter(narrow.kit).statistics().tasks_waiting == 0:
            await checkpoint()
        for task in waiting[::2]:
            task.cancel()
        answers = await asyncio.gather(*waiting[1::2])
        await asyncio.wait(waiting)
        return answers, _limiter(narrow.kit).borrowed_tokens

    answers, taken = narrow.portal.call(send)
    assert {200} == {answer.status for answer in answers}
    assert 0 == taken
