"""What the product does, on the session of a scope; no framework is named, and no tenant passed."""

from pathlib import Path
from typing import Any

from models import Base, Document, Folder
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tenantkit import Settings, TenantKit, current
from tenantkit.exceptions import RowNotFound
from tenantkit.quotas import Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree

HERE = Path(__file__).parent

kit = TenantKit(
    Settings(),
    metadata=Base.metadata,
    resolve=agree(TokenClaim("org")),
    roles=Matrix.read(HERE / "roles.toml"),
    plans=Plans.read(HERE / "plans.toml"),
)


def list_folders(session: Session) -> list[dict[str, object]]:
    """Return the folders of the organization."""
    folders = session.scalars(select(Folder).order_by(Folder.name))
    return [{"id": folder.id, "name": folder.name} for folder in folders]


def add_folder(session: Session, name: str) -> dict[str, object]:
    """Add a folder."""
    folder = Folder(name=name)
    session.add(folder)
    kit.audit.record("folder.created", folder)
    return {"id": folder.id, "name": folder.name}


def list_documents(session: Session, folder_id: int) -> list[dict[str, object]]:
    """Return the documents of a folder."""
    found(session, Folder, folder_id)
    query = select(Document).where(Document.folder_id == folder_id).order_by(Document.id)
    return [described(document) for document in session.scalars(query)]


def add_document(session: Session, folder_id: int, title: str) -> dict[str, object]:
    """Add a document of the actor's to a folder."""
    folder = found(session, Folder, folder_id)
    document = Document(folder=folder, title=title, author=current().actor.id)
    session.add(document)
    kit.audit.record("document.created", document)
    return described(document)


def show_document(session: Session, document_id: int) -> dict[str, object]:
    """Return a document."""
    return described(found(session, Document, document_id))


def delete_document(session: Session, document_id: int) -> None:
    """Take a document out of sight."""
    document = found(session, Document, document_id)
    document.deleted_at = kit.clock.now()
    kit.audit.record("document.deleted", document)


def list_members(session: Session) -> list[dict[str, object]]:
    """Return the members of the organization."""
    member = kit.directory.tables.memberships.c
    rows = session.execute(select(member.user_id, member.roles).order_by(member.user_id))
    return [{"user": user, "roles": roles} for user, roles in rows]


def add_member(session: Session, user: str, role: str) -> dict[str, object]:
    """Make a user a member of the organization."""
    kit.directory.add_member(session, current().tenant, user, [role])
    kit.audit.record("member.added", f"user:{user}")
    return {"user": user, "roles": [role]}


def summary(session: Session) -> dict[str, object]:
    """Return who the organization is, and what it uses of its plan."""
    tenant = current().tenant
    documents = session.scalar(select(func.count()).select_from(Document))
    return {
        "organization": tenant.slug,
        "plan": tenant.plan,
        "documents": documents,
        "metered": kit.quotas.used("documents"),
    }


def found(session: Session, kind: type[Any], key: int) -> Any:
    """Return a row; another organization's is as if it were not there."""
    row = session.get(kind, key)
    if row is None:
        raise RowNotFound(f"There is no such {kind.__name__.lower()}.")
    return row


def described(document: Document) -> dict[str, object]:
    """Return what is shown of a document."""
    return {"id": document.id, "title": document.title, "author": document.author}
