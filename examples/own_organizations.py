"""An application that has its own tables of organizations and people, and lets tenantkit ask those."""

from typing import Any

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantkit import Settings, Tenant, TenantKit
from tenantkit.core.tenant import is_slug
from tenantkit.core.texts import is_storable
from tenantkit.directory import Membership
from tenantkit.isolation import scoped_by
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree
from tenantkit.sql.spelling import read_key


class Base(DeclarativeBase):
    """Where the application's tables are declared."""


class Organization(Base):
    """An organization, as the application always had it; in a scope it sees itself."""

    __tablename__ = "organizations"
    __table_args__ = {"info": scoped_by("id")}  # noqa: RUF012 - as SQLAlchemy declares it
    id: Mapped[int] = mapped_column(primary_key=True)
    subdomain: Mapped[str] = mapped_column(String(63), unique=True)
    is_paid: Mapped[bool] = mapped_column(default=True)


class Person(Base):
    """Somebody's place in an organization."""

    __tablename__ = "people"
    __table_args__ = {"info": scoped_by("organization_id")}  # noqa: RUF012
    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id), primary_key=True)
    login: Mapped[str] = mapped_column(String(200), primary_key=True)
    role: Mapped[str] = mapped_column(String(32))


class Organizations:
    """What tenantkit asks, of the tables above; made with a session that sees all of them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of a subdomain, or None."""
        return self._one(Organization.subdomain == slug) if is_slug(slug) else None

    def by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id as text, or None."""
        key = read_key(Organization.__table__.c.id.type, tenant_id)
        return None if key is None else self._one(Organization.id == key)

    def by_domain(self, _domain: str) -> Tenant | None:
        """Return None: organizations bring no domains of their own."""
        return None

    def membership(self, tenant: Tenant, user_id: str) -> Membership | None:
        """Return the place of a person in an organization, or None."""
        if not is_storable(user_id):
            return None
        query = select(Person).where(Person.organization_id == tenant.id, Person.login == user_id)
        found = self._session.scalars(query).one_or_none()
        return found and Membership(found.organization_id, found.login, frozenset({found.role}))

    def _one(self, condition: Any) -> Tenant | None:
        found = self._session.scalars(select(Organization).where(condition)).one_or_none()
        return found and Tenant(found.id, found.subdomain, status="active" if found.is_paid else "suspended")


kit = TenantKit(
    Settings(tenant_id_type="int"),
    metadata=Base.metadata,
    resolve=agree(TokenClaim("org")),
    roles=Matrix({"reports:read": "See reports"}, {"owner": ["*"], "reader": ["reports:read"]}),
    organizations=Organizations,
)
