"""The product behind Flask: `flask --app with_flask run`."""

from typing import Any

import service
from flask import Flask, jsonify, request
from models import Document
from pydantic import BaseModel, ValidationError

from tenantkit.adapters.flask import Tenancy

app = Flask("documents")
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


@app.errorhandler(ValidationError)
def invalid(error: ValidationError) -> Any:
    """Say what is wrong with a body."""
    return jsonify(detail=error.errors(include_url=False, include_input=False)), 422


@app.get("/me")
def me() -> Any:
    """Say who asks, of whatever organization."""
    return {"user": tenancy.actor.id}


@app.get("/summary")
@read
def summary() -> Any:
    """Show what the organization uses of its plan."""
    return service.summary(tenancy.session)


@app.get("/folders")
@read
def folders() -> Any:
    """List the folders."""
    return service.list_folders(tenancy.session)


@app.post("/folders")
@write
def add_folder() -> Any:
    """Add a folder."""
    body = NewFolder.model_validate(request.get_json())
    return service.add_folder(tenancy.session, body.name), 201


@app.get("/folders/<int:folder_id>/documents")
@read
def documents(folder_id: int) -> Any:
    """List the documents of a folder."""
    return service.list_documents(tenancy.session, folder_id)


@app.post("/folders/<int:folder_id>/documents")
@write
@tenancy.consumes("documents")
def add_document(folder_id: int) -> Any:
    """Add a document, as far as the plan allows."""
    body = NewDocument.model_validate(request.get_json())
    return service.add_document(tenancy.session, folder_id, body.title), 201


@app.get("/documents/<int:document_id>")
@read
def document(document_id: int) -> Any:
    """Show a document."""
    return service.show_document(tenancy.session, document_id)


@app.delete("/documents/<int:document_id>")
@tenancy.owns(Document, by="author", key="document_id", unless="documents:manage")
def delete_document(document_id: int) -> Any:
    """Delete a document of one's own."""
    service.delete_document(tenancy.session, document_id)
    return "", 204


@app.get("/members")
@read
def members() -> Any:
    """List the members."""
    return service.list_members(tenancy.session)


@app.post("/members")
@tenancy.requires("members:manage")
def add_member() -> Any:
    """Add a member."""
    body = NewMember.model_validate(request.get_json())
    return service.add_member(tenancy.session, body.user, body.role), 201
