"""Directories that the kit can ask, its own and an application's: the same contract, and the same requests."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tenantkit.adapters import operations
from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import (
    ConfigurationError,
    NotAMember,
    TenantSuspended,
    TokenInvalid,
    UnknownTenant,
)
from tenantkit.kit import RequestCredentials
from tenantkit.testing.contracts import LookupContract

EXAMPLES = Path(__file__).parents[2] / "examples"


class TestDirectory(LookupContract):
    """The kit's own directory."""

    @pytest.fixture(autouse=True)
    def _asked(self, kit):
        self.kit, self.directory = kit, kit.directory

    def open_session(self):
        return Session(self.kit.owner_engine)

    def lookup(self, session):
        return self.directory.on(session)

    def add_tenant(self, session, slug):
        return self.directory.create_tenant(session, slug)

    def suspend_tenant(self, session, tenant):
        self.directory.change_status(session, tenant, "suspended")

    def add_member(self, session, tenant, user_id, roles):
        self.directory.add_member(session, tenant, user_id, roles)

    def end_membership(self, session, tenant, user_id):
        self.directory.change_member(session, tenant, user_id, status="suspended")


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Give the example's module, with its tables on a database of its own."""
    monkeypatch.setenv("TENANTKIT_DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    monkeypatch.setenv("TENANTKIT_TOKEN_SECRET", "a secret of the example, long enough for HS256")
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "own_organizations", raising=False)
    module = import_module("own_organizations")
    module.kit.create_tables()
    yield module
    module.kit.dispose()
    monkeypatch.delitem(sys.modules, "own_organizations", raising=False)


class TestOrganizations(LookupContract):
    """The example's."""

    @pytest.fixture(autouse=True)
    def _asked(self, example):
        self.example = example

    def open_session(self):
        return Session(self.example.kit.owner_engine)

    def lookup(self, session):
        return self.example.Organizations(session)

    def add_tenant(self, session, slug):
        session.add(self.example.Organization(subdomain=slug))
        return self.lookup(session).by_slug(slug)

    def suspend_tenant(self, session, tenant):
        session.get_one(self.example.Organization, tenant.id).is_paid = False

    def add_member(self, session, tenant, user_id, roles):
        (role,) = roles
        session.add(self.example.Person(organization_id=tenant.id, login=user_id, role=role))

    def end_membership(self, session, tenant, user_id):
        session.delete(session.get_one(self.example.Person, (tenant.id, user_id)))


@pytest.fixture
def own(example):
    """Give the example's module with two organizations, each of one person."""
    with Session(example.kit.owner_engine) as session:
        for number, slug, login, role in ((7, "acme", "ann", "owner"), (8, "bolt", "bob", "reader")):
            session.add(example.Organization(id=number, subdomain=slug))
            session.flush()
            session.add(example.Person(organization_id=number, login=login, role=role))
        session.commit()
    return example


def request_of(kit, user, tenant):
    """Return what a request of a user says of itself."""
    return RequestCredentials(None, kit.tokens.issue(user, tenant), RequestFacts())


def test_requests_are_served_by_the_applications_own_tables(own):
    """Scope, actor and roles come from there; who is no member there is none, and the kit's own tables are empty."""
    kit = own.kit
    with kit.scope("acme") as scope:
        acme = scope.tenant
    found = kit.identify(request_of(kit, "ann", acme))
    assert (7, "acme", "ann", {"owner"}) == (found.tenant.id, found.tenant.slug, found.actor.id, found.roles)
    with pytest.raises(NotAMember):
        kit.identify(request_of(kit, "bob", acme))
    with pytest.raises(UnknownTenant), kit.scope("nobody"):
        pass
    with Session(kit.owner_engine) as session:
        assert [] == list(kit.directory.tenants(session).items)


def test_a_scope_sees_its_own_organization(own):
    """The application's table of organizations is scoped by its key."""
    with own.kit.scope("acme"):
        assert ["acme"] == [found.subdomain for found in own.kit.session().query(own.Organization)]
        assert ["ann"] == [found.login for found in own.kit.session().query(own.Person)]


def test_a_change_that_is_told_is_seen_at_once(own):
    """Whoever changes a tenant tells the kit in the same transaction; untold it would be seen after a lifetime."""
    kit = own.kit
    with kit.scope("acme") as scope:
        acme = scope.tenant
    request = request_of(kit, "ann", acme)
    kit.identify(request)
    with kit.unscoped_session(reason="invoice", actor="billing") as session:
        session.get_one(own.Organization, 7).is_paid = False
        session.commit()
        assert acme == kit.identify(request).tenant
        kit.directory_changed(session, 7)
        session.connection()
        session.commit()
    with pytest.raises(TenantSuspended):
        kit.identify(request)


def test_keys_and_links_go_by_the_same_tables(own):
    """An API key works in its member's name, and not after the member has gone; a link opens its tenant."""
    kit = own.kit
    with kit.scope("acme"):
        key = kit.api_keys.create("import", lifetime=60, user_id="ann")
        link = kit.share_links.create("report:1", "viewer")
        kit.session().commit()
    request = RequestCredentials(None, key.text, RequestFacts())
    assert ("ann", {"owner"}) == ((found := kit.identify(request)).actor.id, found.roles)
    with kit.share_links.opened(link.text) as (scope, _):
        assert 7 == scope.tenant.id
    with kit.unscoped_session(reason="left", actor="test") as session:
        session.delete(session.get_one(own.Person, (7, "ann")))
        kit.directory_changed(session, 7)
        session.commit()
    with pytest.raises((NotAMember, TokenInvalid)):
        kit.identify(request)


@pytest.mark.parametrize("command", [operations.create_tenant, operations.add_member])
def test_commands_write_into_no_directory_that_nobody_asks(own, command):
    """They say where tenants and members are made instead."""
    arguments = ("acme", "ann", ["owner"]) if command is operations.add_member else ("new",)
    with pytest.raises(ConfigurationError, match="directory of its own"):
        command(own.kit, *arguments)
