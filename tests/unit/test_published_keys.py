"""The keys that a provider publishes."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tenantkit.exceptions import ConfigurationError, KeysUnavailable
from tenantkit.tokens import PublishedKeys
from tenantkit.tokens.published import fetch_document, read_key_set
from tests.unit.clocks import FixedClock
from tests.unit.test_token_keys import jwk_of

URL = "https://login.example.com/keys"
GOOD = jwk_of("RS256", kid="1")
SECOND = jwk_of("RS256", kid="2")


class Provider:
    """A provider that publishes keys, can fail, and counts how often it is asked."""

    def __init__(self, *keys):
        self.keys, self.asked, self.error = list(keys), 0, None

    def __call__(self, url):
        self.asked += 1
        assert URL == url
        if self.error:
            raise self.error
        return json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


def published(provider, clock, **options):
    """Return the keys of a provider."""
    return PublishedKeys(URL, clock=clock, fetch=provider, **options)


def test_keys_are_fetched_once(clock):
    """The first look fetches them, the next ones do not; they are there to verify with."""
    provider = Provider(GOOD, SECOND)
    keys = published(provider, clock)
    assert 0 == provider.asked
    assert ["1", "2", "1"] == [keys.find(name).id for name in "121"]
    assert 1 == provider.asked


def test_old_keys_are_fetched_again(clock):
    """After the lifetime they are fetched again; a key that is gone by then is believed no more."""
    provider = Provider(GOOD, SECOND)
    keys = published(provider, clock)
    keys.find("1")
    provider.keys = [SECOND]
    clock.move(3599)
    assert keys.find("1") is not None
    clock.move(1)
    assert keys.find("1") is None
    assert 2 == provider.asked


def test_an_unknown_key_is_asked_for_with_a_cool_down(clock):
    """A new key is found at once, and strangers who make up keys cause one look in the cool-down."""
    provider = Provider(GOOD)
    keys = published(provider, clock)
    keys.find("1")
    clock.move(60)
    provider.keys.append(SECOND)
    assert keys.find("2").id == "2"
    for number in range(100):
        assert keys.find(f"made up {number}") is None
    assert 2 == provider.asked
    clock.move(60)
    assert keys.find("made up") is None
    assert 3 == provider.asked


def test_known_keys_are_good_while_the_provider_is_away(clock, caplog):
    """A provider that is away is asked once in a cool-down; its keys are believed for as long as they are kept."""
    provider = Provider(GOOD)
    keys = published(provider, clock)
    keys.find("1")
    provider.error = OSError("away")
    clock.move(86_399)
    for _ in range(5):
        assert keys.find("1").id == "1"
    assert 2 == provider.asked
    assert ["the keys at https://login.example.com/keys could not be fetched: away"] == caplog.messages
    clock.move(1)
    with pytest.raises(KeysUnavailable):
        keys.find("1")


def test_without_keys_nobody_knows(clock):
    """Where keys were never fetched, no token is refused as wrong: the answer is 503, and the cool-down holds."""
    provider = Provider()
    provider.error = OSError("away")
    keys = published(provider, clock)
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as caught:
            keys.find("1")
    assert (1, 503) == (provider.asked, caught.value.status)
    provider.error, provider.keys = None, [GOOD]
    clock.move(60)
    assert "1" == keys.find("1").id


def test_a_set_without_good_keys_replaces_nothing(clock):
    """A provider that publishes nonsense does not take away the keys that are known."""
    provider = Provider(GOOD)
    keys = published(provider, clock)
    keys.find("1")
    provider.keys = []
    clock.move(3600)
    assert "1" == keys.find("1").id


def test_one_thread_fetches_and_nobody_waits_for_a_known_key(clock):
    """While one thread fetches, others with a known key go on, and those without get what it fetched."""
    begun, go_on = threading.Event(), threading.Event()
    provider = Provider(GOOD)
    keys = published(provider, clock)
    keys.find("1")

    def slow(_url):
        provider.asked += 1
        begun.set()
        assert go_on.wait(10)
        return json.dumps({"keys": [GOOD, SECOND]}).encode()

    keys._fetch = slow
    clock.move(60)
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.find("2").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    clock.move(3600)  # so that the known key is old, too
    assert "1" == keys.find("1").id
    clock.move(-3600)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (["2"] * 8, 2) == (found, provider.asked)


LEFT_OUT = {
    "for encryption": jwk_of("RS256", kid="x", use="enc"),
    "another algorithm": jwk_of("ES256", kid="x"),
    "not wanted": jwk_of("PS256", kid="x"),
    "secret": {"kty": "oct", "k": "A" * 86, "alg": "HS256", "kid": "x"},
    "private": GOOD | {"kid": "x", "d": "AQAB"},
    "small": {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "x"},
    "no object": "x",
    "no type": {"kid": "x"},
    "kid of no text": GOOD | {"kid": 7},
}


@pytest.mark.parametrize("jwk", LEFT_OUT.values(), ids=LEFT_OUT)
def test_keys_that_may_not_be_used_are_left_out(jwk):
    """One unusable key of a set takes none of the others away."""
    assert ["1"] == [key.id for key in read_key_set(json.dumps({"keys": [jwk, GOOD]}).encode(), ["RS256"])]


def test_a_published_private_key_is_an_error_in_the_log(caplog):
    """A private key that everybody can fetch is not believed, and somebody should know."""
    with pytest.raises(ValueError, match="no key"):
        read_key_set(json.dumps({"keys": [GOOD | {"d": "AQAB"}]}).encode(), ["RS256"])
    assert [logging.ERROR] == [record.levelno for record in caplog.records]


def test_a_key_that_does_not_say_its_algorithm():
    """It is for the first of the algorithms that fits it."""
    bare = [jwk_of("RS256", kid="r", alg=None), jwk_of("ES256", kid="e", alg=None)]
    ring = read_key_set(json.dumps({"keys": bare}).encode(), ["PS256", "RS256", "ES256"])
    assert {"r": "PS256", "e": "ES256"} == {key.id: key.algorithm for key in ring}


def test_of_two_keys_of_one_id_the_first_counts(caplog):
    """Nobody can say which was meant, so the second one is left out, and logged."""
    second = jwk_of("ES256", kid="1")
    ring = read_key_set(json.dumps({"keys": [GOOD, second]}).encode(), ["RS256", "ES256"])
    assert ["RS256"] == [key.algorithm for key in ring]
    assert "two keys" in caplog.text


NO_SETS = {
    "empty": b"",
    "no JSON": b"<html>",
    "no UTF-8": b"\xff",
    "list": b"[]",
    "no keys": b"{}",
    "keys of no list": b'{"keys": {}}',
    "empty set": b'{"keys": []}',
    "too many": json.dumps({"keys": [{}] * 101}).encode(),
    "deep": b'{"keys":' + b"[" * 100_000,
}


@pytest.mark.parametrize("document", NO_SETS.values(), ids=NO_SETS)
def test_what_is_no_key_set(document):
    """It is refused as such, and raises nothing else."""
    with pytest.raises(ValueError, match=r"."):
        read_key_set(document, ["RS256"])


WRONG = {
    "plain http": {"url": "http://login.example.com/keys"},
    "http to a host that begins alike": {"url": "http://localhost.example.com/keys"},
    "a file": {"url": "file:///etc/keys"},
    "no URL": {"url": "keys"},
    "secrets": {"algorithms": ["HS256"]},
    "none": {"algorithms": ["none"]},
    "no algorithms": {"algorithms": []},
    "no cool-down": {"cool_down": 0},
    "a cool-down longer than the lifetime": {"cool_down": 7200},
    "kept for less than their lifetime": {"keep": 60},
    "a time that is none": {"lifetime": float("nan")},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_wrong_configuration_is_refused_at_the_start(options):
    """What cannot work, or is not safe, is an error when it is made."""
    with pytest.raises(ConfigurationError):
        PublishedKeys(**{"url": URL} | options)


# fetching, from a server --------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Answers of a provider, good and bad, by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = {"/good": b"document", "/large": b"x" * 262_145, "/full": b"x" * 262_144}.get(self.path, b"")
        if self.path == "/nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
        elif self.path == "/slow":
            self.server.slow.wait()  # until the test lets it go on
        elif self.path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut")
        else:
            self.send_response({"/moved": 302, "/error": 500}.get(self.path, 200))
            self.send_header("Location", "/good")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    """A provider on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.slow = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", server.slow
    server.slow.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_document_is_fetched(server):
    """Up to 256 kB are read."""
    assert b"document" == fetch_document(f"{server[0]}/good")
    assert 262_144 == len(fetch_document(f"{server[0]}/full"))


@pytest.mark.parametrize("path", ["moved", "error", "large", "nonsense", "cut"])
def test_what_cannot_be_fetched_is_an_oserror(server, path):
    """A redirect, an error, a document that is too large or not whole, and nonsense fail in one way."""
    with pytest.raises(OSError, match=r"."):
        fetch_document(f"{server[0]}/{path}")


def test_a_server_that_takes_its_time_is_left(server, monkeypatch):
    """There is one deadline for all of it, however the server keeps its caller waiting."""
    monkeypatch.setattr("tenantkit.tokens.published._DEADLINE", 0.05)
    with pytest.raises(OSError, match="took more than"):
        fetch_document(f"{server[0]}/slow")
    server[1].set()


def test_who_waits_for_a_slow_provider_is_told_so(clock, monkeypatch):
    """One thread is held by it, and the others are not for long."""
    monkeypatch.setattr("tenantkit.tokens.published._PATIENCE", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def slow(_url):
        begun.set()
        assert go_on.wait(10)
        return json.dumps({"keys": [GOOD]}).encode()

    keys = PublishedKeys(URL, clock=clock, fetch=slow)
    thread = threading.Thread(target=keys.find, args=["1"])
    thread.start()
    assert begun.wait(10)
    with pytest.raises(KeysUnavailable, match="takes long"):
        keys.find("1")
    go_on.set()
    thread.join(10)
    assert "1" == keys.find("1").id


def test_keys_come_from_a_server(server, clock):
    """The default fetches from the URL; what is not there is not available."""
    with pytest.raises(KeysUnavailable):
        PublishedKeys(f"{server[0]}/good", clock=clock).find("1")


def test_a_set_of_one_key_needs_no_id(clock):
    """A token that names no key has the only one."""
    provider = Provider(jwk_of("ES256", kid=None))
    assert "ES256" == published(provider, clock, algorithms=["ES256"]).find(None).algorithm
