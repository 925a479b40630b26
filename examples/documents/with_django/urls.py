"""The views and their paths."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_http_methods
from pydantic import BaseModel, ValidationError

from tenantkit.adapters.django import tenancy

from . import service
from .models import Document

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


def invalid(error: ValidationError) -> JsonResponse:
    """Say what is wrong with a body."""
    return JsonResponse({"detail": error.errors(include_url=False, include_input=False)}, status=422)


def by_method(**views: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """Return one view for the methods of a path; a body that is not valid is a 422."""

    @require_http_methods(list(views))
    def view(request: HttpRequest, **given: Any) -> HttpResponse:
        try:
            return views[request.method or ""](request, **given)
        except ValidationError as error:
            return invalid(error)

    return view


def answered(content: Any, status: int = 200) -> JsonResponse:
    """Return an answer."""
    return JsonResponse(content, status=status, safe=False)


def me(request: HttpRequest) -> JsonResponse:
    """Say who asks, of whatever organization."""
    return answered({"user": tenancy.actor(request).id})


@read
def summary(_request: HttpRequest) -> JsonResponse:
    """Show what the organization uses of its plan."""
    return answered(service.summary())


@read
def folders(_request: HttpRequest) -> JsonResponse:
    """List the folders."""
    return answered(service.list_folders())


@write
def add_folder(request: HttpRequest) -> JsonResponse:
    """Add a folder."""
    body = NewFolder.model_validate_json(request.body)
    return answered(service.add_folder(body.name), 201)


@read
def documents(_request: HttpRequest, folder_id: int) -> JsonResponse:
    """List the documents of a folder."""
    return answered(service.list_documents(folder_id))


@write
@tenancy.consumes("documents")
def add_document(request: HttpRequest, folder_id: int) -> JsonResponse:
    """Add a document, as far as the plan allows."""
    body = NewDocument.model_validate_json(request.body)
    return answered(service.add_document(folder_id, body.title), 201)


@read
def document(_request: HttpRequest, document_id: int) -> JsonResponse:
    """Show a document."""
    return answered(service.show_document(document_id))


@tenancy.owns(Document, by="author", key="document_id", unless="documents:manage")
def delete_document(_request: HttpRequest, document_id: int) -> HttpResponse:
    """Delete a document of one's own."""
    service.delete_document(document_id)
    return HttpResponse(status=204)


@read
def members(_request: HttpRequest) -> JsonResponse:
    """List the members."""
    return answered(service.list_members())


@tenancy.requires("members:manage")
def add_member(request: HttpRequest) -> JsonResponse:
    """Add a member."""
    body = NewMember.model_validate_json(request.body)
    return answered(service.add_member(body.user, body.role), 201)


urlpatterns = [
    path("me", me),
    path("summary", summary),
    path("folders", by_method(GET=folders, POST=add_folder)),
    path("folders/<int:folder_id>/documents", by_method(GET=documents, POST=add_document)),
    path("documents/<int:document_id>", by_method(GET=document, DELETE=delete_document)),
    path("members", by_method(GET=members, POST=add_member)),
]
