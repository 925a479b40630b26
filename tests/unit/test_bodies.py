"""How much of a body is read."""

import io

import pytest

from tenantkit.adapters.heads import asgi_body, wsgi_body

MOST = 10


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("5", b"aaaaa"),
        ("10", b"a" * 10),
        ("", b""),
        (None, b""),
        ("11", None),
        ("1" * 5000, None),
        ("-1", None),
        ("x", None),
        ("\N{SUPERSCRIPT TWO}", None),
    ],
)
def test_a_body_of_wsgi(length, expected):
    """As much as its length says is read, and nothing of one that is longer or says nothing that can be read."""
    environ = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"a" * 100)}
    assert expected == wsgi_body(environ, MOST)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("parts", "expected", "left"),
    [
        ([b""], b"", 0),
        ([b"a" * 5, b"b" * 5], b"aaaaabbbbb", 0),
        ([b"a" * 11], None, 0),
        ([b"a" * 6, b"b" * 6, b"c", b"d"], None, 2),
    ],
)
async def test_a_body_of_asgi(parts, expected, left):
    """Parts are joined; one that is longer is not read to its end."""
    waiting = [{"type": "http.request", "body": one, "more_body": one is not parts[-1]} for one in parts]

    async def receive():
        return waiting.pop(0)

    assert expected == await asgi_body(receive, MOST)
    assert left == len(waiting)


@pytest.mark.anyio
async def test_a_client_that_left():
    """It says no more."""

    async def receive():
        return {"type": "http.disconnect"}

    assert b"" == await asgi_body(receive, MOST)
