"""What the product does, in the scope of a request; no framework's request is seen, and no tenant passed."""

from typing import Any

from tenantkit import current
from tenantkit.adapters.django import tenancy
from tenantkit.adapters.django.models import Membership
from tenantkit.exceptions import RowNotFound

from .models import Document, Folder


def list_folders() -> list[dict[str, object]]:
    """Return the folders of the organization."""
    return list(Folder.objects.order_by("name").values("id", "name"))


def add_folder(name: str) -> dict[str, object]:
    """Add a folder."""
    folder = Folder.objects.create(name=name)
    tenancy.kit.audit.record("folder.created", f"folder:{folder.pk}")
    return {"id": folder.pk, "name": folder.name}


def list_documents(folder_id: int) -> list[dict[str, object]]:
    """Return the documents of a folder."""
    folder = found(Folder, folder_id)
    return [described(document) for document in folder.document_set.order_by("id")]


def add_document(folder_id: int, title: str) -> dict[str, object]:
    """Add a document of the actor's to a folder."""
    folder = found(Folder, folder_id)
    document = Document.objects.create(folder=folder, title=title, author=current().actor.id)
    tenancy.kit.audit.record("document.created", f"document:{document.pk}")
    return described(document)


def show_document(document_id: int) -> dict[str, object]:
    """Return a document."""
    return described(found(Document, document_id))


def delete_document(document_id: int) -> None:
    """Take a document out of sight."""
    document = found(Document, document_id)
    document.deleted_at = tenancy.kit.clock.now()
    document.save(update_fields=["deleted_at"])
    tenancy.kit.audit.record("document.deleted", f"document:{document.pk}")


def list_members() -> list[dict[str, object]]:
    """Return the members of the organization."""
    return [{"user": one.user_id, "roles": one.roles} for one in Membership.objects.order_by("user_id")]


def add_member(user: str, role: str) -> dict[str, object]:
    """Make a user a member of the organization."""
    tenancy.kit.directory.add_member(tenancy.session, current().tenant, user, [role])
    tenancy.kit.audit.record("member.added", f"user:{user}")
    return {"user": user, "roles": [role]}


def summary() -> dict[str, object]:
    """Return who the organization is, and what it uses of its plan."""
    tenant = current().tenant
    return {
        "organization": tenant.slug,
        "plan": tenant.plan,
        "documents": Document.objects.count(),
        "metered": tenancy.kit.quotas.used("documents"),
    }


def found(kind: type[Any], key: int) -> Any:
    """Return a row; another organization's is as if it were not there."""
    row = kind.objects.filter(pk=key).first()
    if row is None:
        raise RowNotFound(f"There is no such {kind.__name__.lower()}.")
    return row


def described(document: Document) -> dict[str, object]:
    """Return what is shown of a document."""
    return {"id": document.pk, "title": document.title, "author": document.author}
