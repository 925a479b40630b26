"""The FastAPI adapter as a host writes it."""

from typing import assert_type
from uuid import UUID

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenantkit import Scope
from tenantkit.adapters.answers import Answer
from tenantkit.adapters.asgi import TenancyMiddleware
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.exceptions import RowNotFound
from tenantkit.isolation import ScopedSession
from tests.typing.kit import Document, kit

app = FastAPI()
tenancy = Tenancy(app, kit, public=["/health"])
async_tenancy = Tenancy(FastAPI(), kit, sessions="async")
Tenancy(app, kit, sessions="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
TenancyMiddleware(app, kit, paths=Paths(public=["/health"]))


class NewDocument(BaseModel):
    """What a client sends."""

    name: str


class DocumentOut(BaseModel):
    """What a client is shown."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str


@app.post("/documents", dependencies=[tenancy.requires("documents:create"), tenancy.consumes("documents")])
def upload(body: NewDocument, session: Tenancy.Session) -> DocumentOut:
    """Write a row, without naming a tenant."""
    assert_type(session, ScopedSession)
    document = Document(name=body.name)
    session.add(document)
    kit.audit.record("document.uploaded", document)
    return DocumentOut.model_validate(document)


@app.get("/documents/{document_id}")
def show(document_id: UUID, session: Tenancy.Session, scope: Tenancy.Scope) -> DocumentOut:
    """Read a row."""
    assert_type(scope, Scope)
    document = session.get(Document, document_id)
    if document is None:
        raise RowNotFound(f"There is no document {document_id}.")
    return DocumentOut.model_validate(document)


@app.get("/names")
async def names(session: Tenancy.AsyncSession) -> list[str]:
    """Read rows in the loop."""
    assert_type(session, AsyncSession)
    return list(await session.scalars(select(Document.name)))


problem = problem_of(RowNotFound("gone"))
assert_type(problem, Answer)
assert_type(problem.body, bytes)
