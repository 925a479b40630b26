"""Many requests at once, of several tenants."""

import asyncio
import json

from fastapi import FastAPI

from tenantkit.adapters.fastapi import Tenancy
from tests.adapters.asgi.service import call
from tests.integration.office import counted, make_kit, sign_up

CROWD = 50
THREADS = 40  # what anyio gives a loop


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
