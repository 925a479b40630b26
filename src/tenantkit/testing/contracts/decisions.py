"""Promises: what the kit answers by itself, to front ends and to others who let it decide."""

from typing import Any

import pytest

from tenantkit.testing.contracts.world import World

__all__ = ["DecisionPromises"]

_EVALUATION = "/access/v1/evaluation"
_EVALUATIONS = "/access/v1/evaluations"
_SEARCH = "/access/v1/search"
_WELL_KNOWN = "/.well-known/authzen-configuration"


def _asked(user: str, action: str, document: object, **further: Any) -> dict[str, Any]:
    """Return a question about a document."""
    return {
        "subject": {"type": "user", "id": user},
        "action": {"name": action},
        "resource": {"type": "documents", "id": str(document)},
        **further,
    }


class DecisionPromises:
    """What a front end shows, and decisions for others (AuthZEN 1.0)."""

    def test_the_context_of_a_user(self, world: World) -> None:
        """Who they are there and what they may do, everywhere and on some; of their own tenant."""
        told = world.ask("GET", "/user/context").json
        assert (world.acme.slug, "trial", "writer", ["writer"]) == (
            told["tenant"]["slug"],
            told["tenant"]["plan"],
            told["user"]["id"],
            told["roles"],
        )
        assert (["documents:read", "documents:write"], ["documents:edit"]) == (
            told["permissions"],
            told["some_permissions"],
        )
        assert world.bolt.slug == world.ask("GET", "/user/context", world.bolt).json["tenant"]["slug"]

    def test_a_context_that_is_known(self, world: World) -> None:
        """It is not sent again to who has it, and is another for another user; nobody but its user may keep it."""
        first = world.ask("GET", "/user/context")
        tag = first.header("etag") or ""
        known, others = (
            world.bare("GET", "/user/context", [*world.headers(user=user), ("If-None-Match", tag)])
            for user in ("writer", "reader")
        )
        assert (304, b"", tag) == (known.status, known.body, known.header("etag"))
        assert 200 == others.status
        assert "private, no-cache" == first.header("cache-control")
        assert "Authorization" in (first.header("vary") or "")

    def test_a_context_needs_a_user(self, world: World) -> None:
        """Without a token it is a 401, of another method a 405; HEAD asks for what stands before the body."""
        assert 401 == world.bare("GET", "/user/context", []).status
        answer = world.ask("POST", "/user/context")
        assert (405, "GET, HEAD") == (answer.status, answer.header("allow"))
        got, head = (world.ask(method, "/user/context") for method in ("GET", "HEAD"))
        assert (200, b"", got.header("etag")) == (head.status, head.body, head.header("etag"))

    def test_a_decision(self, world: World) -> None:
        """By roles, and by the row itself: what the question says of the row is not believed."""
        own = world.add_document(world.acme, "writer's", author="writer")
        for user, action, document, expected in (
            ("writer", "documents:edit", own, True),
            ("writer", "edit", own, True),  # the type of the resource names the area
            ("reader", "edit", own, False),
            ("manager", "edit", own, True),
            ("nobody", "read", own, False),
            ("writer", "read", own + 10_000, False),
            ("writer", "read", "one", False),
        ):
            question = _asked(user, action, document)
            question["resource"]["properties"] = {"author": user}
            answer = world.post(_EVALUATION, question, user="manager")
            assert (200, expected) == (answer.status, answer.json["decision"]), question

    def test_a_decision_about_a_foreign_row(self, world: World) -> None:
        """Another tenant's row is one that is not there, for whatever user of the same id."""
        foreign = world.add_document(world.bolt, "theirs", author="writer")
        mine, theirs = (
            world.post(_EVALUATION, _asked("writer", "edit", foreign), tenant, user="manager").json
            for tenant in (world.acme, world.bolt)
        )
        assert (False, True) == (mine["decision"], theirs["decision"])

    def test_who_may_ask(self, world: World) -> None:
        """About oneself everybody, about others who has the permission; without a token nobody."""
        own = world.add_document(world.acme, "writer's", author="writer")
        assert world.post(_EVALUATION, _asked("writer", "edit", own)).json["decision"] is True
        answer = world.post(_EVALUATION, _asked("manager", "edit", own))
        assert (403, "documents:manage") == (answer.status, answer.json["permission"])
        assert 401 == world.bare("POST", _EVALUATION, []).status

    @pytest.mark.parametrize(
        ("semantic", "expected"),
        [
            (None, [True, False, True]),
            ("execute_all", [True, False, True]),
            ("deny_on_first_deny", [True, False]),
            ("permit_on_first_permit", [True]),
        ],
    )
    def test_several_decisions(self, world: World, semantic: str | None, expected: list[bool]) -> None:
        """They share what stands at the top, and end as it is asked for."""
        own = world.add_document(world.acme, "writer's", author="writer")
        question = _asked("writer", "read", own)
        del question["action"]
        question["evaluations"] = [{"action": {"name": one}} for one in ("read", "manage", "edit")]
        if semantic is not None:
            question["options"] = {"evaluations_semantic": semantic}
        answer = world.post(_EVALUATIONS, question)
        assert expected == [one["decision"] for one in answer.json["evaluations"]]

    def test_a_search_for_members(self, world: World) -> None:
        """Who may do something to a row is found page by page."""
        own = world.add_document(world.acme, "writer's", author="writer")
        question = _asked("", "edit", own, page={"limit": 2})
        question["subject"] = {"type": "user"}
        found, pages = [], 0
        while pages == 0 or question["page"]["token"]:
            told = world.post(f"{_SEARCH}/subject", question, user="manager").json
            found += [one["id"] for one in told["results"]]
            question["page"]["token"] = told["page"]["next_token"]
            pages += 1
        assert (["manager", "writer"], 2) == (found, pages)
        assert 403 == world.post(f"{_SEARCH}/subject", question).status
        question["page"]["token"] = "x" * 1000
        assert "question-malformed" == world.post(f"{_SEARCH}/subject", question, user="manager").problem

    def test_a_search_for_rows(self, world: World) -> None:
        """The rows on which a member may do something are found page by page; another tenant's are none."""
        own = [world.add_document(world.acme, "writer's", author="writer") for _ in range(3)]
        world.add_document(world.acme, "nobody's")
        world.add_document(world.bolt, "theirs", author="writer")
        question = _asked("writer", "edit", "", page={"limit": 2})
        question["resource"] = {"type": "documents"}
        first = world.post(f"{_SEARCH}/resource", question).json
        question["page"]["token"] = first["page"]["next_token"]
        last = world.post(f"{_SEARCH}/resource", question).json
        assert [str(one) for one in own] == [one["id"] for one in first["results"] + last["results"]]
        assert "" == last["page"]["next_token"]

    def test_a_search_for_actions(self, world: World) -> None:
        """What a member may do to a row."""
        own = world.add_document(world.acme, "writer's", author="writer")
        other = world.add_document(world.acme, "manager's", author="manager")
        found = [
            [
                one["name"]
                for one in world.post(f"{_SEARCH}/action", _asked("writer", "", one)).json["results"]
            ]
            for one in (own, other)
        ]
        both = ["documents:read", "documents:write"]
        assert [["documents:edit", *both], both] == found

    def test_where_decisions_are_made(self, world: World) -> None:
        """Each tenant has a document that says so, to everybody; of what there is not, none."""
        told = world.bare("GET", f"{_WELL_KNOWN}/{world.acme.slug}", []).json
        url = f"https://{world.acme.slug}.decides.example"
        assert (url, f"{url}{_EVALUATION}", f"{url}{_SEARCH}/subject") == (
            told["policy_decision_point"],
            told["access_evaluation_endpoint"],
            told["search_subject_endpoint"],
        )
        for path in (_WELL_KNOWN, f"{_WELL_KNOWN}/a/b", f"{_WELL_KNOWN}/%00"):
            assert 404 == world.bare("GET", path, []).status

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"{",
            b"[]",
            b"\xff",
            b"[" * 100_000,
            {},
            {"subject": {"type": "user", "id": "writer"}},
            {"subject": "writer", "action": {"name": "read"}, "resource": {"type": "documents", "id": "1"}},
            _asked("writer", "raed", 1),
            _asked("writer", "documents:*", 1),
            _asked("a\0b", "read", 1),
            _asked("writer", "read", 1, context=7),
            _asked("writer", "read", 1, context={"workspace": []}),
            _asked("writer", "read", "a\0b"),
        ],
        ids=lambda one: str(one)[:40],
    )
    def test_what_is_no_question(self, world: World, document: Any) -> None:
        """It is a 400 that says why, never a decision and never a 5xx."""
        answer = world.post(_EVALUATION, document, user="manager")
        assert (400, "question-malformed") == (answer.status, answer.problem)

    @pytest.mark.parametrize("semantic", [[], {}, 7, "some", None], ids=repr)
    def test_a_way_that_there_is_not(self, world: World, semantic: object) -> None:
        """Several questions are not decided in a way that nobody knows."""
        question = _asked("writer", "read", 1, evaluations=[{}], options={"evaluations_semantic": semantic})
        assert 400 == world.post(_EVALUATIONS, question).status

    def test_a_body_that_is_too_long(self, world: World) -> None:
        """It is a 413, and is not read to its end."""
        assert 413 == world.post(_EVALUATION, b" " * 1_100_000).status
