"""Decisions for others about rows whose class has several names."""

import pytest
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit import Actor, Settings, TenantKit
from tenantkit.isolation import TenantScoped, scoped_through
from tenantkit.kit import AuthZen
from tenantkit.rbac import Matrix, Rule, owner_of
from tenantkit.resolution import TokenClaim


class Base(DeclarativeBase):
    """Where the tables are declared."""


class Paper(TenantScoped, Base):
    """A paper of somebody's."""

    __tablename__ = "papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}


class Contract(Paper):
    """A paper that has a table of its own besides."""

    __tablename__ = "contracts"
    __table_args__ = {"info": scoped_through("id")}
    id: Mapped[int] = mapped_column(ForeignKey("papers.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "contract"}


@pytest.fixture
def kit(tmp_path):
    """Give a kit with a tenant in which ann may read what is hers, and bob has a contract."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'papers.db'}",
        token_secret="a-secret-of-papers-of-more-than-32-bytes",
    )
    roles = Matrix(
        {"papers:read": "", "papers:ask": ""}, {"member": [Rule("papers:read", when=owner_of("owner"))]}
    )
    kit = TenantKit(settings, metadata=Base.metadata, resolve=TokenClaim("org"), roles=roles)
    kit.create_tables()
    with kit.unscoped_session(reason="sign up", actor="test") as session:
        acme = kit.directory.create_tenant(session, "acme")
        kit.directory.add_member(session, acme, "ann", ["member"])
        session.commit()
    with kit.scope(acme, actor=Actor("ann")):
        kit.session().add(Contract(id=1, owner="bob"))
        kit.session().add(Contract(id=2, owner="ann"))
        kit.session().commit()
    yield kit
    kit.dispose()


@pytest.mark.parametrize("named", ["deal", "contracts", "papers"])
def test_a_row_is_looked_up_by_each_name_of_it(kit, named):
    """By the type given, by its table, or by the one it inherits from: what a question says is not believed."""
    authzen = AuthZen("https://papers.example", "papers:ask", {"deal": Contract})

    def decided(key, owner):
        asked = {
            "subject": {"type": "user", "id": "ann"},
            "action": {"name": "papers:read"},
            "resource": {"type": named, "id": key, "properties": {"owner": owner}},
        }
        return authzen.evaluation(kit, asked)["decision"]

    with kit.scope("acme", actor=Actor("ann")):
        assert [False, True, False] == [decided("1", "ann"), decided("2", "bob"), decided("3", "ann")]
