"""What goes over the wire: a real server, and clients that do not keep to the rules."""

import json
import socket

import pytest

from tests.adapters.fastapi.service import count_notes


def exchanged(client, *requests):
    """Send bytes over one connection, and return the status and body of each answer."""
    answers = []
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        reader = connection.makefile("rb")
        connection.sendall(b"".join(requests))
        for _ in requests:
            status = reader.readline()
            if not status:
                break
            headers = {}
            while (line := reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            answers.append((int(status.split()[1]), reader.read(int(headers.get(b"content-length", 0)))))
    return answers


def request(client, slug="acme", *more, path="/whoami", host=None, method="GET"):
    """Return a request as bytes; more headers are put as they are."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host or f'{slug}.test'}",
        f"Authorization: Bearer {client.token(slug)}",
        "Content-Length: 0",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_one_connection_of_two_tenants(client):
    """Requests of two tenants on one kept connection, sent before the first is answered, do not mix."""
    slugs = ["acme", "bolt"] * 5
    answers = exchanged(client, *(request(client, slug) for slug in slugs))
    assert slugs == [json.loads(body)["tenant"] for _, body in answers]


def test_a_failure_leaves_the_connection_clean(client):
    """After a failing request another tenant's request over a new connection is served as its own."""
    ((status, _),) = exchanged(client, request(client, "acme", path="/boom", method="POST"))
    ((_, body),) = exchanged(client, request(client, "bolt"))
    assert (500, "bolt") == (status, json.loads(body)["tenant"])


HOSTILE = {
    "two hosts": lambda client: request(client, "acme", "Host: bolt.test"),
    "two authorizations": lambda client: request(client, "acme", "Authorization: Bearer a.b.c"),
    "no host": lambda client: request(client).replace(b"Host: acme.test\r\n", b""),
    "a host in the request line": lambda client: request(client, host="bolt.test").replace(
        b" /", b" http://acme.test/", 1
    ),
    "user and port before": lambda client: request(client, host="evil.com:80@acme.test"),
    "a folded header": lambda client: request(
        client, "acme", "X-A: b\r\n Authorization: c", host="bolt.test"
    ),
    "a header without end": lambda client: request(client, "acme", "X-A: " + "a" * 1_000_000),
    "bytes that are no ASCII": lambda client: request(client, host="\xffcme.test"),
    "not HTTP": lambda _client: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "an unknown method": lambda client: request(client, method="PURGE", path="/notes"),
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
def test_hostile_requests(client, made):
    """A request that breaks the rules is a 4xx, and the server goes on."""
    client.ask("POST", "/notes?text=secret", "bolt")
    for status, body in exchanged(client, made(client)):
        assert 400 <= status < 500
        assert b"secret" not in body
    assert "acme" == client.ask("GET", "/whoami").json()["tenant"]


PATHS = ["/%00", "/notes/%2e%2e/notes", "/notes/1%27%20OR%201=1", "/" + "a" * 20_000, "/%ff%fe", "//notes"]


@pytest.mark.parametrize("path", PATHS, ids=[path[:24] for path in PATHS])
@pytest.mark.parametrize("signed_in", [True, False], ids=["token", "no token"])
def test_hostile_paths(client, path, signed_in):
    """No path is a 5xx or writes anything, with and without a token."""
    sent = request(client, path=path)
    if not signed_in:
        sent = sent.replace(b"Authorization", b"X-Authorization")
    ((status, _),) = exchanged(client, sent)
    assert status in ((404, 422) if signed_in else (401,))
    assert 0 == count_notes(client.kit)
