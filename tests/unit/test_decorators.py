"""Functions that are refused before they run, whoever calls them."""

import inspect

import pytest

from tenantkit import Actor, Scope, Tenant
from tenantkit.core.scope import enter
from tenantkit.exceptions import (
    ConfigurationError,
    NotTheOwner,
    PermissionDenied,
    RoleRequired,
    ScopeRequired,
)
from tenantkit.kit import KitQuestions
from tenantkit.rbac import Authorizer, Matrix, Role, Rule, owner_of

pytestmark = pytest.mark.anyio
MATRIX = Matrix(
    {"documents:read": "", "documents:update": "", "documents:delete": ""},
    {
        "reader": ["documents:read"],
        "writer": Role("writer", (Rule("documents:update", when=owner_of("author")),), includes=("reader",)),
        "owner": ["*"],
    },
)
OWN, FOREIGN = {"author": "ann"}, {"author": "bob"}


class Access(KitQuestions):
    """Questions without a kit."""

    authorizer = Authorizer(MATRIX)


access = Access()


def scope(*roles):
    """Return a scope of Ann's."""
    return Scope(Tenant(1, "acme"), Actor("ann"), roles=frozenset(roles))


async def called(function, *arguments, **named):
    """Call a function, sync or async."""
    found = function(*arguments, **named)
    return await found if inspect.isawaitable(found) else found


def both(decorate):
    """Return a sync and an async function, decorated alike, that note that they ran."""
    ran = []

    @decorate
    def sync(document=None, *, name="x"):
        """Do it."""
        ran.append(name)
        return document, name

    @decorate
    async def asynchronous(document=None, *, name="x"):
        """Do it."""
        ran.append(name)
        return document, name

    return [sync, asynchronous], ran


@pytest.mark.parametrize(
    ("decorate", "roles", "document", "error"),
    [
        (access.requires("documents:read"), ["reader"], None, None),
        (access.requires("documents:delete"), ["reader"], None, PermissionDenied),
        (access.requires("documents:update", on="document"), ["writer"], OWN, None),
        (access.requires("documents:update", on="document"), ["writer"], FOREIGN, PermissionDenied),
        (access.requires("documents:update"), ["writer"], OWN, PermissionDenied),
        (access.requires("documents:update", some=True), ["writer"], None, None),
        (access.requires("documents:update", some=True), ["reader"], None, PermissionDenied),
        (access.requires_any("documents:delete", "documents:read"), ["reader"], None, None),
        (access.requires_any("documents:delete", "documents:update"), ["writer"], None, PermissionDenied),
        (access.requires_any("documents:delete", "documents:update", on="document"), ["writer"], OWN, None),
        (access.requires_role("reader"), ["reader"], None, None),
        (access.requires_role("reader"), ["writer"], None, None),  # which includes it
        (access.requires_role("writer", "owner"), ["reader"], None, RoleRequired),
        (access.requires_role("reader"), [], None, RoleRequired),
        (access.owns("document", by="author"), ["reader"], OWN, None),
        (access.owns("document", by="author"), ["owner"], FOREIGN, NotTheOwner),
        (access.owns("document", by="author", unless="documents:delete"), ["owner"], FOREIGN, None),
        (access.owns("document", by="author", unless="documents:delete"), ["writer"], FOREIGN, NotTheOwner),
        (access.owns("document", by="editor"), ["reader"], OWN, NotTheOwner),
    ],
)
async def test_who_may(decorate, roles, document, error):
    """A function runs for who may, whatever it is given besides, and for nobody else; sync and async alike."""
    document = Document(**document) if document else None
    functions, ran = both(decorate)
    for function in functions:
        with enter(scope(*roles)):
            if error is None:
                assert (document, "y") == await called(function, document, name="y")
            else:
                with pytest.raises(error):
                    await called(function, document)
    assert ([] if error else ["y", "y"]) == ran


class Document:
    """A document."""

    def __init__(self, author):
        self.author = author


async def test_outside_of_a_scope_nobody_may():
    """Where nobody is known the function does not run."""
    functions, ran = both(access.requires("documents:read"))
    for function in functions:
        with pytest.raises(ScopeRequired):
            await called(function)
    assert [] == ran


async def test_a_resource_has_to_be_given():
    """A function that is asked about nothing is an error, and no question about everything."""
    functions, ran = both(access.requires("documents:read", on="document"))
    for function in functions:
        with enter(scope("reader")), pytest.raises(ConfigurationError, match="given no 'document'"):
            await called(function)
    assert [] == ran


async def test_the_function_stays_what_it_is():
    """Name, words and kind are those of the function; a generator is refused before its first step."""
    functions, _ = both(access.requires("documents:read"))
    assert ["sync", "asynchronous"] == [one.__name__ for one in functions]
    assert ["Do it."] * 2 == [one.__doc__ for one in functions]
    assert [False, True] == [inspect.iscoroutinefunction(one) for one in functions]

    @access.requires("documents:read")
    def pages():
        yield 1

    with enter(scope("reader")):
        assert [1] == list(pages())
    with enter(scope()), pytest.raises(PermissionDenied):
        pages()


@pytest.mark.parametrize(
    ("decorate", "why"),
    [
        (lambda: access.requires("documents:raed"), "'documents:raed' is not declared. Did you mean"),
        (lambda: access.requires_any("documents:read", "documents:wirte"), "is not declared"),
        (access.requires_any, "name one at least"),
        (lambda: access.requires(test_who_may), "A permission is a text"),
        (lambda: access.requires_role("onwer"), "no role 'onwer'. Did you mean 'owner'"),
        (access.requires_role, "name one at least"),
        (lambda: access.owns("document", by="author", unless="documents:dlete"), "is not declared"),
        (lambda: access.owns("page", by="author")(test_what_is_wrong_ends_the_start), "no parameter 'page'"),
        (lambda: access.requires("documents:read", on="page")(test_who_may), "no parameter 'page'"),
    ],
)
def test_what_is_wrong_ends_the_start(decorate, why):
    """A name that there is not is an error where the function is decorated, and not when it is called."""
    with pytest.raises(ConfigurationError, match=why):
        decorate()
