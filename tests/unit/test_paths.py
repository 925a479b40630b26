"""Which paths need a tenant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.adapters.paths import Paths
from tenantkit.exceptions import ConfigurationError

PATHS = Paths(
    public=["/", "/about", "/static/*"],
    central=["/organizations", "/static/private/*"],
    optional=["/welcome"],
    health="/health/",
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "public"),
        ("/about", "public"),
        ("/about/", "tenant"),
        ("/about/us", "tenant"),
        ("/aboutus", "tenant"),
        ("/About", "tenant"),
        ("/static", "public"),
        ("/static/", "public"),
        ("/static/a/b.css", "public"),
        ("/staticfile", "tenant"),
        ("/static/private", "central"),
        ("/static/private/a", "central"),
        ("/static/privateer", "public"),
        ("/organizations", "central"),
        ("/welcome", "optional"),
        ("/health/live", "live"),
        ("/health/ready", "ready"),
        ("/health", "tenant"),
        ("", "tenant"),
        ("static/a", "tenant"),
        ("//static/a", "tenant"),
        ("/documents", "tenant"),
    ],
)
def test_kinds(path, kind):
    """Exact paths and those below ``/*``; the longest that fits decides, and all others need a tenant."""
    assert kind == PATHS.kind(path)


def test_everything_may_be_public():
    """``/*`` stands for every path, and a longer one still decides."""
    paths = Paths(public=["/*"], central=["/api/*"])
    assert ["public", "public", "central"] == [paths.kind(path) for path in ("/", "/a/b", "/api/a")]


def test_one_path_may_be_given_as_text():
    """A text is one path, not its letters."""
    assert "public" == Paths(public="/about").kind("/about")


@pytest.mark.parametrize("path", ["about", "", "*", "/a*", "/*/a", "/a/**"])
def test_what_is_no_path(path):
    """A pattern of another form is an error when it is declared, and not a path that never fits."""
    with pytest.raises(ConfigurationError, match="cannot be declared"):
        Paths(public=[path])


@pytest.mark.parametrize("path", ["", "/", "context", "/a/*", "/access/v1/evaluation"])
def test_what_is_no_path_of_a_context(path):
    """The context's path is one path, and none of the others that have a meaning."""
    with pytest.raises(ConfigurationError, match="cannot be the path of a context"):
        Paths(context=path)


@pytest.mark.parametrize(
    "declared",
    [
        {"public": ["/a"], "central": ["/a"]},
        {"public": ["/a/*"], "central": ["/a"]},
        {"public": ["/a/*"], "optional": ["/a/*"]},
        {"public": ["/health/live"], "health": "/health"},
    ],
)
def test_a_path_of_two_kinds(declared):
    """What is declared twice, and differently, is an error."""
    with pytest.raises(ConfigurationError, match="Leave one of them out"):
        Paths(**declared)


@pytest.mark.hostile
@given(st.text())
def test_any_path_has_a_kind(path):
    """No path makes an error, and none is public that does not begin with a declared one."""
    if PATHS.kind(path) == "public":
        assert path in {"/", "/about", "/static"} or path.startswith("/static/")
