"""Requests by somebody who wants in."""

import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.asgi.service import call
from tests.integration.office import Document, central_events
from tests.unit.forge import encoded

SECRET_OF_BOLT = "nobody-but-bolt-may-read-this"
MALFORMED = {
    "user and port before": b"evil.com:80@acme.localhost",
    "IPv6 literal": b"[::1]:80",
    "underscore": b"ac_me.localhost",
    "dot at the end": b"acme.localhost.",
    "umlaut": "äcme.localhost".encode(),
    "NUL": b"acme.localhost\0",
    "line feed": b"acme.localhost\n",
    "10 kB": b"a" * 10_240 + b".localhost",
    "path": b"acme.localhost/x",
    "no UTF-8": b"\xff\xfe",
}


def problem(answer):
    """Return status and slug of an answer that must be a problem document."""
    assert ["application/problem+json"] == answer.header("content-type")
    assert ["no-store"] == answer.header("cache-control")
    body = json.loads(answer.body)
    assert body["status"] == answer.status
    return answer.status, body["type"].rpartition(":")[2]


@pytest.mark.parametrize("host", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("signed_in", [True, False], ids=["token", "no token"])
def test_malformed_hosts(desk, host, signed_in):
    """A malformed Host header is 400 with and without a token, and reaches no tenant."""
    headers = [(b"host", host), *(desk.credentials()[1:] if signed_in else [])]
    assert (400, "malformed-host") == problem(desk.raw("GET", "/documents", headers))
    assert 0 == desk.left_behind


def test_two_hosts(desk):
    """Two Host headers are refused: a proxy and the application could each believe another one."""
    headers = [*desk.credentials(), (b"host", b"bolt.localhost")]
    assert 400 <= desk.raw("GET", "/documents", headers).status < 500


@pytest.mark.parametrize("times", [2, 3, 4])
def test_several_authorizations(desk, times):
    """Several Authorization headers are refused, equal or not, in even and odd numbers."""
    host, authorization = desk.credentials()
    assert (401, "not-authenticated") == problem(
        desk.raw("GET", "/documents", [host, *[authorization] * times])
    )
    other = desk.credentials("bolt")[1]
    assert 401 == desk.raw("GET", "/documents", [host, other, authorization]).status


SCHEMES = {
    "none": b"",
    "no token": b"Bearer",
    "no token after a space": b"Bearer ",
    "Basic": b"Basic d3JpdGVyOg==",
    "two tokens": b"Bearer a.b.c d.e.f",
    "a list": b"Bearer a.b.c, Bearer d.e.f",
    "no space": b"Bearera.b.c",
    "no UTF-8": b"Bearer \xff\xfe.\xff.\xff",
    "NUL": b"Bearer a.b.c\0",
    "20 kB": b"Bearer " + b"a" * 20_480,
    "alg none": f"Bearer {encoded({'alg': 'none', 'typ': 'at+jwt'})}.{encoded({'sub': 'writer'})}.".encode(),
}


@pytest.mark.parametrize("given", SCHEMES.values(), ids=SCHEMES)
def test_other_authorizations(desk, given):
    """An Authorization header that is no bearer token, or no good one, is 401 with a challenge."""
    answer = desk.raw("GET", "/documents", [(b"host", b"acme.localhost"), (b"authorization", given)])
    assert problem(answer)[0] == 401
    assert ["Bearer"] == answer.header("www-authenticate")


@pytest.mark.parametrize("spelled", [b"bearer %s", b"BEARER %s", b"Bearer    %s", b"Bearer %s   "])
def test_the_scheme_in_any_case(desk, spelled):
    """The scheme's case and the number of spaces make no difference (RFC 9110, 11.1)."""
    host, (name, value) = desk.credentials()
    assert (
        200 == desk.raw("GET", "/documents", [host, (name, spelled % value.removeprefix(b"Bearer "))]).status
    )


def test_what_is_wrong_with_a_token_is_not_told(desk):
    """The answers to an expired, a forged and a foreign token are the same."""
    header, claims, signature = desk.kit.tokens.issue("writer", desk.tenants["acme"]).split(".")
    bodies = set()
    for token in (f"{header}.{claims}.{signature[::-1]}", f"{header}.{claims[::-1]}.{signature}", "garbage"):
        answer = desk.raw("GET", "/documents", [(b"authorization", f"Bearer {token}".encode())])
        bodies.add((answer.status, answer.body))
    assert 1 == len(bodies)
    assert 3 == len({event.details["why"] for event in central_events(desk.kit, "request.refused")})


def test_a_foreign_row_is_no_row(desk):
    """The answers to a foreign and to a missing row are equal to the last byte and header."""
    with desk.kit.scope("bolt"):
        document = Document(name="bolt's")
        desk.kit.session().add(document)
        desk.kit.session().commit()
        foreign = document.id
    answers = [desk.ask("GET", f"/document?document_id={number}") for number in (foreign, 999_999)]
    assert answers[0].body == answers[1].body
    names = [[name for name, _ in answer.headers] for answer in answers]
    assert ((404, 404), names[0]) == (tuple(answer.status for answer in answers), names[1])
    assert (404, "not-found") == problem(answers[0])


@pytest.mark.parametrize("given", ["a", "A-1_b.c:d", "x" * 100, str(uuid.UUID(int=7))])
def test_a_sound_request_id_comes_back(desk, given):
    """A request id of the usual letters is kept."""
    headers = [*desk.credentials(), (b"x-request-id", given.encode())]
    assert [given] == desk.raw("GET", "/documents", headers).header("x-request-id")


HOSTILE_IDS = [
    b"",
    b" ",
    b"a b",
    b"a\n",
    b"a\r\nset-cookie: x",
    b"<script>",
    b"x" * 101,
    b"\xff",
    "ä".encode(),
    b"a;b",
    b"\0",
]


@pytest.mark.parametrize("given", HOSTILE_IDS, ids=repr)
@pytest.mark.parametrize("signed_in", [True, False], ids=["token", "no token"])
def test_a_hostile_request_id_is_replaced(desk, given, signed_in):
    """Any other request id is replaced by a new one, in good and in refused answers."""
    headers = [*(desk.credentials() if signed_in else []), (b"x-request-id", given)]
    (found,) = desk.raw("GET", "/documents", headers).header("x-request-id")
    assert 7 == uuid.UUID(found).version


HOSTS = st.one_of(
    st.binary(max_size=60),
    st.from_regex(rb"[a-z0-9-]{0,20}\.localhost(:[0-9]{0,6})?", fullmatch=True),
    st.sampled_from([b"acme.localhost", b"bolt.localhost", b"localhost", b"bolt.localhost:1"]),
)
PARTS = st.one_of(st.binary(max_size=30), st.just(encoded({"alg": "none", "typ": "at+jwt"}).encode()))
AUTHORIZATIONS = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda parts: b"Bearer " + b".".join(parts), st.lists(PARTS, min_size=1, max_size=5)),
    st.just(b"ACME"),
)
NAMES = st.sampled_from(
    [b"host", b"Host", b"authorization", b"Authorization", b"x-request-id", b"X-Request-ID"]
)
REQUESTS = st.lists(
    st.one_of(
        st.tuples(st.just(b"host"), HOSTS),
        st.tuples(st.just(b"authorization"), AUTHORIZATIONS),
        st.tuples(st.just(b"x-request-id"), st.binary(max_size=120)),
        st.tuples(NAMES, st.binary(max_size=20)),
    ),
    max_size=6,
)


@given(headers=REQUESTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_an_error_or_a_leak(desk, headers):
    """Whatever the headers: never a 5xx, never another tenant's row, and 200 only with acme's token alone."""
    if "prepared" not in vars(desk):
        desk.prepared = True
        with desk.kit.scope("bolt"):
            desk.kit.session().add(Document(name=SECRET_OF_BOLT))
            desk.kit.session().commit()
    token = desk.credentials()[1][1]
    sent = [(name, token if value == b"ACME" else value) for name, value in headers]
    answer = desk.portal.call(call, desk.app, "GET", "/documents", sent)
    assert answer.status in (200, 400, 401, 403, 404)
    assert SECRET_OF_BOLT.encode() not in answer.body
    said = [value for name, value in sent if name.lower() == b"authorization"]
    if answer.status == 200:
        assert [token] == said
        assert json.loads(answer.body) == {"tenant": "acme", "names": []}
    else:
        problem(answer)
    assert 0 == desk.left_behind
