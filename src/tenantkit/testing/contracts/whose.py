"""Promises: whose a request is, and that nothing of it stays."""

import asyncio
import gc
import http.client
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tenantkit.core.scope import Scope
from tenantkit.kit import Support, Trust
from tenantkit.resolution import Header, Host, QueryParam, first
from tenantkit.testing.contracts.world import World
from tenantkit.tokens import TokenPair

__all__ = ["WhosePromises"]

_CROWD: Final = 50
_SPARE_THREADS: Final = 15
_SUPPORTED: Final = Trust(support=Support(roles=["reader"]))
_WHY: Final = ("X-Support-Reason", "ticket 7")


def _support(world: World) -> list[tuple[str, str]]:
    """Return what one of the support sends, to the host of a tenant that he is no member of."""
    token = world.kit.tokens.issue("cid", scope="read superadmin")
    return [("Host", f"{world.acme.slug}.localhost"), ("Authorization", f"Bearer {token}")]


class WhosePromises:
    """Resolution, and a scope for each request."""

    def test_a_request_runs_in_the_scope_of_its_tenant(self, world: World) -> None:
        """Tenant, actor, roles and the request's id are in scope."""
        told = world.ask("GET", "/whoami").json
        assert (world.acme.slug, "writer", ["writer"]) == (told["tenant"], told["actor"], told["roles"])
        assert told["request_id"]
        assert "127.0.0.1" == told["client"]

    def test_without_a_token(self, world: World) -> None:
        """It is a 401 that says with what to authenticate."""
        answer = world.bare("GET", "/documents", [("Host", f"{world.acme.slug}.localhost")])
        assert (401, "not-authenticated") == (answer.status, answer.problem)
        assert "Bearer" == answer.header("www-authenticate")

    @pytest.mark.parametrize("given", ["Bearer nonsense", "Bearer", "Basic d3JpdGVyOg==", "Bearer a b", ""])
    def test_a_token_that_does_not_verify(self, world: World, given: str) -> None:
        """It is a 401, and the answer does not say what is wrong with it."""
        host = ("Host", f"{world.acme.slug}.localhost")
        answer = world.bare("GET", "/documents", [host, ("Authorization", given)])
        assert 401 == answer.status
        assert "signature" not in answer.body.decode().lower()

    def test_two_tokens(self, world: World) -> None:
        """Two Authorization headers are none: which of them a framework reads must not decide."""
        first, second = world.headers(world.acme), world.headers(world.bolt)
        assert 401 == world.bare("GET", "/whoami", [*first, second[1]]).status

    def test_the_scheme_in_any_case(self, world: World) -> None:
        """The scheme is compared without case, as RFC 9110 says."""
        host, (name, value) = world.headers()
        assert 200 == world.bare("GET", "/whoami", [host, (name, value.replace("Bearer", "bEARER"))]).status

    def test_a_token_on_the_host_of_another_tenant(self, world: World) -> None:
        """It is a 403, whichever is the actor's."""
        answer = world.ask("GET", "/whoami", host=f"{world.bolt.slug}.localhost")
        assert (403, "tenant-mismatch") == (answer.status, answer.problem)

    def test_a_host_of_no_tenant(self, world: World) -> None:
        """It is a 404."""
        answer = world.ask("GET", "/whoami", host="nobody-at-all.localhost")
        assert (404, "unknown-tenant") == (answer.status, answer.problem)

    @pytest.mark.parametrize(
        "host", ["a b", "acme.localhost,bolt.localhost", "acme_.localhost:99999999", "[", "a@b"]
    )
    def test_a_malformed_host(self, world: World, host: str) -> None:
        """It is a 400, before anything is looked up; some servers and frameworks say so themselves."""
        assert 400 == world.ask("GET", "/whoami", host=host).status

    def test_a_host_that_names_no_tenant(self, world: World) -> None:
        """The token decides where the host is of another form."""
        assert world.acme.slug == world.ask("GET", "/whoami", host="127.0.0.1").json["tenant"]

    def test_a_suspended_tenant(self, world: World) -> None:
        """It is a 403 from the next request on, also of a member who was just served."""
        assert 200 == world.ask("GET", "/whoami").status
        kit = world.office.serving_kit
        with kit.unscoped_session(reason="suspend", actor="test") as session:
            kit.directory.change_status(session, world.acme, "suspended")
            session.commit()
        answer = world.ask("GET", "/whoami")
        assert (403, "tenant-suspended") == (answer.status, answer.problem)

    def test_a_member_who_was_just_served(self, world: World) -> None:
        """The directory is not asked again, and the answer is the member's own."""
        for user in ("writer", "reader"):
            world.ask("GET", "/whoami", user=user)
        asked: list[str] = []
        engine = world.office.serving_kit.owner_engine
        event.listen(engine, "before_cursor_execute", note := lambda *facts: asked.append(facts[2]))
        try:
            for user in ("writer", "reader"):
                assert user == world.ask("GET", "/whoami", user=user).json["actor"]
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert [] == asked

    @pytest.mark.parametrize("place", ["header", "query"])
    def test_other_places_that_name_a_tenant(
        self, world: World, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A header and a parameter of the query are read as they are; two of them, or nonsense, are a 400."""
        kit = world.office.serving_kit
        monkeypatch.setattr(kit, "resolve", first(Header("X-Tenant"), QueryParam("tenant")))
        token = ("Authorization", f"Bearer {world.kit.tokens.issue('writer')}")

        def ask(*slugs: str) -> Any:
            if place == "header":
                return world.bare("GET", "/whoami", [token, *(("X-Tenant", slug) for slug in slugs)])
            return world.bare("GET", "/whoami?" + urlencode([("tenant", slug) for slug in slugs]), [token])

        for tenant in (world.acme, world.bolt):
            assert tenant.slug == ask(tenant.slug).json["tenant"]
        assert 404 == ask("nobody").status
        for slugs in (
            (world.acme.slug, world.bolt.slug),
            (world.acme.slug, world.acme.slug),
            ("A B",),
            ("",),
        ):
            assert (400, "malformed-source") == ((answer := ask(*slugs)).status, answer.problem)
        assert (400, "tenant-required") == ((answer := ask()).status, answer.problem)

    def test_the_address_behind_proxies(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What so many proxies added counts, and not what a client wrote before it; too little is no address."""
        kit = world.office.serving_kit
        behind = kit.settings.model_copy(update={"trusted_hops": 2})
        monkeypatch.setattr(kit, "settings", behind)
        for forwarded, client in (
            (["1.1.1.1, 203.0.113.9, 10.0.0.1"], "203.0.113.9"),
            (["1.1.1.1", "203.0.113.9", "10.0.0.1"], "203.0.113.9"),
            (["203.0.113.9"], None),
            ([], None),
        ):
            headers = [*world.headers(), *(("X-Forwarded-For", one) for one in forwarded)]
            assert client == world.bare("GET", "/whoami", headers).json["client"]

    def test_a_login_that_is_ended(self, world: World) -> None:
        """Its tokens are served, the next pair's as well, and refused from the request after it is ended."""
        logins = world.office.serving_kit.logins
        pair = logins.sign_in("writer", world.acme)
        for _ in range(2):
            assert 200 == world.bare("GET", "/whoami", _with(pair)).status
            pair = logins.refresh(pair.refresh_token)
        assert logins.sign_out("writer", pair.login_id)
        answer = world.bare("GET", "/whoami", _with(pair))
        assert (401, "token-invalid") == (answer.status, answer.problem)

    def test_an_api_key(self, world: World) -> None:
        """It opens its tenant in its own roles, no other tenant's host, and nothing once it is revoked."""
        kit = world.kit
        with kit.scope(world.acme) as scope:
            made = kit.api_keys.store.create(kit.session(), scope, "import", lifetime=60, roles=["reader"])
            kit.session().commit()
        key = ("Authorization", f"Bearer {made.text}")
        told = world.bare("GET", "/whoami", [key]).json
        assert (world.acme.slug, str(made.key.id), ["reader"]) == (
            told["tenant"],
            told["actor"],
            told["roles"],
        )
        assert 403 == world.bare("GET", "/whoami", [("Host", f"{world.bolt.slug}.localhost"), key]).status
        assert 403 == world.bare("GET", "/organizations", [key]).status
        serving = world.office.serving_kit
        with Session(serving.owner_engine) as session:
            serving.api_keys.store.revoke(session, made.key.id)
            session.commit()
        assert 401 == world.bare("GET", "/whoami", [key]).status

    def test_a_name_of_before(self, world: World) -> None:
        """A request to a host that the tenant had before is sent to the one that it has now, path and query kept."""
        before, now = world.acme.slug, f"new-{world.acme.slug}"
        kit = world.office.serving_kit
        with kit.unscoped_session(reason="rename", actor="test") as session:
            kit.directory.rename(session, world.acme, slug=now)
            session.commit()
        answer = world.ask("GET", "/documents?page=2", host=f"{before}.localhost")
        assert (308, "tenant-moved") == (answer.status, answer.problem)
        assert f"//{now}.localhost/documents?page=2" == answer.header("location")
        assert now == world.ask("GET", "/whoami", host=f"{now}.localhost").json["tenant"]
        assert [] == world.central_trail(answer.header("x-request-id") or "")  # nobody was refused

    def test_the_support_enters_one_tenant(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """As an impersonator in the roles that the support has, recorded with the reason; without one it is a 403."""
        monkeypatch.setattr(world.office.serving_kit, "trust", _SUPPORTED)
        host, token = _support(world)
        for headers, problem in (
            ([host, token], "reason-required"),
            ([host, token, ("X-Support-Reason", " ")], "reason-required"),
            ([host, ("Authorization", f"Bearer {world.kit.tokens.issue('cid')}"), _WHY], "tenant-required"),
            ([token, _WHY], "tenant-required"),
        ):
            assert problem == world.bare("GET", "/whoami", headers).problem
        told = world.bare("GET", "/whoami", [host, token, _WHY]).json
        assert (world.acme.slug, None, "cid", ["reader"], "host") == tuple(
            told[key] for key in ("tenant", "actor", "impersonator", "roles", "resolved_by")
        )
        (event,) = world.trail()
        assert ("tenant.impersonated", "cid", {"reason": "ticket 7"}) == (
            event.action,
            event.impersonator,
            event.details,
        )
        assert 403 == world.bare("POST", "/documents/one", [host, token, _WHY]).status
        assert "cid" == world.trail()[0].impersonator

    def test_the_support_sees_all_tenants(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a route asks for it, with a reason, and recorded; a member is refused, whatever he says."""
        monkeypatch.setattr(world.office.serving_kit, "trust", _SUPPORTED)
        for tenant in (world.acme, world.bolt):
            world.add_document(tenant, "one")
        _, token = _support(world)
        member = world.headers()[1]
        for headers, refusal in (
            ([], (401, "not-authenticated")),
            ([token], (403, "reason-required")),
            ([member, _WHY], (403, "support-required")),
        ):
            answer = world.bare("GET", "/everything", headers)
            assert refusal == (answer.status, answer.problem)
        answer = world.bare("GET", "/everything", [token, _WHY])
        counted = {str(tenant.id): 1 for tenant in (world.acme, world.bolt)}
        assert counted == {key: count for key, count in answer.json.items() if key in counted}
        (event,) = world.central_trail(answer.header("x-request-id") or "")
        assert ("session.unscoped", "cid", {"reason": "ticket 7"}) == (
            event.action,
            event.actor,
            event.details,
        )

    def test_who_is_recognized_without_a_token(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The application may know by its own means who asks; a token, if there is one, comes before."""
        recognize = {"pass of the writer": {"sub": "writer"}}.get
        trust = Trust(recognize=lambda request: recognize(request.header("x-pass") or ""))
        kit = world.office.serving_kit
        monkeypatch.setattr(kit, "trust", trust)
        monkeypatch.setattr(kit, "resolve", first(Host("{tenant}.localhost")))
        host, token = world.headers(user="reader")
        known, unknown = ("X-Pass", "pass of the writer"), ("X-Pass", "another")
        assert "writer" == world.bare("GET", "/whoami", [host, known]).json["actor"]
        assert "reader" == world.bare("GET", "/whoami", [host, known, token]).json["actor"]
        assert 401 == world.bare("GET", "/whoami", [host, unknown]).status
        assert 401 == world.bare("GET", "/whoami", [host, known, ("Authorization", "Bearer no")]).status
        assert "writer" == world.bare("GET", "/organizations", [known]).json["actor"]
        for headers, tenant in (([host, known], world.acme.slug), ([host, unknown], None)):
            assert {"tenant": tenant} == world.bare("GET", "/welcome", headers).json

    def test_a_stranger(self, world: World) -> None:
        """Who is no member is refused with 403, with a token that verifies."""
        answer = world.ask("GET", "/whoami", user="stranger")
        assert (403, "not-a-member") == (answer.status, answer.problem)

    def test_an_unknown_path(self, world: World) -> None:
        """Without a token every path needs one; with a token it is the framework's 404."""
        assert 401 == world.bare("GET", "/nowhere", []).status
        answer = world.ask("GET", "/nowhere")
        assert (404, None) == (answer.status, answer.problem)

    @pytest.mark.parametrize("path", ["/about", "/public/terms"])
    def test_a_public_path(self, world: World, path: str) -> None:
        """It needs no token, and is in no scope also where there is one."""
        for headers in ([], world.headers(), [("Authorization", "Bearer nonsense")]):
            answer = world.bare("GET", path, headers)
            assert (200, {"tenant": None}) == (answer.status, answer.json)

    def test_a_central_path(self, world: World) -> None:
        """It needs a token and has no tenant; a token of no tenant opens it, and nothing else."""
        assert 401 == world.bare("GET", "/organizations", []).status
        token = [("Host", "localhost"), ("Authorization", f"Bearer {world.kit.tokens.issue('anybody')}")]
        answer = world.bare("GET", "/organizations", token)
        assert (200, {"tenant": None, "actor": "anybody"}) == (answer.status, answer.json)
        assert 400 == world.bare("GET", "/whoami", token).status

    def test_an_optional_path(self, world: World) -> None:
        """It is in no scope without a token, in the token's with one, and refuses one that does not verify."""
        assert {"tenant": None} == world.bare("GET", "/welcome", []).json
        assert {"tenant": world.acme.slug} == world.ask("GET", "/welcome").json
        assert 401 == world.bare("GET", "/welcome", [("Authorization", "Bearer nonsense")]).status

    def test_two_requests_in_turn(self, world: World) -> None:
        """One connection may serve two tenants in turn, and afterwards nobody."""
        with world.connected() as connection:
            for tenant in (world.acme, world.bolt, world.acme):
                answer = world.on(connection, "GET", "/whoami", world.headers(tenant))
                assert tenant.slug == answer.json["tenant"]
            host = [("Host", "localhost")]
            assert {"tenant": None} == world.on(connection, "GET", "/about", host).json
            assert 401 == world.on(connection, "GET", "/whoami", host).status

    def test_a_request_after_one_that_failed(self, world: World) -> None:
        """A failure leaves nothing for the next request, of whatever tenant."""
        with world.connected() as connection:
            world.on(connection, "POST", "/failing", world.headers(world.acme))
            try:
                answer = world.on(connection, "GET", "/whoami", world.headers(world.bolt))
            except (http.client.HTTPException, ConnectionError):
                connection.close()  # a server may end the connection of a request that failed
                answer = world.on(connection, "GET", "/whoami", world.headers(world.bolt))
        assert world.bolt.slug == answer.json["tenant"]

    def test_fifty_at_once(self, world: World) -> None:
        """Requests of two tenants at once never mix, in what they see nor in what they write."""
        tenants = [world.acme, world.bolt] * (_CROWD // 2)

        def both(number: int) -> tuple[str, str]:
            tenant = tenants[number]
            assert 200 == world.ask("POST", f"/forgetful/n{number}", tenant).status
            return tenant.slug, world.ask("GET", "/whoami", tenant).json["tenant"]

        with ThreadPoolExecutor(_CROWD) as pool:
            for asked, told in pool.map(both, range(_CROWD)):
                assert asked == told
        assert {f"n{number}" for number in range(0, _CROWD, 2)} == set(world.documents(world.acme))
        assert {f"n{number}" for number in range(1, _CROWD, 2)} == set(world.documents(world.bolt))

    def test_nothing_is_left(self, world: World) -> None:
        """After good, refused and failed requests and streams no thread is in a scope, and connections are back."""
        self._have_all_kinds(world)
        assert 0 == world.held_connections()
        with ThreadPoolExecutor(_CROWD) as pool:
            told = pool.map(lambda _: world.bare("GET", "/about", []).json, range(_CROWD))
        assert [{"tenant": None}] * _CROWD == list(told)

    def test_nothing_piles_up(self, world: World) -> None:
        """No kind of request leaves its scope behind, but in idle threads, of which each may remember its last."""
        times = threading.active_count() + _SPARE_THREADS
        with _logs_without_traces():
            for _ in range(times):
                self._have_all_kinds(world)
        assert times > len(_scopes_of(world))

    @staticmethod
    def _have_all_kinds(world: World) -> None:
        for method, path in (
            ("GET", "/whoami"),
            ("POST", "/answering/409"),
            ("POST", "/failing"),
            ("POST", "/mounted/managed"),
            ("GET", "/misuse"),
            ("GET", "/stream/3/well"),
            ("GET", "/nowhere"),
        ):
            world.ask(method, path)


@contextmanager
def _logs_without_traces() -> Iterator[None]:
    """Keep the lines of the log, which pytest collects, from holding the frames of what failed."""
    made = logging.getLogRecordFactory()

    def without_trace(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = made(*arguments, **options)
        record.exc_info = None
        return record

    logging.setLogRecordFactory(without_trace)
    try:
        yield
    finally:
        logging.setLogRecordFactory(made)


def _scopes_of(world: World) -> list[Scope]:
    """Return the scopes of a world's tenants that anything still holds, but for timers that were cancelled."""
    gc.collect()
    objects = gc.get_objects()
    # asyncio keeps these, such as a server's for idle connections, until there are a hundred or their time comes
    timers = [one for one in objects if type(one) is asyncio.TimerHandle and one.cancelled()]
    timed = {id(value) for one in timers for value in one._context.values()}  # type: ignore[attr-defined] # noqa: SLF001
    slugs = {world.acme.slug, world.bolt.slug}
    return [
        one for one in objects if type(one) is Scope and one.tenant.slug in slugs and id(one) not in timed
    ]


def _with(pair: TokenPair) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {pair.access_token}")]
