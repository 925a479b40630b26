"""The kit and its sessions, sync and async."""

from collections.abc import Sequence
from typing import Any, assert_type
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Uuid, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.elements import ColumnClause, TextClause

from tenantkit import Actor, Scope, Settings, Tenant, TenantKit, new_id
from tenantkit.audit import Event
from tenantkit.core.scope import RequestFacts
from tenantkit.directory import Membership, NewInvitation, TenantSettings
from tenantkit.isolation import (
    RowRule,
    ScopedSession,
    TenantScoped,
    UnscopedSession,
    declare,
    scope_async_engine,
    scope_engine,
    scoped_by,
    scoped_through,
    shared,
    vouch,
)
from tenantkit.kit import RequestCredentials
from tenantkit.quotas import Plans
from tenantkit.rbac import Grant, Matrix
from tenantkit.resolution import TokenClaim, agree
from tenantkit.tokens import Login, NewApiKey, ShareLink, TokenPair


class Base(DeclarativeBase):
    """Where tables are declared."""


class Document(TenantScoped, Base):
    """A document of a tenant."""

    __tablename__ = "documents"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]


class Country(Base):
    """The same for every tenant."""

    __tablename__ = "countries"
    __table_args__ = {"info": shared()}
    code: Mapped[str] = mapped_column(primary_key=True)


legacy = Table("legacy", MetaData(), Column("id", Integer, primary_key=True), Column("org", Uuid))
assert_type(declare(legacy, scoped_by("org")), Table)
assert_type(scoped_through("document_id"), dict[str, Any])

kit = TenantKit(
    Settings(database_url="sqlite:///app.db", token_secret="s" * 32),
    metadata=[Base.metadata, legacy.metadata],
    resolve=agree(TokenClaim("org")),
    roles=Matrix({}, {}),
    plans=Plans(),
    engine_options={"rules": [RowRule("alive", "deleted_at", None)], "functions": ["app.score"]},
)
assert_type(kit.engine, Engine)
assert_type(kit.async_engine, AsyncEngine)


def works_for_a_tenant() -> list[str]:
    """Read, write, count and record."""
    with kit.scope("acme", actor=Actor("ann")) as scope:
        assert_type(scope, Scope)
        session = kit.session()
        assert_type(session, ScopedSession)
        document = Document(name="a")
        assert_type(document.tenant_id, UUID)
        session.add(document)
        assert_type(kit.audit.record("document.uploaded", document, details={"size": 1}), Event)
        assert_type(kit.quotas.consume("documents"), int)
        assert_type(kit.audit.latest(10), list[Event])
        session.scalars(kit.access.filter(select(Document.name), "a:b"))
        assert_type(kit.access.grant("ann", "a:b"), Grant)
        session.commit()
        return list(session.scalars(select(Document.name)))


@kit.access.requires("a:b", on="document")
def rename(document: Document, name: str) -> int:
    """Keep the types of what is decorated."""
    document.name = name
    return len(name)


assert_type(rename(Document(name="a"), "b"), int)
rename("a", "b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def works_for_a_tenant_in_a_loop() -> list[str]:
    """The same, awaited."""
    with kit.scope("acme") as scope:
        session = kit.async_session()
        assert_type(session, AsyncSession)
        assert_type(await kit.audit.arecord("document.uploaded", "document:1"), Event)
        assert_type(await kit.quotas.aconsume("documents", 2), int)
        assert_type(await kit.audit.alatest(), list[Event])
        names = list(await session.scalars(select(Document.name)))
        await kit.arelease(scope)
    await kit.adispose()
    return names


def works_for_all() -> None:
    """Use the directory in an unscoped session."""
    with kit.unscoped_session(reason="sign up", actor=Actor.system("setup")) as session:
        assert_type(session, UnscopedSession)
        tenant = kit.directory.create_tenant(session, "acme", plan="trial")
        assert_type(tenant, Tenant)
        assert_type(kit.directory.add_member(session, tenant, "ann", ["writer"]), Membership)
        assert_type(kit.directory.by_slug(session, "acme"), Tenant | None)
        assert_type(kit.directory.change_status(session, tenant, "suspended", reason="unpaid"), Tenant)
        kit.directory.change_status(session, tenant, "asleep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert_type(kit.directory.members(session, tenant).items, Sequence[Membership])
        assert_type(kit.directory.tenants_of(session, "ann"), list[tuple[Tenant, Membership]])
        assert_type(kit.invitations.invite(session, tenant, "bob@example.com", "reader"), NewInvitation)
        assert_type(kit.domains.by_domain(session, "example.com"), Tenant | None)
        assert_type(kit.tokens.issue("ann", tenant), str)
        session.commit()
    assert_type(kit.identify(RequestCredentials("acme.example", None, RequestFacts())), Scope)
    with kit.unscoped_session() as session:  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        pass


class Preferences(BaseModel):
    """What an application keeps of a tenant."""

    theme: str = "light"


async def signs_in(tenant: Tenant) -> None:
    """Logins, keys, links and attempts, sync and async."""
    assert_type(kit.logins.sign_in("ann", tenant), TokenPair)
    assert_type(await kit.logins.arefresh("tkr_..."), TokenPair)
    assert_type(kit.logins.list_of("ann"), list[Login])
    assert_type(kit.api_keys.create("import", lifetime=None, roles=["reader"]), NewApiKey)
    kit.api_keys.create("import", roles=["reader"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with kit.share_links.opened("tks_...") as (scope, link):
        assert_type(scope, Scope)
        assert_type(link, ShareLink)
    async with kit.share_links.aopened("tks_...") as (_, link):
        assert_type(link.level, str)
    kit.lockouts.attempt("ann", None)


def keeps_settings(tenant: Tenant) -> None:
    """Settings by a model."""
    kept = TenantSettings(Preferences, keys=["..."])
    assert_type(kept.read(tenant), Preferences)
    assert_type(kept.write(tenant, Preferences()), dict[str, Any])


def works_without_a_kit(tenant: Tenant) -> None:
    """Scope an engine, and vouch for raw SQL."""
    engine = scope_engine("sqlite://", metadata=Base.metadata, functions=["score"], echo=True)
    assert_type(engine, Engine)
    assert_type(scope_async_engine("sqlite+aiosqlite://", metadata=[Base.metadata]), AsyncEngine)
    with ScopedSession(engine, scope=Scope(tenant)) as session:
        plain: Session = session
        assert_type(session.scope, Scope)
        assert_type(plain.get(Document, new_id()), Document | None)
    assert_type(vouch(text("1 = 1"), "constant"), TextClause)
    assert_type(vouch(literal_column("1 + 1"), "constant"), ColumnClause[Any])
    vouch("1 = 1", "constant")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
