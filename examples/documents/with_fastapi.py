"""The product behind FastAPI: `uvicorn with_fastapi:app`."""

from typing import Any

import service
from fastapi import FastAPI
from models import Document
from pydantic import BaseModel

from tenantkit.adapters.fastapi import Tenancy

app = FastAPI(title="Documents")
tenancy = Tenancy(app, service.kit, central=["/me"], health="/health")

read, write = tenancy.requires("documents:read"), tenancy.requires("documents:write")


class NewFolder(BaseModel):
    """What a new folder is called."""

    name: str


class NewDocument(BaseModel):
    """What a new document is called."""

    title: str


class NewMember(BaseModel):
    """Who is to be a member, and as what."""

    user: str
    role: str


@app.get("/me")
def me(actor: Tenancy.Actor) -> dict[str, Any]:
    """Say who asks, of whatever organization."""
    return {"user": actor.id}


@app.get("/summary", dependencies=[read])
def summary(session: Tenancy.Session) -> dict[str, Any]:
    """Show what the organization uses of its plan."""
    return service.summary(session)


@app.get("/folders", dependencies=[read])
def folders(session: Tenancy.Session) -> list[dict[str, Any]]:
    """List the folders."""
    return service.list_folders(session)


@app.post("/folders", dependencies=[write], status_code=201)
def add_folder(body: NewFolder, session: Tenancy.Session) -> dict[str, Any]:
    """Add a folder."""
    return service.add_folder(session, body.name)


@app.get("/folders/{folder_id}/documents", dependencies=[read])
def documents(folder_id: int, session: Tenancy.Session) -> list[dict[str, Any]]:
    """List the documents of a folder."""
    return service.list_documents(session, folder_id)


@app.post(
    "/folders/{folder_id}/documents", dependencies=[write, tenancy.consumes("documents")], status_code=201
)
def add_document(folder_id: int, body: NewDocument, session: Tenancy.Session) -> dict[str, Any]:
    """Add a document, as far as the plan allows."""
    return service.add_document(session, folder_id, body.title)


@app.get("/documents/{document_id}", dependencies=[read])
def document(document_id: int, session: Tenancy.Session) -> dict[str, Any]:
    """Show a document."""
    return service.show_document(session, document_id)


@app.delete(
    "/documents/{document_id}",
    dependencies=[tenancy.owns(Document, by="author", key="document_id", unless="documents:manage")],
    status_code=204,
)
def delete_document(document_id: int, session: Tenancy.Session) -> None:
    """Delete a document of one's own."""
    service.delete_document(session, document_id)


@app.get("/members", dependencies=[read])
def members(session: Tenancy.Session) -> list[dict[str, Any]]:
    """List the members."""
    return service.list_members(session)


@app.post("/members", dependencies=[tenancy.requires("members:manage")], status_code=201)
def add_member(body: NewMember, session: Tenancy.Session) -> dict[str, Any]:
    """Add a member."""
    return service.add_member(session, body.user, body.role)
