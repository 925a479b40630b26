"""The OpenAPI document."""

import json

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.openapi.models import OpenAPI

from tenantkit.adapters.fastapi import Tenancy
from tests.integration.office import Place, make_kit

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@pytest.fixture(scope="module")
def document():
    """Give the document of an application, whose kit connects to nothing."""
    kit = make_kit(Place("sqlite", "sqlite:///nowhere.db", "sqlite:///nowhere.db"))
    app = FastAPI()
    tenancy = Tenancy(app, kit, public=["/health"])
    router = APIRouter(prefix="/router", dependencies=[tenancy.requires("documents:read")])
    for path, dependencies in {
        "/plain": [],
        "/guarded": [tenancy.requires("documents:read")],
        "/metered": [tenancy.consumes("documents")],
        "/both": [tenancy.requires("documents:write"), tenancy.consumes("documents", 2)],
        "/of/{document_id}": [],
    }.items():
        handler = (lambda document_id: None) if "{" in path else (lambda: None)
        app.post(path, dependencies=dependencies)(handler)
        router.post(path, dependencies=dependencies)(handler)
    app.get("/health")(lambda: None)
    app.get("/hidden", include_in_schema=False)(lambda: None)
    app.include_router(router)
    return json.loads(json.dumps(app.openapi()))


EXPECTED = {
    "/plain": {308, 400, 401, 403, 404, 503},
    "/guarded": {308, 400, 401, 403, 404, 503},
    "/metered": {308, 400, 401, 402, 403, 404, 503},
    "/both": {308, 400, 401, 402, 403, 404, 503},
    "/of/{document_id}": {308, 400, 401, 403, 404, 503},
}


@pytest.mark.parametrize("prefix", ["", "/router"])
@pytest.mark.parametrize("path", EXPECTED)
def test_every_answer_is_documented(document, prefix, path):
    """Each operation shows the problem answers it can give, by what it requires and consumes, and no other."""
    operation = document["paths"][prefix + path]["post"]
    problems = {
        int(status) for status, answer in operation["responses"].items() if answer.get("content") == PROBLEM
    }
    assert EXPECTED[path] == problems
    assert all(operation["responses"][str(status)]["description"] for status in problems)


@pytest.mark.parametrize("prefix", ["", "/router"])
@pytest.mark.parametrize("path", EXPECTED)
def test_every_operation_needs_a_token(document, prefix, path):
    """Each operation names the scheme of the bearer token."""
    assert [{"tenantkit": []}] == document["paths"][prefix + path]["post"]["security"]


def test_public_paths_are_documented_as_such(document):
    """A public path asks for nothing and shows no problem."""
    operation = document["paths"]["/health"]["get"]
    assert ("security" in operation, {"200"}) == (False, set(operation["responses"]))
    assert "/hidden" not in document["paths"]


def test_the_scheme(document):
    """The scheme is a JWT as bearer token."""
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert {"tenantkit": scheme} == document["components"]["securitySchemes"]


def references(part):
    """Yield every reference in a document."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def test_the_document_is_sound(document):
    """The document has the shape of OpenAPI 3.1, its references lead somewhere, its ids are unique."""
    assert OpenAPI.model_validate(document).openapi.startswith("3.1")
    for reference in references(document):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations))


def test_the_schema_of_problems(document):
    """The schema of a problem names what is always there and what an upgrade needs."""
    schema = document["components"]["schemas"]["Problem"]
    assert {"type", "title", "status"} == set(schema["required"])
    assert {"permission", "usage", "limit", "upgrade_url"} <= set(schema["properties"])


def test_it_is_made_once():
    """Asking twice gives the same document, and the application's own parts of it stay."""
    kit = make_kit(Place("sqlite", "sqlite:///nowhere.db", "sqlite:///nowhere.db"))
    app = FastAPI(title="Office", version="7")
    Tenancy(app, kit)

    @app.get("/x", responses={418: {"description": "A teapot."}})
    def teapot() -> None:
        """Never run."""

    first = app.openapi()
    assert first is app.openapi()
    assert ("Office", "7") == (first["info"]["title"], first["info"]["version"])
    assert "A teapot." == first["paths"]["/x"]["get"]["responses"]["418"]["description"]


def test_answers_of_ones_own_stay():
    """What an operation says itself of a status is not replaced."""
    kit = make_kit(Place("sqlite", "sqlite:///nowhere.db", "sqlite:///nowhere.db"))
    app = FastAPI()
    Tenancy(app, kit)
    app.get("/x/{y}", responses={404: {"description": "My own words."}})(lambda y: None)
    responses = app.openapi()["paths"]["/x/{y}"]["get"]["responses"]
    assert "My own words." == responses["404"]["description"]
