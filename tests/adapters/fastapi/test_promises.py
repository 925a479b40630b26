"""What the FastAPI adapter promises, on a real server."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import APIRouter
from sqlalchemy import event
from sqlalchemy.orm import Session

from tenantkit import current
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import ConfigurationError, ScopeRequired
from tests.adapters.fastapi.conftest import Client
from tests.adapters.fastapi.service import count_notes

PROBLEM = "application/problem+json"


def problem(answer) -> tuple[int, str]:
    """Return the status and the problem's slug of an answer that must be a problem document."""
    assert PROBLEM == answer.headers["content-type"]
    assert answer.status_code == answer.json()["status"]
    return answer.status_code, answer.json()["type"].rsplit(":", 1)[1]


def test_a_request_runs_in_the_scope_of_its_tenant(client: Client):
    """The endpoint sees the tenant of the token and host, and the token's subject."""
    answer = client.ask("GET", "/whoami", "bolt").json()
    assert ("bolt", "writer") == (answer["tenant"], answer["actor"])


def test_rows_of_another_tenant_are_not_shown(client: Client):
    """Each tenant reads what it wrote, and nothing else."""
    client.ask("POST", "/notes?text=a")
    client.ask("POST", "/notes?text=b", "bolt")
    assert ["acme:a"] == client.ask("GET", "/notes").json()
    assert ["bolt:b"] == client.ask("GET", "/notes", "bolt").json()


def test_a_foreign_row_answers_as_a_missing_one(client: Client):
    """The answers to a foreign and to a missing id are equal."""
    note_id = client.ask("POST", "/notes?text=a").json()["id"]
    foreign = client.ask("GET", f"/notes/{note_id}", "bolt")
    missing = client.ask("GET", "/notes/999999", "bolt")
    assert (404, "not-found") == problem(foreign)
    assert missing.content == foreign.content


def test_without_token_401(client: Client):
    """A request without credentials is told to authenticate."""
    answer = client.bare("GET", "/notes", {"Host": "acme.test"})
    assert (401, "not-authenticated") == problem(answer)
    assert "Bearer" == answer.headers["www-authenticate"]


@pytest.mark.parametrize("how", ["signature", "payload", "garbage", "empty", "basic"])
def test_a_bad_token_401(client: Client, how: str):
    """A tampered or malformed token is refused, and the answer does not tell why."""
    header, payload, signature = client.token().split(".")
    given = {
        "signature": f"Bearer {header}.{payload}.{signature[::-1]}",
        "payload": f"Bearer {header}.{payload[::-1]}.{signature}",
        "garbage": "Bearer garbage",
        "empty": "Bearer",
        "basic": "Basic dXNlcjpwYXNz",
    }[how]
    answer = client.bare("GET", "/notes", {"Host": "acme.test", "Authorization": given})
    assert 401 == problem(answer)[0]
    assert "ignature" not in answer.text


def test_a_doubled_authorization_header_is_none(client: Client):
    """Two Authorization headers are refused: a proxy and the application could each read another one."""
    headers = [("Host", "acme.test"), *[("Authorization", f"Bearer {client.token()}")] * 2]
    answer = client.http.get(f"http://127.0.0.1:{client.port}/notes", headers=headers)
    assert 401 == problem(answer)[0]


def test_a_token_on_anothers_host_403(client: Client):
    """A token of one tenant on the host of another is refused."""
    assert (403, "tenant-mismatch") == problem(client.ask("GET", "/notes", host="bolt.test"))


def test_an_unknown_tenant_404(client: Client):
    """A host of a tenant that does not exist is not found."""
    assert (404, "unknown-tenant") == problem(client.ask("GET", "/notes", host="nobody.test"))


@pytest.mark.parametrize(
    "host", ["evil.com:80@acme.test", "a" * 10_000 + ".test", "acme_.test/", "[::1]:80", "acme.test:x"]
)
def test_a_malformed_host_400(client: Client, host: str):
    """A Host header that is no host name is a problem answer and reaches no tenant."""
    answer = client.ask("GET", "/notes", host=host)
    assert 400 <= answer.status_code < 500


def test_a_host_of_another_application_leaves_the_token_to_decide(client: Client):
    """A host that is not of the pattern says nothing."""
    assert "acme" == client.ask("GET", "/whoami", host="127.0.0.1:8000").json()["tenant"]


def test_a_suspended_tenant_403(client: Client):
    """A suspended tenant is not served, with a token that is still valid."""
    token = client.token()
    with client.kit.unscoped_session(reason="suspend it", actor="test") as session:
        client.kit.directory.set_active(session, client.tenants["acme"], active=False)
        session.commit()
    answer = client.bare("GET", "/notes", {"Host": "acme.test", "Authorization": f"Bearer {token}"})
    assert (403, "tenant-suspended") == problem(answer)


def test_a_stranger_with_a_token_403(client: Client):
    """A user who is no member of the token's tenant is refused."""
    assert (403, "not-a-member") == problem(client.ask("GET", "/notes", user="stranger"))


def test_a_missing_permission_is_named(client: Client):
    """A refusal names the permission, and the handler did not run."""
    answer = client.ask("POST", "/notes?text=a", user="reader")
    assert (403, "permission-denied") == problem(answer)
    assert "notes:write" == answer.json()["permission"]
    assert 0 == count_notes(client.kit)


def test_the_limit_402_with_the_way_out(client: Client):
    """At the limit the answer tells usage, limit and where more can be had, and nothing is written."""
    for number in range(3):
        assert 201 == client.ask("POST", f"/notes?text={number}").status_code
    answer = client.ask("POST", "/notes?text=4")
    assert (402, "quota-exceeded") == problem(answer)
    told = answer.json()
    assert (3, 3, "https://example.test/upgrade") == (told["usage"], told["limit"], told["upgrade_url"])
    assert 3 == count_notes(client.kit)


@pytest.mark.parametrize(("path", "status"), [("/boom", 500), ("/conflict", 409)])
def test_an_error_rolls_back_what_was_written_and_counted(client: Client, path: str, status: int):
    """A request that fails leaves neither rows nor used units."""
    assert status == client.ask("POST", path).status_code
    assert 0 == count_notes(client.kit)
    assert 0 == client.ask("GET", "/used").json()


def test_a_commit_that_fails_is_a_5xx(client: Client):
    """The client never sees success for what was not committed."""

    def fail(_session: Session) -> None:
        raise RuntimeError("the disk is full")

    event.listen(Session, "before_commit", fail)
    try:
        answer = client.ask("POST", "/notes?text=a")
    finally:
        event.remove(Session, "before_commit", fail)
    assert 500 == answer.status_code
    assert 0 == count_notes(client.kit)


def test_it_is_committed_before_the_answer(client: Client):
    """When the client has its answer, every other connection sees the row."""
    client.ask("POST", "/notes?text=a")
    assert 1 == count_notes(client.kit)


def test_a_streamed_body_is_in_scope(client: Client):
    """The body of a stream is made in the scope and may use the session."""
    client.ask("POST", "/notes?text=a")
    assert "acme>acme:a\n" == client.ask("GET", "/stream").text


def test_a_background_task_is_in_scope_and_committed(client: Client):
    """What a background task writes belongs to the tenant and is kept."""
    client.ask("POST", "/later")
    assert client.app.state.finished.wait(timeout=20)
    assert ["acme:later"] == client.ask("GET", "/notes").json()


def test_two_requests_in_turn_share_nothing(client: Client):
    """A request of another tenant on the same connection starts clean."""
    client.ask("POST", "/notes?text=a")
    assert [] == client.ask("GET", "/notes", "bolt").json()
    assert "bolt" == client.ask("GET", "/whoami", "bolt").json()["tenant"]


def test_fifty_at_once_never_mix(client: Client):
    """Fifty requests of two tenants at once each see their own rows."""
    for slug in ("acme", "bolt"):
        client.ask("POST", "/notes?text=x", slug)
    slugs = ["acme", "bolt"] * 25
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda slug: client.ask("GET", "/notes", slug).json(), slugs))
    assert [[f"{slug}:x"] for slug in slugs] == answers


def test_nothing_is_left_behind(client: Client):
    """After good, failing and streamed requests no connection is checked out and no scope is entered."""
    for path in ("/notes", "/stream", "/notes/999"):
        client.ask("GET", path)
    client.ask("POST", "/boom")
    assert 0 == client.kit.engine.pool.checkedout()
    assert 0 == client.kit.owner_engine.pool.checkedout()
    assert current_or_none() is None
    with pytest.raises(ScopeRequired):
        current()


def test_the_request_id_is_kept_or_made(client: Client):
    """A sound request id comes back and is in the scope; a hostile one is replaced."""
    kept = client.ask("GET", "/whoami", headers={"X-Request-ID": "abc-1"})
    assert ("abc-1", "abc-1") == (kept.headers["x-request-id"], kept.json()["request"])
    replaced = client.ask("GET", "/whoami", headers={"X-Request-ID": "a b;<script>"})
    assert 7 == uuid.UUID(replaced.headers["x-request-id"]).version


def test_success_and_refusal_are_in_the_trail(client: Client):
    """A success is recorded with its transaction, a refusal and a failure on their own."""
    client.ask("POST", "/notes?text=a")
    client.ask("POST", "/notes?text=a", user="reader")
    client.ask("POST", "/boom")
    with client.kit.scope("acme"):
        events = client.kit.audit.latest()
    assert [("request.failed", "failed"), ("request.refused", "refused"), ("note.written", "success")] == [
        (one.action, one.outcome) for one in events
    ]


def test_a_request_without_a_tenant_is_in_the_central_trail(client: Client):
    """A refused stranger leaves no event in any tenant's trail."""
    client.bare("GET", "/notes", {"Host": "acme.test"})
    with client.kit.scope("acme"):
        assert [] == client.kit.audit.latest()


def test_a_public_path_needs_no_token(client: Client):
    """Health and the documents are answered to anybody."""
    assert 200 == client.bare("GET", "/health", {}).status_code
    assert 200 == client.bare("GET", "/docs", {}).status_code


def test_the_document_shows_security_and_every_answer(client: Client):
    """OpenAPI names the scheme and the problem answers of each operation, and none on public paths."""
    document = client.bare("GET", "/openapi.json", {}).json()
    write = document["paths"]["/notes"]["post"]
    assert {"tenantkit"} == set(write["security"][0])
    assert {"201", "400", "401", "402", "403", "404", "422"} == set(write["responses"])
    assert "404" in document["paths"]["/notes/{note_id}"]["get"]["responses"]
    assert "security" not in document["paths"]["/health"]["get"]


def test_an_undeclared_permission_is_an_error_at_start(client: Client):
    """A misspelt permission is told when the route is declared."""
    with pytest.raises(ConfigurationError, match="notes:writes"):
        Tenancy(type(client.app)(), client.kit).requires("notes:writes")


def test_routes_of_an_included_router_are_documented(client: Client):
    """An operation shows its answers wherever it is declared."""
    app, router = type(client.app)(), APIRouter(prefix="/api")
    tenancy = Tenancy(app, client.kit)
    router.get("/things/{thing_id}", dependencies=[tenancy.consumes("notes")])(lambda thing_id: thing_id)
    app.include_router(router)
    answers = app.openapi()["paths"]["/api/things/{thing_id}"]["get"]["responses"]
    assert {"400", "401", "402", "403", "404"} <= set(answers)
