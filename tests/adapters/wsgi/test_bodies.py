"""The middleware around applications of every shape that PEP 3333 allows."""

import json

import pytest

from tenantkit import current
from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import RowNotFound
from tests.integration.office import Document, Page, make_kit

HTML = [("Content-Type", "text/plain")]


def write(kit, name="a"):
    """Write a document."""
    kit.session().add(Document(name=name))
    kit.session().flush()


def dangle(kit):
    """Link a page to a document that is not there, which the flush of the commit finds."""
    kit.session().add(Page(document_id=123456, text="t"))


def test_an_application_that_starts_when_it_is_read(gate, kit, documents):
    """A generator starts its answer with its first part; it is committed then, and its headers are complete."""

    def app(_environ, start_response):
        write(kit)
        start_response("200 OK", HTML)
        yield current().tenant.slug.encode()

    answer = gate.call(app)
    assert (200, b"acme", 1) == (answer.status, answer.body, documents())
    assert "x-request-id" in dict(answer.starts[0][1])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_late_answer_that_cannot_be_kept(gate, kit, documents, count):
    """It is replaced by the problem, whole and once, however many parts were to come."""

    def app(_environ, start_response):
        write(kit)
        dangle(kit)
        start_response("200 OK", HTML)
        for _ in range(count):
            yield b"kept"

    answer = gate.call(app)
    assert (404, 1, 0) == (answer.status, len(answer.starts), documents())
    assert "urn:tenantkit:problem:not-found" == json.loads(answer.body)["type"]


def test_an_answer_that_cannot_be_kept(gate, kit, documents):
    """The same where the answer is started before the body is returned; the body that nobody reads is closed."""
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"kept"])

        def close(self):
            closed.append(current().tenant.slug)

    def app(_environ, start_response):
        dangle(kit)
        start_response("200 OK", HTML)(b"written")
        return Body()

    answer = gate.call(app)
    assert (404, 1, ["acme"]) == (answer.status, len(answer.starts), closed)
    assert b"written" not in answer.body
    assert 0 == documents()


def test_writing_by_hand(gate, kit, documents):
    """What `write` sends is sent."""

    def app(_environ, start_response):
        write(kit)
        start_response("200 OK", HTML)(b"one ")
        return [b"two"]

    assert b"one two" == gate.call(app).body
    assert 1 == documents()


def test_an_error_after_the_start(gate, kit):
    """An application may start again with the error that came between, as long as nothing is sent."""

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        error = ZeroDivisionError()
        start_response("500 Oh", HTML, (type(error), error, None))
        return [b"oh"]

    assert ["200 OK", "500 Oh"] == [status for status, _ in gate.call(app).starts]


def test_an_error_of_ours_that_nobody_answers(gate, kit, documents):
    """It is answered by the middleware: an application needs no handler."""

    def app(_environ, _start_response):
        write(kit)
        raise RowNotFound("There is none.")

    answer = gate.call(app)
    assert (404, "There is none.", 0) == (answer.status, json.loads(answer.body)["detail"], documents())


def test_another_error_that_nobody_answers(gate, kit, documents):
    """It reaches the server, undone and recorded."""

    def app(_environ, _start_response):
        write(kit)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gate.call(app)
    with kit.scope("acme"):
        assert ["request.failed"] == [event.action for event in kit.audit.latest()]
    assert 0 == documents()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_process_that_ends(gate, kit, documents, error):
    """What is no error of the application undoes the request, too."""

    def app(_environ, _start_response):
        write(kit)
        raise error

    with pytest.raises(error):
        gate.call(app)
    assert 0 == documents()


def test_a_body_that_is_cut_off(gate, kit, documents):
    """A body that is closed before its end is undone from where the answer began."""

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        for number in range(3):
            write(kit, f"part {number}")
            yield b"part"

    gate.call(app, parts=2)
    assert 0 == documents()
    gate.call(app)
    assert 3 == documents()


def test_closing(gate, kit):
    """`close` of the body is called once, in the scope."""
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"a"])

        def close(self):
            closed.append(current().tenant.slug)

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        return Body()

    answer = gate.call(app)
    assert (b"a", ["acme"]) == (answer.body, closed)


def test_a_close_that_fails(gate, kit, documents):
    """Its error reaches the server; what the body wrote is undone."""

    class Body:
        def __iter__(self):
            write(kit)
            yield b"a"

        def close(self):
            raise ZeroDivisionError

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        return Body()

    with pytest.raises(ZeroDivisionError):
        gate.call(app)
    assert 0 == documents()


def test_nothing_is_left_in_the_thread(gate, kit):
    """The thread of the server is in no scope: not between two parts, nor when a body is never closed."""

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        for _ in range(3):
            yield current().tenant.slug.encode()

    assert b"acme" == gate.call(app, parts=1, close=False).body
    assert current_or_none() is None


def test_two_kits(gate, kit, place_of_another, acme):
    """An application of another kit, mounted in the first one's, is in its own kit's scope, and then is not."""
    from tenantkit.adapters.wsgi import EXCHANGE_KEY, TenancyMiddleware

    seen = []

    def inner(environ, start_response):
        seen.append((environ[EXCHANGE_KEY].kit, current().tenant.slug))
        start_response("200 OK", HTML)
        return [b"inner"]

    other, token = place_of_another
    wrapped = TenancyMiddleware(inner, other)

    def outer(environ, start_response):
        body = wrapped({**environ, "HTTP_AUTHORIZATION": f"Bearer {token}"}, start_response)
        seen.append((environ[EXCHANGE_KEY].kit, current().tenant.slug))
        return body

    assert b"inner" == gate.call(outer).body
    assert [(other, "acme"), (kit, "acme")] == seen


def test_the_same_kit_twice(gate, kit):
    """A mounted application of the same kit runs in the scope that is there: nothing is identified twice."""
    from tenantkit.adapters.wsgi import TenancyMiddleware

    scopes = []

    def inner(_environ, start_response):
        scopes.append(current())
        start_response("200 OK", HTML)
        return [b"inner"]

    def outer(environ, start_response):
        scopes.append(current())
        return TenancyMiddleware(inner, kit)(environ, start_response)

    assert b"inner" == gate.call(outer).body
    assert scopes[0] is scopes[1]


@pytest.mark.parametrize(
    ("further", "status"),
    [
        ({"HTTP_AUTHORIZATION": None}, 401),
        ({"HTTP_AUTHORIZATION": "Bearer a,Bearer b"}, 401),
        ({"HTTP_HOST": None}, 200),
        ({"HTTP_HOST": ""}, 400),
        ({"HTTP_HOST": "acme.localhost,bolt.localhost"}, 400),
        ({"HTTP_HOST": "bolt.localhost"}, 404),
        ({"PATH_INFO": "/\xff\xfe\x00"}, 200),
        ({"PATH_INFO": ""}, 200),
        ({"PATH_INFO": None, "SCRIPT_NAME": None, "REMOTE_ADDR": None}, 200),
        ({"HTTP_X_REQUEST_ID": "a\r\nb"}, 200),
    ],
    ids=repr,
)
def test_hostile_environments(gate, further, status):
    """What a client can put into the environment is refused or harmless, and never an error of the server."""

    def app(_environ, start_response):
        start_response("200 OK", HTML)
        return [b"a"]

    answer = gate.call(app, **further)
    assert status == answer.status
    assert "\r" not in dict(answer.starts[-1][1])["x-request-id"]


@pytest.fixture
def place_of_another(database, acme):
    """Another kit on the same database, with a token that it issued."""
    made = make_kit(database, token_audience="another")
    yield made, made.tokens.issue("writer", acme)
    made.dispose()
