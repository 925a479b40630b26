"""
The application of the adapter contract: what its routes do, whatever the framework.

An adapter's test wires :data:`ROUTES` with the adapter's own means, and what of streams, tasks, sockets and mounted
applications its framework has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ForeignKey, String, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantkit import Settings, TenantKit, current
from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import RowNotFound
from tenantkit.isolation import TenantScoped, shared
from tenantkit.kit import AuthZen
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Matrix, Rule, owner_of
from tenantkit.resolution import Claim, Host, TokenClaim, agree

__all__ = [
    "LIMIT",
    "MOUNTED",
    "PATHS",
    "ROUTES",
    "UPGRADE",
    "Base",
    "Document",
    "FrameworkError",
    "Page",
    "Reply",
    "Route",
    "checks",
    "make_kit",
    "parts",
    "write",
]

LIMIT: Final = 3
UPGRADE: Final = "https://app.example/upgrade"


class Base(DeclarativeBase):
    """Where the tables of the contract are declared."""


class Country(Base):
    """The same for every tenant; there is none, so that a document in one fails when it is committed."""

    __tablename__ = "contract_countries"
    __table_args__ = {"info": shared()}  # noqa: RUF012 - as SQLAlchemy declares it
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class Document(TenantScoped, Base):
    """A document and its author; the database looks for its country when it commits, and not before."""

    __tablename__ = "contract_documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    author: Mapped[str | None]
    country: Mapped[str | None] = mapped_column(
        ForeignKey(Country.code, deferrable=True, initially="DEFERRED")
    )


class Page(TenantScoped, Base):
    """A page of a document."""

    __tablename__ = "contract_pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey(Document.id))


PATHS: Final[dict[str, Any]] = {
    "public": ["/about", "/public/*"],
    "central": ["/organizations", "/everything"],
    "optional": ["/welcome"],
    "health": "/health",
    "context": "/user/context",
    "authzen": AuthZen("https://{tenant}.decides.example", "documents:manage", {"documents": Document}),
}


def make_kit(settings: Settings, **options: Any) -> TenantKit:
    """Return a kit of the contract's application."""
    names = ("documents:read", "documents:write", "documents:edit", "documents:manage")
    permissions = {name: name for name in names}
    own = Rule("documents:edit", when=owner_of("author"))
    return TenantKit(
        settings,
        metadata=Base.metadata,
        resolve=agree(TokenClaim("org"), Host("{tenant}.localhost")),
        roles=Matrix(
            permissions,
            {
                "reader": ["documents:read"],
                "writer": ["documents:read", "documents:write", own],
                "manager": ["documents:*"],
            },
        ),
        plans=Plans(Plan("default"), Plan("trial", {"documents": LIMIT}, UPGRADE)),
        dimensions={"workspace": Claim("workspace", int)},
        **options,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a status, and a JSON document."""

    status: int = 200
    content: Any = field(default_factory=dict)


class FrameworkError(Exception):
    """Stands for the error with which a handler of the framework answers a status: HTTPException, abort ..."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


Work = Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """
    One route.

    Args:
        method: its method.
        path: its path, with parameters as ``{name}``; all are texts.
        work: what it does. Called with the kit, the session of the request (on asyncio inside ``run_sync``) and the
            parameters; without the kit and a session where ``sessionless``.
        requires: a permission.
        some: a permission that is needed on some resource, about each of which the work asks.
        any_of: permissions of which one is needed.
        role: a role.
        consumes: a meter, of which it uses one unit.
        owns: the path parameter with the key of a :class:`Document` that the actor must be the author of, or hold
            ``documents:manage``.
        workspace: whether it requires a workspace.
        sessionless: whether it works without a session, as public routes do.
        unscoped: whether it works with a session over all tenants, which the adapter's noun for it gives.
    """

    method: str
    path: str
    work: Work
    requires: str | None = None
    some: str | None = None
    any_of: tuple[str, ...] = ()
    role: str | None = None
    consumes: str | None = None
    owns: str | None = None
    workspace: bool = False
    sessionless: bool = False
    unscoped: bool = False


def checks(tenancy: Any, route: Route) -> list[Any]:
    """Return what a route is guarded by, in the order in which it is asked, as the nouns of an adapter make it."""
    made = []
    if route.requires:
        made.append(tenancy.requires(route.requires))
    if route.some:
        made.append(tenancy.requires(route.some, some=True))
    if route.any_of:
        made.append(tenancy.requires_any(*route.any_of))
    if route.role:
        made.append(tenancy.requires_role(route.role))
    if route.workspace:
        made.append(tenancy.requires_workspace())
    if route.owns:
        made.append(tenancy.owns(Document, by="author", key=route.owns, unless="documents:manage"))
    if route.consumes:
        made.append(tenancy.consumes(route.consumes))
    return made


def write(session: Session, name: str) -> int:
    """Write a document of the actor's, and return its id."""
    actor = current().actor
    document = Document(name=name, author=actor.id if actor else None)
    session.add(document)
    session.flush()
    return document.id


_LARGE: Final = 65_536  # bytes: some parts of it, and no buffer on the way takes the whole body


def parts(work: Callable[[str], object], count: str, ending: str) -> Iterator[str]:
    """
    Yield the parts of a body, and do work for each while it is sent.

    Args:
        work: is given a name.
        count: how many.
        ending: ``well``; ``badly``, which fails after the last; ``large``, whose parts no buffer takes; ``reading``,
            which does no work.
    """
    for number in range(int(count)):
        if ending != "reading":
            work(f"part {number}")
        told = f"{current().tenant.slug} {number}\n"
        yield told.rjust(_LARGE) if ending == "large" else told
    if ending == "badly":
        raise ZeroDivisionError


def _read(_kit: TenantKit, session: Session) -> Reply:
    return Reply(content=list(session.scalars(select(Document.name).order_by(Document.id))))


def _write(kit: TenantKit, session: Session, name: str) -> Reply:
    document_id = write(session, name)
    kit.audit.trail.record(session, current(), "document.written", f"document:{document_id}")
    return Reply(201, {"id": document_id})


def _show(_kit: TenantKit, session: Session, document_id: str) -> Reply:
    document = session.get(Document, int(document_id)) if document_id.isdecimal() else None
    if document is None:
        raise RowNotFound(f"There is no document {document_id}.")
    return Reply(content={"name": document.name})


def _delete(_kit: TenantKit, session: Session, document_id: str) -> Reply:
    session.delete(session.get_one(Document, int(document_id)))
    return Reply()


def _edit(kit: TenantKit, session: Session, document_id: str) -> Reply:
    document = session.get_one(Document, int(document_id))
    kit.access.require("documents:edit", document)
    document.name = "edited"
    return Reply()


def _editable(kit: TenantKit, session: Session) -> Reply:
    return Reply(content=list(session.scalars(kit.access.filter(select(Document.name), "documents:edit"))))


def _forget_to_commit(_kit: TenantKit, session: Session, name: str) -> Reply:
    session.add(Document(name=name))
    return Reply()


def _refuse(_kit: TenantKit, session: Session, status: str) -> Reply:
    write(session, "refused")
    raise FrameworkError(int(status))


def _answer(_kit: TenantKit, session: Session, status: str) -> Reply:
    write(session, f"answered {status}")
    return Reply(int(status))


def _fail(_kit: TenantKit, session: Session) -> Reply:
    write(session, "failed")
    raise ZeroDivisionError


def _dangle(_kit: TenantKit, session: Session) -> Reply:
    session.add(Document(name="dangling", country="xx"))
    return Reply()


def _link(_kit: TenantKit, session: Session, document_id: str) -> Reply:
    session.add(Page(document_id=int(document_id)))
    return Reply()


def _misuse(_kit: TenantKit, session: Session) -> Reply:
    return Reply(content=list(session.scalars(text("SELECT name FROM contract_documents"))))


def _used(kit: TenantKit, session: Session) -> Reply:
    return Reply(content=kit.quotas.store.used(session, "documents") or 0)


def _whoami(_kit: TenantKit, session: Session) -> Reply:
    session.connection()  # it is the one of the scope, or is refused
    scope = current()
    who = {
        "tenant": scope.tenant.slug,
        "actor": scope.actor.id if scope.actor else None,
        "roles": sorted(scope.roles),
        "workspace": scope.dimensions.get("workspace"),
        "request_id": scope.request.request_id,
        "client": scope.request.client,
        "impersonator": scope.impersonator.id if scope.impersonator else None,
        "resolved_by": scope.request.resolved_by,
    }
    return Reply(content=who)


def _count_everything(_kit: TenantKit, session: Session) -> Reply:
    counted = select(Document.tenant_id, func.count()).group_by(Document.tenant_id)
    return Reply(content={str(tenant_id): count for tenant_id, count in session.execute(counted)})


def _tell_scope() -> Reply:
    scope = current_or_none()
    return Reply(content={"tenant": scope.tenant.slug if scope else None})


ROUTES: Final = (
    Route("GET", "/documents", _read, requires="documents:read"),
    Route("POST", "/documents/{name}", _write, requires="documents:write", consumes="documents"),
    Route("GET", "/documents/{document_id}", _show),
    Route("DELETE", "/documents/{document_id}", _delete, owns="document_id"),
    Route("POST", "/editing/{document_id}", _edit, some="documents:edit"),
    Route("GET", "/editable", _editable, some="documents:edit"),
    Route("GET", "/either", _whoami, any_of=("documents:manage", "documents:write")),
    Route("GET", "/managers", _whoami, role="manager"),
    Route("GET", "/whoami", _whoami),
    Route("GET", "/workspace", _whoami, workspace=True),
    Route("GET", "/used", _used),
    Route("POST", "/forgetful/{name}", _forget_to_commit),
    Route("POST", "/refusing/{status}", _refuse, consumes="documents"),
    Route("POST", "/answering/{status}", _answer, consumes="documents"),
    Route("POST", "/failing", _fail, consumes="documents"),
    Route("POST", "/dangling", _dangle),
    Route("POST", "/linking/{document_id}", _link),
    Route("GET", "/misuse", _misuse),
    Route("GET", "/about", _tell_scope, sessionless=True),
    Route("GET", "/public/terms", _tell_scope, sessionless=True),
    Route("GET", "/welcome", _tell_scope, sessionless=True),
    Route("GET", "/organizations", _tell_scope, sessionless=True),
    Route("GET", "/everything", _count_everything, unscoped=True),
)
MOUNTED: Final = (
    Route("GET", "/documents", _read, requires="documents:read"),
    Route("POST", "/managed", _fail, requires="documents:manage"),
)
